"""AlexNet, the network that won ImageNet 2012.

Papers: Krizhevsky 2012 (ImageNet classification with deep convolutional neural networks), section 3.5 and figure 2;
Krizhevsky 2014 (1404.5997), footnote 1, for `alexnet_torchvision`.
The two towers of the paper's two GPUs are grouped convolutions. Images are 227x227: the paper says 224, of which an
11x11 kernel at stride 4 would leave a quarter of a step.
Departures: `alexnet` and `alexnet_single` pool before they normalise, as the layer table of Stanford's cs231n does;
`alexnet_paper` normalises first. He's initialisation and biases of 0 in place of Gaussians of 0.01 and biases of 1.
`alexnet_torchvision` is one tower of fewer maps without normalisation, and pools any image to 6x6 maps; conv4 has 256
maps, as in torchvision, where the paper's one-tower network has 384 (64, 192, 384, 384, 256).
"""

from dataclasses import dataclass
from typing import Literal

import keras

from kcnn.errors import ShapeError
from kcnn.layers import LocalResponseNormalization
from kcnn.models.common import ImageShape, dense_pair, image_input, logits, relu


@dataclass(frozen=True, kw_only=True)
class AlexNetSpec:
    """One row."""

    maps: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256)  # of conv1..conv5
    towers: int = 2  # groups of conv2, conv4 and conv5
    normalise: bool = True
    order: Literal["pool_norm", "norm_pool"] = "pool_norm"
    padding: int = 0  # zeros around the image
    cells: int | None = None  # side of the map that any image is pooled to
    units: int = 4096  # of fc6 and fc7
    side: int = 227  # of the images, in pixels
    lost: int = 2  # cells that unpadded layers take from a level
    source: str
    params: int  # trainable, 1000 classes, RGB


SPECS = {
    "alexnet": AlexNetSpec(source="Krizhevsky 2012, section 3.5; cs231n lecture on architectures", params=60_965_224),
    "alexnet_paper": AlexNetSpec(order="norm_pool", source="Krizhevsky 2012, section 3.5", params=60_965_224),
    "alexnet_single": AlexNetSpec(
        towers=1, source="Krizhevsky 2012, section 3.5, without the division into towers", params=62_378_344
    ),
    "alexnet_torchvision": AlexNetSpec(
        maps=(64, 192, 384, 256, 256),
        towers=1,
        normalise=False,
        padding=2,
        cells=6,
        side=224,
        source="Krizhevsky 2014, footnote 1; torchvision's alexnet",
        params=61_100_840,
    ),
    # 11*11*3*4+4, 5*5*2*8+8, 3*3*8*8+8, 3*3*4*8+8, 3*3*4*8+8; one cell of 8 -> 16 -> 16 -> 1000
    "tiny_alexnet": AlexNetSpec(maps=(4, 8, 8, 8, 8), units=16, side=67, source="kcnn, for tests", params=20_456),
}
KERNEL, STRIDE, LEAST = 11, 4, 67  # of conv1; 67 pixels leave one cell after pool3


def closing(x: keras.KerasTensor, spec: AlexNetSpec, stage: int) -> keras.KerasTensor:
    """Pooling of 3x3 at stride 2 (overlapping, section 3.4) and response normalisation (3.3), in the row's order."""

    def pool(x: keras.KerasTensor) -> keras.KerasTensor:
        return keras.layers.MaxPooling2D(3, 2, name=f"pool{stage}")(x)

    if not spec.normalise:
        return pool(x)
    norm = LocalResponseNormalization(name=f"norm{stage}")
    return norm(pool(x)) if spec.order == "pool_norm" else pool(norm(x))


def features(inputs: keras.KerasTensor, spec: AlexNetSpec) -> dict[str, keras.KerasTensor]:
    """Return conv1 as "C2" (stride 4), conv2 as "C3" (stride 8) and conv5 as "C4" (stride 16)."""
    x, levels = inputs, {}
    if spec.padding:
        x = keras.layers.ZeroPadding2D(spec.padding, name="images_pad")(x)
    kernels = (KERNEL, 5, 3, 3, 3)
    for stage, (maps, kernel) in enumerate(zip(spec.maps, kernels, strict=True), start=1):
        name, towers = f"conv{stage}", spec.towers if stage in (2, 4, 5) else 1
        padding, stride = ("valid", STRIDE) if stage == 1 else ("same", 1)
        x = keras.layers.Conv2D(
            maps, kernel, stride, padding=padding, groups=towers, kernel_initializer="he_uniform", name=name
        )(x)
        x = relu(x, name)
        if stage in (1, 2, 5):
            levels[f"C{min(stage + 1, 4)}"] = x
        if stage in (1, 2):
            x = closing(x, spec, stage)
    return levels


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape | None = None) -> keras.Model:
    """Build an AlexNet.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels), numbers of at least 67 and of the form 4 k + 3, as 227, which is the
            default; any from 63 for `alexnet_torchvision`, 224 by default.

    Returns: `keras.Model` from (N, H, W, C) images to (N, num_classes) logits.

    Raises:
        ShapeError: height or width is open, too small, or leaves the stride of conv1 a remainder.
        ConfigError: `num_classes` is not positive.
    """
    spec = SPECS[name]
    shape = (spec.side, spec.side, 3) if image_shape is None else image_shape
    inputs = image_input(name, shape, minimum=LEAST - 2 * spec.padding, fixed=True)
    check_stride(name, shape, spec)
    x = keras.layers.MaxPooling2D(3, 2, name="pool5")(features(inputs, spec)["C4"])
    if spec.cells:
        x = keras.layers.AdaptiveAveragePooling2D(spec.cells, name="pool6")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, logits(dense_pair(x, spec.units), name, num_classes), name=name)


def check_stride(name: str, shape: ImageShape, spec: AlexNetSpec) -> None:
    """Refuse a size that the unpadded conv1 does not fit.

    Raises:
        ShapeError: (side - 11) / 4 is no whole number.
    """
    for side in shape[:2]:
        if not spec.padding and (side - KERNEL) % STRIDE:
            steps = (side - KERNEL) / STRIDE + 1
            raise ShapeError(
                f"{name}: image_shape is {shape} but {side} pixels give conv1, {KERNEL}x{KERNEL} at stride {STRIDE}, "
                f"{steps} steps, not a whole number; use {spec.side}, or another size of the form 4 k + 3.",
                expected=(spec.side, spec.side, shape[2]),
                actual=shape,
            )
