"""Names of MobileNetV3 layers elsewhere."""

import re

from kcnn.weights.tables.efficientnet import FIRST, LATER, PLAIN, timm_layer, torchvision_layer
from kcnn.weights.transplant import Table

BLOCK = r"block(\d+)_(expand|depthwise|se_reduce|se_expand|project)(_bn)?"
SQUEEZED = {"small": (1, 4, 5, 6, 7, 8, 9, 10, 11), "large": (4, 5, 6, 11, 12, 13, 14, 15)}  # Howard 2019, column SE
STAGES = {"small": (1, 2, 3, 2, 3), "large": (1, 2, 3, 4, 2, 3)}  # timm's blocks a stage
KERAS_KIND = {"se_reduce": "squeeze_excite_conv", "se_expand": "squeeze_excite_conv_1"}


def keras(name: str) -> Table:
    """keras.applications: MobileNetV3Small and MobileNetV3Large, also minimalistic."""
    return Table(
        [
            (r"stem(_bn)?", r"conv\1"),
            (r"head(_bn)?", r"conv_1\1"),
            (BLOCK, _keras_block),
            ("hidden", "conv_2"),
        ]
    )


def _keras_block(match: re.Match[str]) -> str:
    index = int(match[1]) - 1
    place = f"expanded_conv_{index}" if index else "expanded_conv"
    return f"{place}_{KERAS_KIND.get(match[2], match[2])}{match[3] or ''}"


def torchvision(name: str) -> Table:
    """torchvision's mobilenet_v3_small and mobilenet_v3_large."""
    size = _size(name)
    last = sum(STAGES[size]) + 1
    return Table(
        [
            (r"stem(_bn)?", lambda match: f"features.0.{1 if match[1] else 0}"),
            (r"head(_bn)?", lambda match: f"features.{last}.{1 if match[1] else 0}"),
            (BLOCK, lambda match: _torchvision_block(match, size)),
            ("hidden", "classifier.0"),
            ("logits", "classifier.3"),
        ],
        spec={"padding": "even"},
    )


def _torchvision_block(match: re.Match[str], size: str) -> str:
    left_out = {"expand"} if match[1] == "1" else set()
    if int(match[1]) not in SQUEEZED[size]:
        left_out.add("se")
    layers = [kind for kind in PLAIN if kind not in left_out]
    return torchvision_layer(f"features.{match[1]}", layers, match[2], bool(match[3]))


def timm(name: str) -> Table:
    """timm's tf_mobilenetv3_small_100, tf_mobilenetv3_large_100 and their minimal forms, padded as in TensorFlow."""
    size = _size(name)
    return Table(
        [
            ("stem(_bn)?", lambda match: "bn1" if match[1] else "conv_stem"),
            ("head(_bn)?", lambda match: f"blocks.{len(STAGES[size])}.0.{'bn1' if match[1] else 'conv'}"),
            (BLOCK, lambda match: _timm_block(match, size)),
            ("hidden", "conv_head"),
            ("logits", "classifier"),
        ],
        mark="tf_",
    )


def _timm_block(match: re.Match[str], size: str) -> str:
    stage, index = 0, int(match[1]) - 1
    while index >= STAGES[size][stage]:
        index -= STAGES[size][stage]
        stage += 1
    return timm_layer(f"blocks.{stage}.{index}", LATER if stage else FIRST, match[2], bool(match[3]))


def _size(name: str) -> str:
    return "small" if "small" in name else "large"
