"""The layers of FRL-DGT. Conventions (axes, boxes, displacement) as in `pipelines.schema`."""

from me_keras.layers.displacement import DisplacementGenerator
from me_keras.layers.fusion import FusionTransformer, Patches
from me_keras.layers.motion import MotionMaps, RegionStatistics, Resize, TokenMean
from me_keras.layers.regions import RegionCrop, mirror_boxes
from me_keras.layers.transformer import SeededDropout, TransformerBlock
from me_keras.layers.warp import DenseWarp, dense_warp, optical_strain

__all__ = [
    "DenseWarp",
    "DisplacementGenerator",
    "FusionTransformer",
    "MotionMaps",
    "Patches",
    "RegionCrop",
    "RegionStatistics",
    "Resize",
    "SeededDropout",
    "TokenMean",
    "TransformerBlock",
    "dense_warp",
    "mirror_boxes",
    "optical_strain",
]
