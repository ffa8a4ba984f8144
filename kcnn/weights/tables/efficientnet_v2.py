"""Names of EfficientNetV2 layers elsewhere."""

from kcnn.weights.tables.efficientnet import BLOCK, LATER, PLAIN, keras_block, timm_rules, torchvision_rules
from kcnn.weights.transplant import Table

STAGES, FUSED = 6, 3  # of B0 to B3 and S; the first has one convolution a block


def keras(name: str) -> Table:
    """keras.applications: EfficientNetV2B0 to B3 and EfficientNetV2S; what normalises images is no weight of ours."""
    return Table(
        [
            ("stem", "stem_conv"),
            ("head(_bn)?", lambda match: "top_bn" if match[1] else "top_conv"),
            (BLOCK, lambda match: keras_block(match, "dwconv2")),
            ("logits", "predictions"),
        ],
        ignore=r"^normalization",
    )


def torchvision(name: str) -> Table:
    """torchvision's efficientnet_v2_s."""
    return Table(torchvision_rules(_layers, STAGES), spec={"padding": "even"})


def _layers(stage: int) -> tuple[str, ...]:
    if stage == 1:
        return ("project",)
    return ("expand", "project") if stage <= FUSED else PLAIN


def timm(name: str) -> Table:
    """timm's tf_efficientnetv2_b0 to b3 and tf_efficientnetv2_s, which pad as TensorFlow does."""
    return Table(timm_rules(_convolutions), mark="tf_")


def _convolutions(stage: int) -> dict[str, str]:
    if stage == 1:
        return {"project": "conv"}
    return {"expand": "conv_exp", "project": "conv_pwl"} if stage <= FUSED else LATER
