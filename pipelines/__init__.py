"""From a licensed copy on disk to `tf.data`: the half that knows files, faces and frames.

Nothing here imports `me_keras`.
"""

__version__ = "0.3.0"  # of both packages: they are one distribution, me-keras
