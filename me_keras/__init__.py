"""FRL-DGT for micro-expression recognition in TensorFlow/Keras.

Import `me_keras.layers`, `me_keras.models` or `me_keras.losses` to build, load or train models;
this package itself loads nothing, so that `--help` of every command answers at once.
"""

__version__ = "0.1.0"
