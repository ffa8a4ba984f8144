"""SPP-net: one network for images of any size, by pooling into a fixed number of bins.

Papers: He 2014 (1406.4729), table 1 (ZF-5) and section 2.2; Zeiler 2013 (1311.2901), figure 3.
Table 1 says that padding is adjusted to give maps of 55, 27 and 13 pixels from 224: here 3 before conv1, 1 before
conv2. Response normalisation has Krizhevsky's constants. The pyramid is that of section 3.1: 6, 3, 2 and 1 bins a side.
Departures: He's initialisation; images of every size train in one network, where the paper alternates between two.
"""

from dataclasses import dataclass

import keras

from kcnn.layers import LocalResponseNormalization, SpatialPyramidPooling
from kcnn.models.common import ImageShape, dense_pair, even_conv, image_input, logits, relu


@dataclass(frozen=True, kw_only=True)
class SPPNetSpec:
    """One row."""

    maps: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256)  # of conv1..conv5
    bins: tuple[int, ...] = (6, 3, 2, 1)
    units: int = 4096  # of fc6 and fc7
    lost: int = 1  # cells that unpadded layers take from a level
    source: str
    params: int  # trainable, 1000 classes, RGB


SPECS = {
    # 7*7*3*96+96, 5*5*96*256+256, 9*256*384+384, 9*384*384+384, 9*384*256+256; 50 bins of 256 -> 4096 -> 4096 -> 1000
    "sppnet_zf5": SPPNetSpec(source="He 2014, table 1, ZF-5, and section 3.1", params=77_037_672),
    # 7*7*3*4+4, 5*5*4*8+8, 3 of 9*8*8+8; 5 bins of 8 -> 16 -> 16 -> 1000
    "tiny_sppnet": SPPNetSpec(maps=(4, 8, 8, 8, 8), bins=(2, 1), units=16, source="kcnn, for tests", params=21_080),
}


def strided(x: keras.KerasTensor, maps: int, kernel: int, padding: int, name: str) -> keras.KerasTensor:
    """Convolution at stride 2 and ReLU, padded evenly by `padding`."""
    x = keras.layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    return relu(keras.layers.Conv2D(maps, kernel, 2, kernel_initializer="he_uniform", name=name)(x), name)


def features(inputs: keras.KerasTensor, spec: SPPNetSpec) -> dict[str, keras.KerasTensor]:
    """Return conv1 as "C1" (stride 2), conv2 as "C3" (stride 8) and conv5 as "C4" (stride 16)."""
    x, levels = inputs, {}
    for stage, (kernel, padding) in enumerate(((7, 3), (5, 1)), start=1):
        x = strided(x, spec.maps[stage - 1], kernel, padding, f"conv{stage}")
        levels[f"C{2 * stage - 1}"] = x
        x = LocalResponseNormalization(name=f"norm{stage}")(x)
        x = keras.layers.MaxPooling2D(3, 2, name=f"pool{stage}")(x)
    for stage in (3, 4, 5):
        x = relu(even_conv(x, spec.maps[stage - 1], 3, 1, f"conv{stage}", use_bias=True), f"conv{stage}")
    return levels | {"C4": x}


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build an SPP-net.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels); height and width at least 29 pixels, or None.

    Returns: `keras.Model` from (N, H, W, C) images to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below 29.
        ConfigError: `num_classes` is not positive.
    """
    spec = SPECS[name]
    inputs = image_input(name, image_shape, minimum=29)
    x = SpatialPyramidPooling(spec.bins, name="spp")(features(inputs, spec)["C4"])
    return keras.Model(inputs, logits(dense_pair(x, spec.units), name, num_classes), name=name)
