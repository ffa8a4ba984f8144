"""EfficientNet: one searched network scaled in depth, width and resolution together; EfficientNet-Lite for the edge.

Papers: Tan 2019 (1905.11946), tables 1 and 2, equation 3; Liu 2020 (TensorFlow blog, "Higher accuracy on vision models
with EfficientNet-Lite").
Padding is TensorFlow's "same", as in the authors' code; torchvision's form is `padding="even", epsilon=1e-5` (1e-3 from
B5 on).
The rows hold the coefficients that the authors published. Those of B1 to B3 are `compound_scaling`'s up to rounding;
the published coefficients exceed the rule from B4 on.
Departures: batch normalisation moves its statistics by a tenth each step (0.01 in the authors' code).
"""

import math
from dataclasses import dataclass

import keras

from kcnn.errors import ConfigError
from kcnn.models.blocks import Activation, Block, Style, divisible, head, trunk
from kcnn.models.common import ImageShape, image_input, logits

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # Tan 2019, section 3.3: growth of depth, width, resolution
BASE_RESOLUTION = 224


@dataclass(frozen=True)
class Stage:
    """One row of the layer table at scale 1."""

    kernel: int
    expansion: int
    filters: int
    repeats: int
    stride: int
    fused: bool = False  # EfficientNetV2's blocks without depthwise convolution and squeeze-excite


@dataclass(frozen=True, kw_only=True)
class EfficientNetSpec(Style):
    """One row: the layer table and how it is scaled."""

    activation: Activation = "silu"
    width: float = 1.0
    depth: float = 1.0
    resolution: int = BASE_RESOLUTION  # pixels a side that the published figures are of
    stem: int = 32
    stages: tuple[Stage, ...]
    head: int = 1280
    scale_ends: bool = True  # False in Lite: stem, head and the depth of the first and last stage stay
    squeeze: float = 0.25  # of the input's maps; 0 for no squeeze-excite
    least: float = 0.9  # rounding of maps never falls below this part
    dropout: float = 0.2
    drop: float = 0.2  # share of images that skip the last block in training, less before
    source: str
    params: int  # trainable, 1000 classes, RGB


B0 = (
    Stage(3, 1, 16, 1, 1),
    Stage(3, 6, 24, 2, 2),
    Stage(5, 6, 40, 2, 2),
    Stage(3, 6, 80, 3, 2),
    Stage(5, 6, 112, 3, 1),
    Stage(5, 6, 192, 4, 2),
    Stage(3, 6, 320, 1, 1),
)


def _b(width: float, depth: float, resolution: int, dropout: float, params: int) -> EfficientNetSpec:
    return EfficientNetSpec(
        width=width,
        depth=depth,
        resolution=resolution,
        stages=B0,
        dropout=dropout,
        source="Tan 2019, tables 1 and 2",
        params=params,
    )


def _lite(width: float, depth: float, resolution: int, dropout: float, params: int) -> EfficientNetSpec:
    return EfficientNetSpec(
        activation="relu6",
        width=width,
        depth=depth,
        resolution=resolution,
        stages=B0,
        scale_ends=False,
        squeeze=0.0,
        dropout=dropout,
        source="EfficientNet-Lite's README (tensorflow/tpu)",
        params=params,
    )


SPECS = {
    "efficientnet_b0": _b(1.0, 1.0, 224, 0.2, 5_288_548),
    "efficientnet_b1": _b(1.0, 1.1, 240, 0.2, 7_794_184),
    "efficientnet_b2": _b(1.1, 1.2, 260, 0.3, 9_109_994),
    "efficientnet_b3": _b(1.2, 1.4, 300, 0.3, 12_233_232),
    "efficientnet_b4": _b(1.4, 1.8, 380, 0.4, 19_341_616),
    "efficientnet_b5": _b(1.6, 2.2, 456, 0.4, 30_389_784),
    "efficientnet_b6": _b(1.8, 2.6, 528, 0.5, 43_040_704),
    "efficientnet_b7": _b(2.0, 3.1, 600, 0.5, 66_347_960),
    "efficientnet_lite0": _lite(1.0, 1.0, 224, 0.2, 4_652_008),
    "efficientnet_lite1": _lite(1.0, 1.1, 240, 0.2, 5_416_680),
    "efficientnet_lite2": _lite(1.1, 1.2, 260, 0.3, 6_092_072),
    "efficientnet_lite3": _lite(1.2, 1.4, 280, 0.3, 8_197_096),
    "efficientnet_lite4": _lite(1.4, 1.8, 300, 0.3, 13_006_568),
    "tiny_efficientnet": EfficientNetSpec(
        stem=8,
        stages=(
            Stage(3, 1, 8, 1, 1),
            Stage(3, 2, 8, 1, 2),
            Stage(5, 2, 16, 1, 2),
            Stage(3, 2, 16, 2, 2),
            Stage(5, 2, 24, 1, 2),
        ),
        head=32,
        dropout=0.0,
        source="kcnn, for tests",
        params=41_874,
    ),
}


def compound_scaling(phi: float, resolution: int = BASE_RESOLUTION) -> tuple[float, float, int]:
    """Return (width, depth, resolution) for about 2**phi times the multiply-adds (Tan 2019, equation 3).

    Args:
        phi: how much larger; the paper's B1 to B7 are near 0.5, 1, 2, 3, 4, 5, 6.
        resolution: of the network at phi 0, in pixels a side.

    Raises:
        ConfigError: `phi` is negative or not finite.

    Example:
        >>> width, depth, side = compound_scaling(1)
        >>> round(width, 2), round(depth, 2), side
        (1.1, 1.2, 258)
    """
    if not (math.isfinite(phi) and phi >= 0):
        raise ConfigError(f"phi is {phi!r} but must be a number of at least 0: 1 doubles the multiply-adds.")
    return BETA**phi, ALPHA**phi, round(resolution * GAMMA**phi)


def maps(filters: int, spec: EfficientNetSpec) -> int:
    """Return `filters` at the row's width."""
    return divisible(filters * spec.width, spec.least)


def repeats(index: int, spec: EfficientNetSpec) -> int:
    """Return how many blocks stage `index` (from 0) has at the row's depth."""
    fixed = not spec.scale_ends and index in (0, len(spec.stages) - 1)
    return math.ceil(spec.stages[index].repeats * (1.0 if fixed else spec.depth))


def stem(spec: EfficientNetSpec) -> int:
    """Return the maps of the first convolution."""
    return maps(spec.stem, spec) if spec.scale_ends else spec.stem


def blocks(spec: EfficientNetSpec) -> list[Block]:
    """Return every block of the layer table at the row's width and depth."""
    found: list[Block] = []
    total, channels = sum(repeats(index, spec) for index in range(len(spec.stages))), stem(spec)
    for index, stage in enumerate(spec.stages):
        for repeat in range(repeats(index, spec)):
            found.append(
                Block(
                    name=f"stage{index + 1}_block{repeat + 1}",
                    expanded=stage.expansion * channels,
                    filters=maps(stage.filters, spec),
                    kernel=stage.kernel,
                    stride=stage.stride if repeat == 0 else 1,
                    squeezed=max(1, int(channels * spec.squeeze)) if spec.squeeze and not stage.fused else 0,
                    squeeze_activation=spec.activation,
                    activation=spec.activation,
                    fused=stage.fused,
                    drop=spec.drop * len(found) / total,
                )
            )
            channels = found[-1].filters
    return found


def features(
    inputs: keras.KerasTensor, spec: EfficientNetSpec, output_stride: int = 32
) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32, or dilated).

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    return trunk(inputs, stem(spec), blocks(spec), spec, output_stride)


def network(name: str, spec: EfficientNetSpec, num_classes: int, image_shape: ImageShape) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    inputs = image_input(name, image_shape, minimum=32)
    x = head(features(inputs, spec), maps(spec.head, spec) if spec.scale_ends else spec.head, spec)
    if spec.dropout:
        x = keras.layers.Dropout(spec.dropout, name="dropout")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build an EfficientNet or EfficientNet-Lite.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels); height and width at least 32 pixels, or None. The published figures
            are of the row's `resolution`.

    Returns: `keras.Model` from (N, H, W, C) images, normalised by ImageNet's mean and deviation (Lite: (x - 127) / 128)
        in the authors' code, to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below 32.
        ConfigError: `num_classes` is not positive.
    """
    return network(name, SPECS[name], num_classes, image_shape)
