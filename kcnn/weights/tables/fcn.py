"""Names of FCN layers elsewhere."""

from kcnn.weights.tables import resnet
from kcnn.weights.tables.deeplab import AUXILIARY, backbone
from kcnn.weights.transplant import Table


def torchvision(name: str) -> Table:
    """torchvision's fcn_resnet50; it has no FCN on VGG."""
    return Table(
        [
            ("fcn_conv(_bn)?", lambda match: f"classifier.{1 if match[1] else 0}"),
            ("logits", "classifier.4"),
            *backbone(resnet, name),
        ],
        AUXILIARY,
    )
