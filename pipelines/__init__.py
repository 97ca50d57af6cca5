"""From a licensed copy on disk to `tf.data`: the half that knows files, faces and frames.

Nothing here imports `me_keras`.
"""
