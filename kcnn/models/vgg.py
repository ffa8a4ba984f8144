"""VGG: 3x3 convolutions alone, eleven to nineteen weighted layers.

Paper: Simonyan 2014 (1409.1556), table 1: columns A, B, D and E; the `_bn` rows add batch normalisation (Ioffe 2015)
after each convolution, as torchvision does, and keep the biases.
Departures: He's initialisation in place of that of section 3.1.
"""

from dataclasses import dataclass

import keras

from kcnn.errors import ConfigError
from kcnn.models.common import (
    ImageShape,
    batch_norm,
    class_count,
    dense_pair,
    dilated_pool,
    even_conv,
    image_input,
    logits,
    relu,
    stride_plan,
)


@dataclass(frozen=True, kw_only=True)
class VGGSpec:
    """One column of the paper's table 1."""

    repeats: tuple[int, ...]  # convolutions of each block
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)  # maps of each block
    units: int = 4096  # of fc6 and fc7
    normalise: bool = False
    side: int = 224  # of the images, in pixels
    source: str
    params: int  # trainable, 1000 classes, RGB


VGG11, VGG13, VGG16, VGG19 = (1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)

SPECS = {
    "vgg11": VGGSpec(repeats=VGG11, source="Simonyan 2014, table 1, column A", params=132_863_336),
    "vgg13": VGGSpec(repeats=VGG13, source="Simonyan 2014, table 1, column B", params=133_047_848),
    "vgg16": VGGSpec(repeats=VGG16, source="Simonyan 2014, table 1, column D", params=138_357_544),
    "vgg19": VGGSpec(repeats=VGG19, source="Simonyan 2014, table 1, column E", params=143_667_240),
    "vgg11_bn": VGGSpec(repeats=VGG11, normalise=True, source="torchvision's vgg11_bn", params=132_868_840),
    "vgg13_bn": VGGSpec(repeats=VGG13, normalise=True, source="torchvision's vgg13_bn", params=133_053_736),
    "vgg16_bn": VGGSpec(repeats=VGG16, normalise=True, source="torchvision's vgg16_bn", params=138_365_992),
    "vgg19_bn": VGGSpec(repeats=VGG19, normalise=True, source="torchvision's vgg19_bn", params=143_678_248),
    # 9*3*4+4, 9*4*4+4, 9*4*8+8, 9*8*8+8, 9*8*8+8 and two more of 2*maps; 4 cells of 8 -> 16 -> 16 -> 1000
    "tiny_vgg": VGGSpec(
        repeats=(1, 1, 1, 1, 1),
        widths=(4, 4, 8, 8, 8),
        units=16,
        normalise=True,
        side=64,
        source="kcnn, for tests",
        params=19_588,
    ),
}


def features(inputs: keras.KerasTensor, spec: VGGSpec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C0" (stride 1) to "C4" (stride 16) before pooling, "C5" after the last one.

    The pooled maps, as FCN takes them, are the layers "block1_pool" to "block5_pool".

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later poolings keep the size and what follows is dilated, with the same
            weights and, at the same places, the same values.

    Raises:
        ConfigError: another `output_stride`.
    """
    x, levels = inputs, {}
    for block, (stride, dilation, _) in enumerate(stride_plan("vgg", (2,) * 5, output_stride), start=1):
        x = convolutions(x, spec, block, dilation)
        levels[f"C{block - 1}"] = x
        name = f"block{block}_pool"
        x = keras.layers.MaxPooling2D(2, name=name)(x) if stride == 2 else dilated_pool(x, 2, dilation, name)
    return levels | {"C5": x}


def convolutions(x: keras.KerasTensor, spec: VGGSpec, block: int, dilation: int = 1) -> keras.KerasTensor:
    """Convolutions of one block, counted from 1, with normalisation where the row has it, and ReLU."""
    for place in range(1, spec.repeats[block - 1] + 1):
        name = f"block{block}_conv{place}"
        x = even_conv(x, spec.widths[block - 1], 3, 1, name, use_bias=True, dilation_rate=dilation)
        x = relu(batch_norm(x, name) if spec.normalise else x, name)
    return x


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape | None = None) -> keras.Model:
    """Build a VGG network.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels), numbers of at least 32; 224x224x3 by default.

    Returns: `keras.Model` from (N, H, W, C) images to (N, num_classes) logits.

    Raises:
        ShapeError: height or width is open or below 32.
        ConfigError: `num_classes` is not positive.
    """
    spec = SPECS[name]
    inputs = image_input(name, image_shape or (spec.side, spec.side, 3), minimum=32, fixed=True)
    x = keras.layers.Flatten(name="flatten")(features(inputs, spec)["C5"])
    return keras.Model(inputs, logits(dense_pair(x, spec.units), name, num_classes), name=name)


def convolutional_head(
    x: keras.KerasTensor, spec: VGGSpec, num_classes: int, *, kernel: tuple[int, int] = (7, 7), padding: str = "valid"
) -> keras.KerasTensor:
    """The three dense layers as convolutions (Long 2014, 1411.4038, section 3.1), named as in `build`.

    Args:
        x: level "C5" of `features`.
        spec: a row of `SPECS`.
        num_classes: maps of the scores.
        kernel: of fc6: the size of "C5" for which the dense layers were made, 7x7 for images of 224.
        padding: "valid", or "same" for scores of the size of "C5".

    Returns: (N, H, W, num_classes) scores.

    Raises:
        ConfigError: `num_classes` is not positive.
    """
    for layer, size in (("fc6", kernel), ("fc7", (1, 1))):
        x = keras.layers.Conv2D(spec.units, size, padding=padding, kernel_initializer="he_uniform", name=layer)(x)
        x = keras.layers.Dropout(0.5, name=f"{layer}_dropout")(relu(x, layer))
    return keras.layers.Conv2D(class_count("vgg", num_classes), 1, dtype="float32", name="logits")(x)


def fully_convolutional(model: keras.Model) -> keras.Model:
    """Return `model` with its dense layers as convolutions of the same weights, for images of any larger size.

    Args:
        model: of `build`.

    Returns: `keras.Model` from (N, H, W, C) images to (N, H', W', num_classes) scores, one for each place of the
        dense network's window, 32 pixels apart; a single one, equal to the logits, at the size of `model`.

    Raises:
        ConfigError: `model` is not of this family.
    """
    if model.name not in SPECS or not {"block5_pool", "fc6", "fc7", "logits"} <= {layer.name for layer in model.layers}:
        raise ConfigError(f"the model is {model.name!r} but must be one of kcnn.build: {', '.join(SPECS)}.")
    spec, last = SPECS[model.name], model.get_layer("block5_pool").output
    inputs = keras.Input((None, None, model.input_shape[-1]), name="images")
    outputs = convolutional_head(
        features(inputs, spec)["C5"], spec, model.output_shape[-1], kernel=tuple(last.shape[1:3])
    )
    wide = keras.Model(inputs, outputs, name=f"{model.name}_convolutional")
    for layer in model.layers:
        if layer.weights:
            target = wide.get_layer(layer.name)
            for theirs, ours in zip(target.weights, layer.weights, strict=True):
                theirs.assign(keras.ops.reshape(ours, theirs.shape))
    return wide
