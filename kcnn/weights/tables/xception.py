"""Names of Xception layers elsewhere."""

from kcnn.weights.transplant import Table

SHORTCUTS = {"2": 0, "3": 1, "4": 2, "13": 3}  # block -> place among the layers that keras.applications left unnamed


def keras(name: str) -> Table:
    """keras.applications: Xception."""
    return Table(
        [
            (r"block(\d+)_shortcut", lambda m: f"conv2d:{SHORTCUTS[m[1]]}"),
            (r"block(\d+)_shortcut_bn", lambda m: f"batch_normalization:{SHORTCUTS[m[1]]}"),
            (r"block(1)_conv(\d)(_bn)?", r"block\1_conv\2\3"),
            (r"block(\d+)_conv(\d)(_bn)?", r"block\1_sepconv\2\3"),
            ("logits", "predictions"),
        ]
    )
