"""Layers that Keras lacks, in `keras.ops` alone: any backend, and built-in operations on LiteRT.

Importing this package is what lets `keras.saving.load_model` find them.
"""

from kcnn.layers.lrn import LocalResponseNormalization
from kcnn.layers.rbf import RadialBasisOutput, scaled_tanh
from kcnn.layers.size import BilinearKernel, CropLike, PadToMultiple, ResizeLike
from kcnn.layers.sparse import SparseConv2D
from kcnn.layers.spp import SpatialPyramidPooling
from kcnn.layers.subsample import TrainableSubsampling
from kcnn.layers.unpool import BedOfNailsUnpooling, MaxPoolingWithPositions, MaxUnpooling

__all__ = [
    "BedOfNailsUnpooling",
    "BilinearKernel",
    "CropLike",
    "LocalResponseNormalization",
    "MaxPoolingWithPositions",
    "MaxUnpooling",
    "PadToMultiple",
    "RadialBasisOutput",
    "ResizeLike",
    "SparseConv2D",
    "SpatialPyramidPooling",
    "TrainableSubsampling",
    "scaled_tanh",
]
