"""GoogLeNet: Inception modules, branches of 1x1, 3x3, 5x5 and pooling side by side.

Paper: Szegedy 2014 (1409.4842), table 1; the modules in figure 2, the auxiliary classifiers in section 5.
Pooling rounds up, as in Caffe's and PyTorch's networks: a window may hang over the bottom and right edges.
The paper gives no numbers for local response normalisation; here n = 5, k = 1, alpha = 1e-4 / n, beta = 0.75, as in
Caffe's GoogLeNet. Without a stem, a row is one module on its own, for the comparison of costs.
Departures: `googlenet_bn` is torchvision's network: batch normalisation in the place of biases and of local response
normalisation, 3x3 where the paper has 5x5, 2x2 pooling before the last stage, dropout of 0.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from kcnn.errors import ConfigError, ShapeError
from kcnn.layers import LocalResponseNormalization
from kcnn.models.common import (
    ImageShape,
    batch_norm,
    ceil_max_pool,
    dilated_pool,
    even_conv,
    image_input,
    logits,
    relu,
    stride_plan,
)

Widths = tuple[int, int, int, int, int, int]  # 1x1, reduction and 3x3, reduction and 5x5, after pooling; 0 for none
AUXILIARY = ("4a", "4d")  # modules whose maps the auxiliary classifiers see
LOSS_WEIGHTS = {"logits": 1.0, "aux4a": 0.3, "aux4d": 0.3}  # section 5
SMALLEST_TRAINED = 79  # pixels that leave 5x5 maps for the auxiliary classifiers' pooling


@dataclass(frozen=True, kw_only=True)
class GoogLeNetSpec:
    """Table 1, or one module."""

    stages: tuple[Mapping[str, Widths], ...]  # pooling halves the maps before each
    stem: tuple[int, int, int] | None = (64, 64, 192)  # 7x7, then 1x1 and 3x3
    batch_norm: bool = False
    large: int = 5  # kernel of the third branch
    last_pool: int = 3  # window of the pooling before the last stage
    dropout: float = 0.4
    auxiliary: tuple[int, int] = (128, 1024)  # maps and units of an auxiliary classifier
    image: ImageShape = (None, None, 3)
    source: str
    params: int  # trainable, 1000 classes, in inference


TABLE1: tuple[Mapping[str, Widths], ...] = (
    {"3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64)},
    {
        "4a": (192, 96, 208, 16, 48, 64),
        "4b": (160, 112, 224, 24, 64, 64),
        "4c": (128, 128, 256, 24, 64, 64),
        "4d": (112, 144, 288, 32, 64, 64),
        "4e": (256, 160, 320, 32, 128, 128),
    },
    {"5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128)},
)
ONE_MODULE: ImageShape = (28, 28, 256)

SPECS = {
    "googlenet": GoogLeNetSpec(stages=TABLE1, source="Szegedy 2014, table 1", params=6_998_552),
    "googlenet_bn": GoogLeNetSpec(
        stages=TABLE1,
        batch_norm=True,
        large=3,
        last_pool=2,
        dropout=0.2,
        source="torchvision's variant of Szegedy 2014, table 1",
        params=6_624_904,
    ),
    "inception_naive": GoogLeNetSpec(
        stages=({"3a": (128, 0, 192, 0, 96, 0)},),
        stem=None,
        image=ONE_MODULE,
        source="Szegedy 2014, figure 2a; widths of the cs231n lecture on architectures",
        params=1_762_952,
    ),
    "inception_reduced": GoogLeNetSpec(
        stages=({"3a": (128, 64, 192, 64, 96, 64)},),
        stem=None,
        image=ONE_MODULE,
        source="Szegedy 2014, figure 2b; widths of the cs231n lecture on architectures",
        params=827_720,
    ),
    "tiny_googlenet": GoogLeNetSpec(
        stages=(
            {"3a": (4, 4, 8, 4, 4, 4)},
            {"4a": (4, 4, 8, 4, 4, 4), "4d": (4, 4, 8, 4, 4, 4)},
            {"5a": (8, 4, 8, 4, 8, 8)},
        ),
        stem=(8, 8, 16),
        dropout=0.0,
        auxiliary=(8, 16),
        source="kcnn, for tests",
        params=40076,
    ),
}


def conv(
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    spec: GoogLeNetSpec,
    name: str,
    stride: int = 1,
    dilation: int = 1,
) -> keras.KerasTensor:
    """Convolution with its bias (or batch normalisation), then ReLU."""
    x = even_conv(x, filters, kernel, stride, name, use_bias=not spec.batch_norm, dilation_rate=dilation)
    return relu(batch_norm(x, name, 1e-3) if spec.batch_norm else x, name)


def local_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Local response normalisation as in Caffe's GoogLeNet, which divides its alpha of 1e-4 by 5."""
    return LocalResponseNormalization(depth_radius=2, bias=1.0, alpha=2e-5, beta=0.75, name=name)(x)


def inception(x: keras.KerasTensor, widths: Widths, dilation: int, spec: GoogLeNetSpec, name: str) -> keras.KerasTensor:
    """Four branches, concatenated (figure 2b); without a reduction (0) a branch sees all maps (figure 2a)."""
    ones, reduce3, threes, reduce5, fives, projected = widths
    branches = [conv(x, ones, 1, spec, f"{name}_branch1")]
    for branch, (reduction, filters, kernel) in enumerate(
        ((reduce3, threes, 3), (reduce5, fives, spec.large)), start=2
    ):
        y = conv(x, reduction, 1, spec, f"{name}_branch{branch}_reduce") if reduction else x
        branches.append(conv(y, filters, kernel, spec, f"{name}_branch{branch}", dilation=dilation))
    y = dilated_pool(x, 3, dilation, f"{name}_branch4_pool", centred=True)
    branches.append(conv(y, projected, 1, spec, f"{name}_branch4") if projected else y)
    return keras.layers.Concatenate(name=name)(branches)


def stem(x: keras.KerasTensor, widths: tuple[int, int, int], spec: GoogLeNetSpec) -> dict[str, keras.KerasTensor]:
    """Return "C1" and "C2": 7x7 at stride 2, pooling, 1x1 and 3x3, with local response normalisation between."""
    levels = {"C1": conv(x, widths[0], 7, spec, "conv1", stride=2)}
    x = ceil_max_pool(levels["C1"], 3, "pool1")
    x = x if spec.batch_norm else local_norm(x, "norm1")
    x = conv(x, widths[1], 1, spec, "conv2_reduce")
    x = conv(x, widths[2], 3, spec, "conv2")
    return levels | {"C2": x if spec.batch_norm else local_norm(x, "norm2")}


def features(inputs: keras.KerasTensor, spec: GoogLeNetSpec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32, or dilated); "C0" of a lone module.

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    levels = stem(inputs, spec.stem, spec) if spec.stem else {}
    x = levels["C2"] if spec.stem else inputs
    first, step = len(levels), 2 if spec.stem else 1
    plan = stride_plan("googlenet", [step] * (first + len(spec.stages)), output_stride)
    for stage, modules in enumerate(spec.stages, start=first):
        if spec.stem:
            size, (stride, spread, _) = spec.last_pool if modules is spec.stages[-1] else 3, plan[stage]
            x = ceil_max_pool(x, size, f"pool{stage}") if stride == 2 else dilated_pool(x, size, spread, f"pool{stage}")
        for name, widths in modules.items():
            x = inception(x, widths, plan[stage][2], spec, f"inception{name}")
        levels[f"C{stage + 1 if spec.stem else 0}"] = x
    return levels


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape | None = None) -> keras.Model:
    """Build a GoogLeNet as it answers, without auxiliary classifiers, or one Inception module with a classifier.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels); height and width at least 32 pixels, or None, which is the default.
            A lone module takes 28x28 maps of 256 channels unless told.

    Returns: `keras.Model` from (N, H, W, C) images to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below that.
        ConfigError: `num_classes` is not positive.
    """
    spec = SPECS[name]
    inputs = image_input(name, image_shape or spec.image, minimum=32 if spec.stem else 1)
    x = list(features(inputs, spec).values())[-1]
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if spec.dropout:
        x = keras.layers.Dropout(spec.dropout, name="dropout")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)


def auxiliary_head(x: keras.KerasTensor, num_classes: int, spec: GoogLeNetSpec, name: str) -> keras.KerasTensor:
    """5x5 average pooling at stride 3, 1x1, two dense layers with dropout of 0.7 between (section 5)."""
    maps, units = spec.auxiliary
    x = keras.layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)
    x = conv(x, maps, 1, spec, f"{name}_conv")
    x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    x = keras.layers.Dense(units, kernel_initializer="he_uniform", name=f"{name}_dense")(x)
    x = keras.layers.Dropout(0.7, name=f"{name}_dropout")(relu(x, f"{name}_dense"))
    return keras.layers.Dense(num_classes, dtype="float32", name=f"{name}_logits")(x)


def with_auxiliary_heads(model: keras.Model) -> keras.Model:
    """Return the network of training: `model`, whose layers it shares, with the two auxiliary classifiers.

    Training it trains `model`, which answers and exports without them.

    Args:
        model: what `build` gives for a row with a stem, with numbers for height and width.

    Returns: `keras.Model` from (N, H, W, C) images to {"logits", "aux4a", "aux4d"}, each (N, num_classes), to be
        compiled with `loss_weights=LOSS_WEIGHTS`.

    Raises:
        ConfigError: `model` is not one of those networks.
        ShapeError: height or width is open, or too small for the 5x5 pooling.
    """
    spec = SPECS.get(model.name)
    if spec is None or spec.stem is None:
        rows = ", ".join(row for row, spec in SPECS.items() if spec.stem)
        raise ConfigError(f"{model.name!r} has no place for auxiliary classifiers; build one of {rows}.")
    height, width, channels = model.input_shape[1:]
    if not height or not width or min(height, width) < SMALLEST_TRAINED:
        expected = (224, 224, channels)
        raise ShapeError(
            f"{model.name}: the auxiliary classifiers flatten their maps, so image_shape must be numbers of at least "
            f"{SMALLEST_TRAINED}, as in {expected}, but is {(height, width, channels)}.",
            expected=expected,
            actual=(height, width, channels),
        )
    outputs = {"logits": model.output}
    for module in AUXILIARY:
        maps = model.get_layer(f"inception{module}").output
        outputs[f"aux{module}"] = auxiliary_head(maps, model.output_shape[-1], spec, f"aux{module}")
    return keras.Model(model.input, outputs, name=f"{model.name}_training")
