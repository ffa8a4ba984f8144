"""Names of MobileNet layers elsewhere."""

import re

from kcnn.weights.transplant import Table

REPEATS = (1, 2, 3, 4, 3, 3, 1)  # Sandler 2018, table 2


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


def _keras_block(match: re.Match[str]) -> str:
    index = sum(REPEATS[: int(match[1]) - 1]) + int(match[2]) - 1
    place = f"block_{index}" if index else "expanded_conv"
    return f"{place}_{match[3]}" + ("_BN" if match[4] else "")
