"""Names of MobileNetV2 layers elsewhere."""

import re

from kcnn.weights.tables import efficientnet
from kcnn.weights.transplant import Table

REPEATS = (1, 2, 3, 4, 3, 3, 1)  # Sandler 2018, table 2
PYTORCH = {"padding": "even", "epsilon": 1e-5}


def keras(name: str) -> Table:
    """keras.applications: MobileNetV2 at every width."""
    return Table(
        [
            ("stem", "Conv1"),
            ("stem_bn", "bn_Conv1"),
            ("head", "Conv_1"),
            ("head_bn", "Conv_1_bn"),
            (r"stage(\d)_block(\d)_(expand|depthwise|project)(_bn)?", _keras_block),
            ("logits", "predictions"),
        ]
    )


def torchvision(name: str) -> Table:
    """torchvision's mobilenet_v2."""
    return Table(
        [
            (r"stem(_bn)?", lambda match: f"features.0.{1 if match[1] else 0}"),
            (r"head(_bn)?", lambda match: f"features.18.{1 if match[1] else 0}"),
            (r"stage(\d)_block(\d)_(expand|depthwise|project)(_bn)?", _torchvision_block),
            ("logits", "classifier.1"),
        ],
        spec=PYTORCH,
    )


def timm(name: str) -> Table:
    """timm's mobilenetv2_100 and its other widths."""
    return Table(efficientnet.timm(name).rules, spec=PYTORCH)


def _index(match: re.Match[str]) -> int:
    return sum(REPEATS[: int(match[1]) - 1]) + int(match[2]) - 1


def _keras_block(match: re.Match[str]) -> str:
    place = f"block_{_index(match)}" if _index(match) else "expanded_conv"
    return f"{place}_{match[3]}" + ("_BN" if match[4] else "")


def _torchvision_block(match: re.Match[str]) -> str:
    index = _index(match)
    place, norm = ("expand", "depthwise", "project").index(match[3]), 1 if match[4] else 0
    if index == 0:  # nothing expands
        place -= 1
    return f"features.{index + 1}.conv.{place + norm if match[3] == 'project' else f'{place}.{norm}'}"
