"""Names of DeepLab layers elsewhere."""

import re
from collections.abc import Sequence

from kcnn.weights.tables import mobilenet_v3, resnet
from kcnn.weights.transplant import Rule, Table

AUXILIARY = r"^aux_classifier\."
LAST_RATE = 36  # torchvision's rates are 12, 24 and 36, and ours are called by them
RATES = 3
WIDTH = 256
MOBILE = (("padding", "even"), ("dilate_first", True))  # torchvision's MobileNetV3, where it is dilated


def torchvision(name: str) -> Table:
    """torchvision's deeplabv3_resnet50, deeplabv3_resnet101 and deeplabv3_mobilenet_v3_large."""
    joined = WIDTH * (RATES + 1)
    rules: list[Rule] = [
        ("aspp_point(_bn)?", lambda match: f"classifier.0.convs.0.{1 if match[1] else 0}"),
        (r"aspp_rate(\d+)(_bn)?", _rate),
        ("aspp_image(_bn)?", lambda match: f"classifier.0.convs.{RATES + 1}.{2 if match[1] else 1}"),
        ("aspp_project", f"classifier.0.project.0[0:{joined}]"),
        ("aspp_project_image", f"classifier.0.project.0[{joined}:{joined + WIDTH}]"),
        ("aspp_project_bn", "classifier.0.project.1"),
        ("decoder_conv(_bn)?", lambda match: f"classifier.{2 if match[1] else 1}"),
        ("logits", "classifier.4"),
    ]
    if "mobilenet" in name:
        return Table([*rules, *backbone(mobilenet_v3, name)], AUXILIARY, spec={"changes": MOBILE})
    return Table([*rules, *backbone(resnet, name)], AUXILIARY)


def _rate(match: re.Match[str]) -> str:
    return f"classifier.0.convs.{int(match[1]) * RATES // LAST_RATE}.{1 if match[2] else 0}"


def backbone(family, name: str) -> Sequence[Rule]:  # type: ignore[no-untyped-def]
    """Return torchvision's rules of a classifier for the trunk that its segmentation networks make of it.

    Args:
        family: module of `kcnn.weights.tables`.
        name: of the network, which ends as the classifier is called.
    """

    def rule(pattern: str, replacement) -> Rule:  # type: ignore[no-untyped-def]
        def named(match: re.Match[str]) -> str:
            theirs = replacement(match) if callable(replacement) else match.expand(replacement)
            return f"backbone.{theirs.removeprefix('features.')}"

        return pattern, named

    return [rule(*each) for each in family.torchvision(name).rules]
