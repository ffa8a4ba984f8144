"""Names of GoogLeNet layers elsewhere."""

from kcnn.weights.transplant import Table

PLACE = {"branch1": "branch1", "branch4": "branch4.1"} | {
    f"branch{branch}{step}": f"branch{branch}.{place}"
    for branch in (2, 3)
    for place, step in enumerate(("_reduce", ""))
}


def torchvision(name: str) -> Table:
    """torchvision's googlenet (`googlenet_bn`); its auxiliary classifiers are left out."""
    return Table(
        [
            (r"conv1(_bn)?", lambda m: f"conv1.{part(m[1])}"),
            (r"conv2_reduce(_bn)?", lambda m: f"conv2.{part(m[1])}"),
            (r"conv2(_bn)?", lambda m: f"conv3.{part(m[1])}"),
            (r"inception(\w\w)_(branch\d(?:_reduce)?)(_bn)?", lambda m: f"inception{m[1]}.{PLACE[m[2]]}.{part(m[3])}"),
            ("logits", "fc"),
        ],
        ignore=r"^aux[12]\.",
    )


def part(norm: str | None) -> str:
    """Return their name of a convolution, or of its batch normalisation."""
    return "bn" if norm else "conv"
