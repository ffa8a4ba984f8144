"""SegNet: VGG-16's convolutions, and their mirror image that puts values back where the maxima stood.

Paper: Badrinarayanan 2015 (1511.00561), section 3 and figure 2.
The `_nearest` rows have the same decoder without remembered positions: each value fills its square.
Departures: images are padded at the bottom and right until all poolings divide them (to a multiple of 32 in the
paper's network), and the scores cropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import keras

from kcnn.layers import CropLike, MaxPoolingWithPositions, MaxUnpooling, PadToMultiple
from kcnn.models import vgg
from kcnn.models.common import ImageShape, batch_norm, image_input, relu
from kcnn.models.dense import scores

WIDTHS = (64, 128, 256, 512, 512)
SMALL: dict[str, tuple[int, ...]] = {"repeats": (2, 2, 3), "widths": (32, 64, 128)}


@dataclass(frozen=True, kw_only=True)
class SegNetSpec:
    """One row: a VGG with batch normalisation, and how its decoder enlarges."""

    repeats: tuple[int, ...] = vgg.VGG16  # convolutions of each block, which ends in a pooling
    widths: tuple[int, ...] = WIDTHS  # maps of each block
    trunk: str = ""  # the classifier whose weights fit
    unpooling: Literal["positions", "nearest"] = "positions"
    source: str
    params: int  # trainable, 21 classes, RGB


SPECS = {
    "segnet": SegNetSpec(trunk="vgg16_bn", source="Badrinarayanan 2015, figure 2", params=29_455_125),
    "segnet_nearest": SegNetSpec(
        trunk="vgg16_bn", unpooling="nearest", source="segnet without remembered positions", params=29_455_125
    ),
    "segnet_small": SegNetSpec(**SMALL, source="the first three blocks of segnet at half their width", params=876_309),
    "segnet_small_nearest": SegNetSpec(
        **SMALL, unpooling="nearest", source="segnet_small without remembered positions", params=876_309
    ),
    "tiny_segnet": SegNetSpec(
        repeats=(1, 1, 1, 1, 1), widths=(4, 4, 8, 8, 8), trunk="tiny_vgg", source="kcnn, for tests", params=4_221
    ),
}


def encoder(x: keras.KerasTensor, row: vgg.VGGSpec) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """Return the last pooled maps of a VGG, and the positions of the maxima of its poolings."""
    positions = []
    for block in range(1, len(row.repeats) + 1):
        x, places = MaxPoolingWithPositions(2, name=f"block{block}_pool")(vgg.convolutions(x, row, block))
        positions.append(places)
    return x, positions


def unpool(
    x: keras.KerasTensor, positions: keras.KerasTensor, kind: Literal["positions", "nearest"], name: str
) -> keras.KerasTensor:
    """Return maps of twice the size: values where the maxima stood, or filling their squares."""
    if kind == "positions":
        return MaxUnpooling(2, name=name)([x, positions])
    return keras.layers.UpSampling2D(2, name=name)(x)


def conv_bn_relu(
    x: keras.KerasTensor, filters: int, kind: type[keras.layers.Layer], kernel: int, name: str, padding: str = "same"
) -> keras.KerasTensor:
    """Convolution (or transposed convolution) with bias, normalisation, ReLU."""
    x = kind(filters, kernel, padding=padding, kernel_initializer="he_uniform", name=name)(x)
    return relu(batch_norm(x, name), name)


def mirrored(repeats: Sequence[int], widths: Sequence[int], block: int) -> list[int]:
    """Return the maps of the decoder's convolutions that undo `block`, counted from 1: the last leads to the block
    before it."""
    return [widths[block - 1]] * (repeats[block - 1] - 1) + [widths[max(block - 2, 0)]]


def network(name: str, spec: SegNetSpec, num_classes: int, image_shape: ImageShape) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    inputs = image_input(name, image_shape, minimum=1)
    row = vgg.VGGSpec(repeats=spec.repeats, widths=spec.widths, normalise=True, source=spec.source, params=0)
    x, positions = encoder(PadToMultiple(2 ** len(spec.repeats), name="padded")(inputs), row)
    for block in range(len(spec.repeats), 0, -1):
        x = unpool(x, positions[block - 1], spec.unpooling, f"up{block}_unpool")
        filters = mirrored(spec.repeats, spec.widths, block)
        for index, maps in enumerate(filters if block > 1 else filters[:-1], start=1):
            x = conv_bn_relu(x, maps, keras.layers.Conv2D, 3, f"up{block}_conv{index}")
    x = scores(x, name, num_classes, kernel_size=3)
    return keras.Model(inputs, CropLike(name="cropped", dtype="float32")([x, inputs]), name=name)


def build(name: str, *, num_classes: int = 21, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a SegNet.

    Args:
        name: a row of `SPECS`.
        num_classes: scores of each pixel.
        image_shape: (height, width, channels); height and width may be None.

    Returns: `keras.Model` from (N, H, W, C) images to (N, H, W, num_classes) logits.

    Raises:
        ShapeError: `image_shape` has no such form.
        ConfigError: `num_classes` is not positive.
    """
    return network(name, SPECS[name], num_classes, image_shape)
