"""Names of SqueezeNet layers elsewhere."""

from kcnn.weights.transplant import Table

PLACES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}  # of the fire modules, among the poolings


def torchvision(name: str) -> Table:
    """torchvision's squeezenet1_1."""
    return Table(
        [
            ("stem", "features.0"),
            (r"fire(\d)_squeeze", lambda m: f"features.{PLACES[int(m[1])]}.squeeze"),
            (r"fire(\d)_expand(\d)", lambda m: f"features.{PLACES[int(m[1])]}.expand{m[2]}x{m[2]}"),
            ("logits", "classifier.1"),
        ]
    )
