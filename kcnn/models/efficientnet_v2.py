"""EfficientNetV2: fused blocks early, depthwise ones with squeeze-excite late, for faster training.

Paper: Tan 2021 (2104.00298), table 4; B0 to B3 are of the authors' code, scaled as in Tan 2019 (1905.11946).
Padding is TensorFlow's "same", as in the authors' code; torchvision's form of S is `padding="even"`.
The maps of B2 and B3 are rounded without the 10 % rule of the first EfficientNet, as in the authors' code.
Departures: batch normalisation moves its statistics by a tenth each step, as in keras.applications.
"""

import keras

from kcnn.models import efficientnet
from kcnn.models.common import ImageShape
from kcnn.models.efficientnet import EfficientNetSpec, Stage

B = (
    Stage(3, 1, 16, 1, 1, fused=True),
    Stage(3, 4, 32, 2, 2, fused=True),
    Stage(3, 4, 48, 2, 2, fused=True),
    Stage(3, 4, 96, 3, 2),
    Stage(3, 6, 112, 5, 1),
    Stage(3, 6, 192, 8, 2),
)
S = (
    Stage(3, 1, 24, 2, 1, fused=True),
    Stage(3, 4, 48, 4, 2, fused=True),
    Stage(3, 4, 64, 4, 2, fused=True),
    Stage(3, 4, 128, 6, 2),
    Stage(3, 6, 160, 9, 1),
    Stage(3, 6, 256, 15, 2),
)


def _b(width: float, depth: float, resolution: int, params: int) -> EfficientNetSpec:
    return EfficientNetSpec(
        width=width,
        depth=depth,
        resolution=resolution,
        stages=B,
        least=0.0,
        source="Tan 2021's code, efficientnetv2-b0 to b3",
        params=params,
    )


SPECS = {
    "efficientnet_v2_b0": _b(1.0, 1.0, 224, 7_139_704),
    "efficientnet_v2_b1": _b(1.0, 1.1, 240, 8_141_052),
    "efficientnet_v2_b2": _b(1.1, 1.2, 260, 10_096_086),
    "efficientnet_v2_b3": _b(1.2, 1.4, 300, 14_358_406),
    "efficientnet_v2_s": EfficientNetSpec(
        resolution=384, stem=24, stages=S, source="Tan 2021, table 4", params=21_458_488
    ),
    "tiny_efficientnet_v2": EfficientNetSpec(
        stem=8,
        stages=(
            Stage(3, 1, 8, 1, 1, fused=True),
            Stage(3, 2, 8, 1, 2, fused=True),
            Stage(3, 2, 16, 1, 2, fused=True),
            Stage(3, 2, 16, 2, 2),
            Stage(3, 2, 24, 1, 2),
        ),
        head=32,
        dropout=0.0,
        source="kcnn, for tests",
        params=43_020,
    ),
}
features = efficientnet.features
network = efficientnet.network


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build an EfficientNetV2.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels); height and width at least 32 pixels, or None. The published figures
            are of the row's `resolution`.

    Returns: `keras.Model` from (N, H, W, C) images, scaled to -1..1 in the authors' code, to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below 32.
        ConfigError: `num_classes` is not positive.
    """
    return network(name, SPECS[name], num_classes, image_shape)
