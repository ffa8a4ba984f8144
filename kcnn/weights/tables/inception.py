"""Names of Inception-v3 layers elsewhere."""

from kcnn.weights.transplant import Table

GRID35, GRID17, GRID8 = (1, 2, 3, 1), (1, 3, 5, 1), (1, 3, 4, 1)
BRANCHES = (*(GRID35,) * 3, (1, 3), *(GRID17,) * 4, (2, 4), *(GRID8,) * 2)  # convolutions of each branch, by module
ORDER = [f"stem_conv{index}" for index in range(1, 6)] + [
    f"mixed{module}_branch{branch}_conv{index}"
    for module, branches in enumerate(BRANCHES)
    for branch, count in enumerate(branches, start=1)
    for index in range(1, count + 1)
]


def keras(name: str) -> Table:
    """keras.applications: InceptionV3, whose convolutions have no names and are found by their order."""
    return Table(
        [
            (r"(\w+_conv\d)", lambda m: f"conv2d:{ORDER.index(m[1])}"),
            (r"(\w+_conv\d)_bn", lambda m: f"batch_normalization:{ORDER.index(m[1])}"),
            ("logits", "predictions"),
        ]
    )
