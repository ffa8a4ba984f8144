"""Names of VGG layers elsewhere."""

from kcnn.weights.transplant import Table

REPEATS = {  # Simonyan 2014, table 1
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}


def keras(name: str) -> Table:
    """keras.applications: VGG16 and VGG19."""
    return Table([("fc6", "fc1"), ("fc7", "fc2"), ("logits", "predictions")])


def torchvision(name: str) -> Table:
    """torchvision's vgg11 to vgg19_bn; its trunk is one list of convolutions, normalisations, ReLUs and poolings."""
    rules, place = [("fc6", "classifier.0"), ("fc7", "classifier.3"), ("logits", "classifier.6")], 0
    normalised = name.endswith("_bn")
    for block, repeats in enumerate(REPEATS.get(name.removesuffix("_bn"), ()), start=1):  # tiny_vgg is ours alone
        for index in range(1, repeats + 1):
            rules.append((f"block{block}_conv{index}", f"features.{place}"))
            rules.append((f"block{block}_conv{index}_bn", f"features.{place + 1}"))
            place += 3 if normalised else 2
        place += 1
    return Table(rules)
