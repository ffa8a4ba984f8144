"""Names of AlexNet layers elsewhere."""

from kcnn.weights.transplant import Table


def torchvision(name: str) -> Table:
    """torchvision's alexnet (`alexnet_torchvision`)."""
    features = {"conv1": 0, "conv2": 3, "conv3": 6, "conv4": 8, "conv5": 10}
    classifier = {"fc6": 1, "fc7": 4, "logits": 6}
    return Table(
        [(ours, f"features.{place}") for ours, place in features.items()]
        + [(ours, f"classifier.{place}") for ours, place in classifier.items()]
    )
