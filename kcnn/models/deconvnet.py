"""DeconvNet: VGG-16 down to one vector, and its mirror image of unpooling and transposed convolutions.

Paper: Noh 2015 (1505.04366), table 2 (224x224 images; 252 M parameters, section 4.1) and section 4.2 for batch
normalisation after every layer.
Departures: images are padded at the bottom and right, to a multiple of 32 and at least 224 pixels, so any size will do;
larger ones have several vectors at the bottom.
"""

from dataclasses import dataclass

import keras

from kcnn.layers import CropLike, PadToMultiple
from kcnn.models import vgg
from kcnn.models.common import ImageShape, image_input
from kcnn.models.dense import scores
from kcnn.models.segnet import conv_bn_relu, encoder, mirrored, unpool


@dataclass(frozen=True, kw_only=True)
class DeconvNetSpec:
    """One row; the rest is that of the classifier's."""

    trunk: str  # the classifier that it starts with, whose weights fit
    source: str
    params: int  # trainable, 21 classes, RGB


SPECS = {
    "deconvnet": DeconvNetSpec(trunk="vgg16_bn", source="Noh 2015, table 2", params=251_805_653),
    "tiny_deconvnet": DeconvNetSpec(trunk="tiny_vgg", source="kcnn, for tests", params=5_105),
}


def network(name: str, spec: DeconvNetSpec, num_classes: int, image_shape: ImageShape) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    inputs, row = image_input(name, image_shape, minimum=1), vgg.SPECS[spec.trunk]
    cells = row.side // 32
    x, positions = encoder(PadToMultiple(32, least=cells, name="padded")(inputs), row)
    x = conv_bn_relu(x, row.units, keras.layers.Conv2D, cells, "fc6", padding="valid")
    x = conv_bn_relu(x, row.units, keras.layers.Conv2D, 1, "fc7")
    transposed = keras.layers.Conv2DTranspose
    x = conv_bn_relu(x, row.widths[-1], transposed, cells, "fc6_transposed", padding="valid")
    for block in range(len(row.repeats), 0, -1):
        x = unpool(x, positions[block - 1], "positions", f"up{block}_unpool")
        for index, maps in enumerate(mirrored(row.repeats, row.widths, block), start=1):
            x = conv_bn_relu(x, maps, transposed, 3, f"up{block}_transposed{index}")
    x = scores(x, name, num_classes)
    return keras.Model(inputs, CropLike(name="cropped", dtype="float32")([x, inputs]), name=name)


def build(name: str, *, num_classes: int = 21, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a DeconvNet.

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
