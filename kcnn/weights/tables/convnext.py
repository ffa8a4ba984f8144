"""Names of ConvNeXt layers elsewhere."""

import re

from kcnn.weights.transplant import Table

KERAS = {
    "depthwise": "depthwise_conv",
    "depthwise_norm": "layernorm",
    "expand": "pointwise_conv_1",
    "project": "pointwise_conv_2",
}
TORCHVISION = {"depthwise": "0", "depthwise_norm": "2", "expand": "3", "project": "5"}
TIMM = {"depthwise": "conv_dw", "depthwise_norm": "norm", "expand": "mlp.fc1", "project": "mlp.fc2"}
BLOCK = r"stage(\d)_block(\d+)_(depthwise|depthwise_norm|expand|project)"
SCALE = r"stage(\d)_block(\d+)_scale/kernel"


def keras(name: str) -> Table:
    """keras.applications: ConvNeXtTiny/Small/Base."""

    def block(match: re.Match[str]) -> str:
        return f"{name}_stage_{int(match[1]) - 2}_block_{int(match[2]) - 1}_{KERAS[match[3]]}"

    def scale(match: re.Match[str]) -> str:
        return f"{name}_stage_{int(match[1]) - 2}_block_{int(match[2]) - 1}_layer_scale/variable"

    return Table(
        [
            (r"stem(_norm)?", f"{name}_stem"),
            (r"stage(\d)_downsample(_norm)?", lambda m: f"{name}_downsampling_block_{int(m[1]) - 3}"),
            (BLOCK, block),
            (SCALE, scale),
            ("pool_norm", f"{name}_head_layernorm"),
            ("logits", f"{name}_head_dense"),
        ]
    )


def torchvision(name: str) -> Table:
    """torchvision's convnext_tiny to convnext_base: stages are features.1, 3, 5, 7, between them downsampling."""
    return Table(
        [
            ("stem", "features.0.0"),
            ("stem_norm", "features.0.1"),
            (r"stage(\d)_downsample_norm", lambda m: f"features.{2 * int(m[1]) - 4}.0"),
            (r"stage(\d)_downsample", lambda m: f"features.{2 * int(m[1]) - 4}.1"),
            (BLOCK, lambda m: f"features.{2 * int(m[1]) - 3}.{int(m[2]) - 1}.block.{TORCHVISION[m[3]]}"),
            (SCALE, lambda m: f"features.{2 * int(m[1]) - 3}.{int(m[2]) - 1}.layer_scale"),
            ("pool_norm", "classifier.0"),
            ("logits", "classifier.2"),
        ]
    )


def timm(name: str) -> Table:
    """timm's convnext_tiny to convnext_base."""
    return Table(
        [
            ("stem", "stem.0"),
            ("stem_norm", "stem.1"),
            (r"stage(\d)_downsample_norm", lambda m: f"stages.{int(m[1]) - 2}.downsample.0"),
            (r"stage(\d)_downsample", lambda m: f"stages.{int(m[1]) - 2}.downsample.1"),
            (BLOCK, lambda m: f"stages.{int(m[1]) - 2}.blocks.{int(m[2]) - 1}.{TIMM[m[3]]}"),
            (SCALE, lambda m: f"stages.{int(m[1]) - 2}.blocks.{int(m[2]) - 1}.gamma"),
            ("pool_norm", "head.norm"),
            ("logits", "head.fc"),
        ]
    )
