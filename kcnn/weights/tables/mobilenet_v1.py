"""Names of MobileNetV1 layers elsewhere."""

from kcnn.weights.transplant import Table


def keras(name: str) -> Table:
    """keras.applications: MobileNet at every width."""
    return Table(
        [
            (r"stem(_bn)?", r"conv1\1"),
            (r"block(\d+)_depthwise(_bn)?", r"conv_dw_\1\2"),
            (r"block(\d+)_pointwise(_bn)?", r"conv_pw_\1\2"),
            ("logits", "conv_preds"),
        ]
    )
