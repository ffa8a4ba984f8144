"""Fully convolutional networks: a classifier's dense layers as convolutions, scores enlarged to the image.

Paper: Long 2014 (1411.4038), sections 3.1, 3.3 and 4.2, figure 3. The VGG rows hold the dense weights of `vgg16` as
7x7 and 1x1 convolutions (`kcnn.build("fcn8s", weights=...)` copies them). Scores are doubled by transposed convolutions
that start bilinear and learn; those of earlier levels start at zero and are added (section 4.2). `fcn_resnet50` is
torchvision's, a dilated ResNet under one 3x3, without its auxiliary classifier.
Departures: images are padded to a multiple of 32 at the bottom and right, where the paper pads 100 pixels on every
side, and fc6 pads its maps; the last enlargement, fixed in the paper too, repeats the edge in place of fading to zero.
"""

from dataclasses import dataclass

import keras

from kcnn.layers import BilinearKernel, CropLike, PadToMultiple
from kcnn.models import vgg
from kcnn.models.common import ImageShape, batch_norm, class_count, even_conv, image_input, relu
from kcnn.models.dense import enlarge, scores, trunk


@dataclass(frozen=True, kw_only=True)
class FCNSpec:
    """One row.

    Attributes:
        trunk: the classifier that the network starts with, whose weights fit.
        changes: (field, value) of the classifier's row to replace.
        skips: poolings of a VGG that give scores of their own, the deepest first.
        width: maps of the 3x3 on a ResNet; 0 keeps the dense layers of a VGG.
    """

    trunk: str
    changes: tuple[tuple[str, object], ...] = ()
    skips: tuple[str, ...] = ()
    width: int = 0
    source: str
    params: int  # trainable, 21 classes, RGB


SPECS = {
    "fcn32s": FCNSpec(trunk="vgg16", source="Long 2014, table 1", params=134_346_581),
    "fcn16s": FCNSpec(
        trunk="vgg16", skips=("block4_pool",), source="Long 2014, section 4.2, figure 3", params=134_364_410
    ),
    "fcn8s": FCNSpec(
        trunk="vgg16",
        skips=("block4_pool", "block3_pool"),
        source="Long 2014, section 4.2, figure 3",
        params=134_376_863,
    ),
    "fcn_resnet50": FCNSpec(trunk="resnet50", width=512, source="torchvision's fcn_resnet50", params=32_957_013),
    "tiny_fcn": FCNSpec(
        trunk="tiny_vgg", skips=("block4_pool", "block3_pool"), source="kcnn, for tests", params=17_435
    ),
}


def on_vgg(inputs: keras.KerasTensor, spec: FCNSpec, name: str, num_classes: int) -> keras.KerasTensor:
    """Scores of the dense layers as convolutions, doubled and added to those of each skip, then enlarged."""
    image = PadToMultiple(32, name="padded")(inputs)
    levels, row = trunk(image, spec.trunk, 32, spec.changes)
    whole = keras.Model(inputs, levels["C5"])
    x = vgg.convolutional_head(levels["C5"], row, num_classes, kernel=(row.side // 32,) * 2, padding="same")
    for pool in spec.skips:
        x = keras.layers.Conv2DTranspose(
            num_classes,
            4,
            2,
            padding="same",
            use_bias=False,
            kernel_initializer=BilinearKernel(),
            dtype="float32",
            name=f"{pool}_transposed",
        )(x)
        skip = whole.get_layer(pool).output
        skip = scores(skip, name, num_classes, f"{pool}_logits", kernel_initializer="zeros")
        x = keras.layers.Add(name=f"{pool}_add", dtype="float32")([x, skip])
    return CropLike(name="cropped", dtype="float32")([enlarge(x, image, "enlarged"), inputs])


def on_resnet(inputs: keras.KerasTensor, spec: FCNSpec, name: str, num_classes: int) -> keras.KerasTensor:
    """A 3x3 and the scores on the dilated last level, then enlarged."""
    levels, _ = trunk(inputs, spec.trunk, 8, spec.changes)
    x = even_conv(list(levels.values())[-1], spec.width, 3, 1, "fcn_conv")
    x = relu(batch_norm(x, "fcn_conv"), "fcn_conv")
    x = keras.layers.Dropout(0.1, name="dropout")(x)
    return enlarge(scores(x, name, num_classes), inputs, "enlarged")


def network(name: str, spec: FCNSpec, num_classes: int, image_shape: ImageShape) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    inputs = image_input(name, image_shape, minimum=32 if spec.width else 1)
    outputs = (on_resnet if spec.width else on_vgg)(inputs, spec, name, class_count(name, num_classes))
    return keras.Model(inputs, outputs, name=name)


def build(name: str, *, num_classes: int = 21, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a fully convolutional network.

    Args:
        name: a row of `SPECS`.
        num_classes: scores of each pixel.
        image_shape: (height, width, channels); height and width may be None, and on a ResNet are at least 32 pixels.

    Returns: `keras.Model` from (N, H, W, C) images, as the classifier of the trunk takes them, to
        (N, H, W, num_classes) logits.

    Raises:
        ShapeError: height or width below that.
        ConfigError: `num_classes` is not positive.
    """
    return network(name, SPECS[name], num_classes, image_shape)
