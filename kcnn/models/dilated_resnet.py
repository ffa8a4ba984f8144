"""Dilated residual networks: the last two halvings left out, and convolutions that smooth what dilation rasters.

Paper: Yu 2017 (1705.09914), section 4 and figure 5: the DRN-C rows. The scores are those of the paper's classifier
before its pooling (section 3), so a row with 1,000 classes has the classifier's weights.
Departures: the scores are enlarged by resizing, the paper's by a fixed bilinear transposed convolution.
"""

from dataclasses import dataclass

import keras

from kcnn.models.common import ImageShape, batch_norm, even_conv, image_input, relu
from kcnn.models.dense import enlarge, scores
from kcnn.models.resnet import ResNetSpec, residual_block

STRIDES = (1, 2, 2, 2, 1, 1, 1, 1)  # of each level
DILATIONS = (1, 1, 1, 1, 2, 4, 2, 1)
SMOOTHING = 2  # the last levels, without shortcuts


@dataclass(frozen=True, kw_only=True)
class DRNSpec:
    """One row of figure 5: a 7x7, then eight levels of basic blocks."""

    repeats: tuple[int, ...]  # blocks of each level
    widths: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 512, 512)
    source: str
    params: int  # trainable, 21 classes, RGB


SPECS = {
    "drn_c_26": DRNSpec(repeats=(1, 1, 2, 2, 2, 2, 1, 1), source="Yu 2017, figure 5 and table 1", params=20_624_357),
    "drn_c_42": DRNSpec(repeats=(1, 1, 3, 4, 6, 3, 1, 1), source="Yu 2017, figure 5 and table 1", params=30_732_517),
    "tiny_drn": DRNSpec(
        repeats=(1, 1, 1, 1, 1, 1, 1, 1), widths=(4, 4, 4, 8, 8, 8, 8, 8), source="kcnn, for tests", params=7_377
    ),
}


def features(inputs: keras.KerasTensor, spec: DRNSpec) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C0" (stride 1) to "C3" (stride 8).

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
    """
    x = relu(batch_norm(even_conv(inputs, spec.widths[0], 7, 1, "stem"), "stem"), "stem")
    levels, level = {}, 0
    for index, (repeats, width) in enumerate(zip(spec.repeats, spec.widths, strict=True)):
        row = ResNetSpec(
            block="basic",
            repeats=(repeats,),
            shortcut="none" if index >= len(STRIDES) - SMOOTHING else "project",
            source=spec.source,
            params=0,
        )
        level += STRIDES[index] - 1
        for block in range(1, repeats + 1):
            stride = STRIDES[index] if block == 1 else 1
            plan = (stride, DILATIONS[index], DILATIONS[index])
            x = residual_block(x, width, plan, row, f"level{index + 1}_block{block}")
        levels[f"C{level}"] = x
    return levels


def network(name: str, spec: DRNSpec, num_classes: int, image_shape: ImageShape) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    inputs = image_input(name, image_shape, minimum=8)
    x = scores(features(inputs, spec)["C3"], name, num_classes)
    return keras.Model(inputs, enlarge(x, inputs, "enlarged"), name=name)


def build(name: str, *, num_classes: int = 21, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a dilated residual network.

    Args:
        name: a row of `SPECS`.
        num_classes: scores of each pixel.
        image_shape: (height, width, channels); height and width at least 8 pixels, or None.

    Returns: `keras.Model` from (N, H, W, C) images to (N, H, W, num_classes) logits.

    Raises:
        ShapeError: height or width below 8.
        ConfigError: `num_classes` is not positive.
    """
    return network(name, SPECS[name], num_classes, image_shape)
