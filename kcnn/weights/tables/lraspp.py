"""Names of LR-ASPP layers elsewhere."""

from kcnn.weights.tables import mobilenet_v3
from kcnn.weights.tables.deeplab import MOBILE, backbone
from kcnn.weights.transplant import Table


def torchvision(name: str) -> Table:
    """torchvision's lraspp_mobilenet_v3_large, whose early level is the first at stride 8."""
    return Table(
        [
            ("lraspp_conv(_bn)?", lambda match: f"classifier.cbr.{1 if match[1] else 0}"),
            ("lraspp_gate", "classifier.scale.1"),
            ("logits", "classifier.high_classifier"),
            ("logits_skip", "classifier.low_classifier"),
            *backbone(mobilenet_v3, name),
        ],
        spec={"changes": MOBILE, "skip": "block4_project_bn"},
    )
