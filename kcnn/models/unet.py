"""U-Net: halve and double maps to the bottom, then back up, joining what was seen at each size.

Paper: Ronneberger 2015 (1505.04597), figure 1; dropout in section 3.1. `unet_valid` is the paper's: nothing is padded,
so 572x572 pixels give the scores of the 388x388 in their middle.
Departures of the other rows: zeros are padded, so that every pixel gets scores, odd sizes too; batch normalisation
stands between convolution and ReLU, without which a U-Net trains slowly.
"""

from dataclasses import dataclass
from typing import Literal

import keras

from kcnn.layers import CropLike
from kcnn.models.common import ImageShape, batch_norm, image_input, relu
from kcnn.models.dense import scores


@dataclass(frozen=True, kw_only=True)
class UNetSpec:
    """One row: as deep and wide as wanted."""

    width: int = 64  # maps at full size, doubled each time the size is halved
    depth: int = 4  # halvings
    padding: Literal["same", "valid"] = "same"
    normalise: bool = True
    dropout: float = 0.0  # at the bottom
    smallest: int = 8  # pixels a side that leave something
    source: str
    params: int  # trainable, 21 classes, RGB


SPECS = {
    "unet": UNetSpec(source="Ronneberger 2015, figure 1, padded and normalised", params=31_038_933),
    "unet_valid": UNetSpec(
        padding="valid",
        normalise=False,
        dropout=0.5,
        smallest=188,  # 184 pixels go to the border (figure 1: 572 - 388), and 4 are left of the 8 that are joined
        source="Ronneberger 2015, figure 1",
        params=31_033_045,
    ),
    "unet_half": UNetSpec(width=32, source="unet at half its width", params=7_763_701),
    "unet_small": UNetSpec(width=16, source="unet at a quarter of its width", params=1_942_917),
    "tiny_unet": UNetSpec(width=4, depth=2, source="kcnn, for tests", params=7_649),
}


def double_conv(x: keras.KerasTensor, filters: int, spec: UNetSpec, name: str) -> keras.KerasTensor:
    """Two 3x3 convolutions, each with ReLU."""
    for index in (1, 2):
        layer = f"{name}_conv{index}"
        x = keras.layers.Conv2D(
            filters,
            3,
            padding=spec.padding,
            use_bias=not spec.normalise,
            kernel_initializer="he_uniform",
            name=layer,
        )(x)
        x = relu(batch_norm(x, layer) if spec.normalise else x, layer)
    return x


def network(name: str, spec: UNetSpec, num_classes: int, image_shape: ImageShape) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    x = inputs = image_input(name, image_shape, minimum=spec.smallest)
    skips = []
    for level in range(spec.depth):
        x = double_conv(x, spec.width << level, spec, f"down{level + 1}")
        skips.append(x)
        x = keras.layers.MaxPooling2D(2, padding=spec.padding, name=f"down{level + 1}_pool")(x)
    x = double_conv(x, spec.width << spec.depth, spec, "bottom")
    if spec.dropout:
        x = keras.layers.Dropout(spec.dropout, name="dropout")(x)
    offset = 0  # of the maps on the way up, in pixels of those on the way down
    for level in reversed(range(spec.depth)):
        stage, skip = f"up{level + 1}", skips[level]
        offset = 2 * (offset + 2)  # two unpadded 3x3 take two pixels on every side
        x = keras.layers.Conv2DTranspose(
            spec.width << level, 2, 2, kernel_initializer="he_uniform", name=f"{stage}_transposed"
        )(x)
        if spec.padding == "valid":
            skip = CropLike(offset=offset, name=f"{stage}_crop")([skip, x])
        else:  # a map of odd size was halved upwards
            x = CropLike(name=f"{stage}_crop")([x, skip])
        x = keras.layers.Concatenate(name=f"{stage}_join")([skip, x])
        x = double_conv(x, spec.width << level, spec, stage)
        offset += 2
    return keras.Model(inputs, scores(x, name, num_classes), name=name)


def build(name: str, *, num_classes: int = 21, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a U-Net.

    Args:
        name: a row of `SPECS`.
        num_classes: scores of each pixel.
        image_shape: (height, width, channels); height and width at least the row's `smallest`, or None.

    Returns: `keras.Model` from (N, H, W, C) images to (N, H, W, num_classes) logits; of `unet_valid` the logits begin
        at pixel (92, 92) and end 92 before the border where all maps that are halved have an even size (as at 572
        pixels), else up to 15 earlier still.

    Raises:
        ShapeError: height or width below that.
        ConfigError: `num_classes` is not positive.
    """
    return network(name, SPECS[name], num_classes, image_shape)
