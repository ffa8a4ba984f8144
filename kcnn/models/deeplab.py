"""DeepLabV3 and V3+: atrous spatial pyramid pooling on a dilated classifier, with or without a decoder.

Papers: Chen 2017 (1706.05587), section 3; Chen 2018 (1802.02611), section 3.1 and figure 2.
The V3 rows are torchvision's, one 3x3 after the pyramid included, which the paper has not; their auxiliary classifier
is left out. `output_stride` is theirs too: 8 on ResNets, 16 on MobileNetV3, whose rates nevertheless are those of 8.
Departures of all rows: no multi-grid, the paper's larger dilations inside the last block (Chen 2017, section 3.2.1).
Departures of the V3+ rows: the Xception is Chollet's, not the "aligned" one of section 3.2, so its unpadded stem moves
the maps by about a pixel; MobileNets and EfficientNet-Lite have the whole pyramid and decoder, in separable form, where
the authors' release leaves both out for MobileNetV2. Maps are enlarged with pixels as squares (`ResizeLike`), not with
corners aligned, and dropout stands before the scores, in the release after the pyramid.
In LiteRT each dilated convolution is one operation where the batch is a number, as in what `kcnn export` writes, and
three (SPACE_TO_BATCH_ND, the convolution, BATCH_TO_SPACE_ND) where it is open, which is no faster:
tools/bench_dilation.py prints the operations and times of both.
"""

import dataclasses
from dataclasses import dataclass

import keras

from kcnn.errors import ConfigError
from kcnn.models.aspp import RATES, aspp, separable_branch
from kcnn.models.blocks import last_conv
from kcnn.models.common import ImageShape, batch_norm, even_conv, image_input, relu
from kcnn.models.dense import enlarge, scores, trunk

STRIDES = (8, 16)


@dataclass(frozen=True, kw_only=True)
class DeepLabSpec:
    """One row.

    Attributes:
        trunk: the classifier that the network starts with, whose weights fit.
        changes: (field, value) of the classifier's row to replace.
        top: maps of the classifier's 1x1 "head", where it is kept; 0 leaves it out.
        output_stride: input pixels per pixel of the pyramid, in training.
        rates: of the pyramid at that stride; at another they are scaled.
        skip: level that the decoder joins; "" for DeepLabV3, which has none.
        skip_width: maps that the decoder takes of it.
        separable: depthwise and 1x1 convolutions in place of 3x3 ones, in pyramid and decoder.
        width: maps of pyramid and decoder.
        dropout: after the pyramid (V3) or before the scores (V3+).
    """

    trunk: str
    changes: tuple[tuple[str, object], ...] = ()
    top: int = 0
    output_stride: int = 16
    rates: tuple[int, ...] = RATES
    skip: str = "C2"
    skip_width: int = 48
    separable: bool = False
    width: int = 256
    dropout: float = 0.1
    source: str
    params: int  # trainable, 21 classes, RGB


def _v3(trunk: str, params: int, stride: int = 8, top: int = 0) -> DeepLabSpec:
    return DeepLabSpec(
        trunk=trunk,
        top=top,
        output_stride=stride,
        rates=(12, 24, 36),
        skip="",
        dropout=0.5,
        source="Chen 2017, section 3.3; torchvision's form",
        params=params,
    )


def _plus(trunk: str, params: int, *, separable: bool = True) -> DeepLabSpec:
    return DeepLabSpec(trunk=trunk, separable=separable, source="Chen 2018, figure 2", params=params)


SPECS = {
    "deeplab_v3_resnet50": _v3("resnet50", 39_638_869),
    "deeplab_v3_resnet101": _v3("resnet101", 58_630_997),
    "deeplab_v3_mobilenet_v3_large": _v3("mobilenet_v3_large", 11_025_477, stride=16, top=960),
    "deeplab_v3plus_resnet50": _plus("resnet50", 40_352_181, separable=False),
    "deeplab_v3plus_resnet101": _plus("resnet101", 59_344_309, separable=False),
    "deeplab_v3plus_xception": _plus("xception", 23_988_909),
    "deeplab_v3plus_mobilenet_v2": _plus("mobilenet_v2", 2_719_813),
    "deeplab_v3plus_mobilenet_v3_large": _plus("mobilenet_v3_large", 3_514_453),
    "deeplab_v3plus_efficientnet_lite0": _plus("efficientnet_lite0", 3_866_949),
    "tiny_deeplab_v3": dataclasses.replace(
        _v3("tiny_resnet", 11_013), rates=(1, 2), width=8, dropout=0.0, source="kcnn, for tests"
    ),
    "tiny_deeplab_v3plus": dataclasses.replace(
        _plus("tiny_mobilenet_v2", 5_777), rates=(1, 2), width=8, skip_width=4, dropout=0.0, source="kcnn, for tests"
    ),
}


def decoder(x: keras.KerasTensor, skip: keras.KerasTensor, spec: DeepLabSpec) -> keras.KerasTensor:
    """Join the enlarged maps with a reduced early level, then two 3x3 convolutions (Chen 2018, figure 2)."""
    skip = _conv_bn_relu(skip, spec.skip_width, 1, "decoder_skip")
    x = enlarge(x, skip, "decoder_enlarged")
    x = keras.layers.Concatenate(name="decoder_join")([x, skip])
    for index in (1, 2):
        name = f"decoder_conv{index}"
        x = separable_branch(x, spec.width, 3, 1, name) if spec.separable else _conv_bn_relu(x, spec.width, 3, name)
    return x


def _conv_bn_relu(x: keras.KerasTensor, filters: int, kernel: int, name: str) -> keras.KerasTensor:
    return relu(batch_norm(even_conv(x, filters, kernel, 1, name), name), name)


def network(
    name: str, spec: DeepLabSpec, num_classes: int, image_shape: ImageShape, output_stride: int | None = None
) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    stride = spec.output_stride if output_stride is None else output_stride
    if stride not in STRIDES:
        raise ConfigError(f"{name}: output_stride is {stride!r} but must be 8 or 16.")
    inputs = image_input(name, image_shape, minimum=32)
    levels, row = trunk(inputs, spec.trunk, stride, spec.changes)
    x = last_conv(levels, spec.top, row) if spec.top else list(levels.values())[-1]
    x = aspp(x, spec.width, spec.rates, factor=spec.output_stride / stride, separable=spec.separable)
    if spec.skip:
        x = decoder(x, levels[spec.skip], spec)
    if spec.dropout:
        x = keras.layers.Dropout(spec.dropout, name="dropout")(x)
    if not spec.skip:
        x = _conv_bn_relu(x, spec.width, 3, "decoder_conv")
    x = scores(x, name, num_classes)
    return keras.Model(inputs, enlarge(x, inputs, "enlarged"), name=name)


def build(
    name: str,
    *,
    num_classes: int = 21,
    image_shape: ImageShape = (None, None, 3),
    output_stride: int | None = None,
) -> keras.Model:
    """Build a DeepLabV3 or V3+.

    Args:
        name: a row of `SPECS`.
        num_classes: scores of each pixel.
        image_shape: (height, width, channels); height and width at least 32 pixels, or None.
        output_stride: 8 or 16, with the same weights; default the row's. 8 takes 2.3 (V3+ on MobileNetV2) to 3.3 times
            (V3 on ResNet-50) the multiply-adds of 16 and segments somewhat better (Chen 2017, section 4.2).

    Returns: `keras.Model` from (N, H, W, C) images, as the classifier of the trunk takes them, to
        (N, H, W, num_classes) logits.

    Raises:
        ShapeError: height or width below 32.
        ConfigError: `num_classes` is not positive, or another `output_stride`.
    """
    return network(name, SPECS[name], num_classes, image_shape, output_stride)
