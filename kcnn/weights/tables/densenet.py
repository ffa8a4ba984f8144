"""Names of DenseNet layers elsewhere."""

from kcnn.weights.transplant import Table

KERAS = {"pre_bn": "0_bn", "conv1": "1_conv", "conv1_bn": "1_bn", "conv2": "2_conv"}
TORCH = {"pre_bn": "norm1", "conv1": "conv1", "conv1_bn": "norm2", "conv2": "conv2"}


def keras(name: str) -> Table:
    """keras.applications: DenseNet121, DenseNet169, DenseNet201."""
    return Table(
        [
            ("stem", "conv1_conv"),
            ("stem_bn", "conv1_bn"),
            (r"stage(\d)_layer(\d+)_(\w+)", lambda m: f"conv{m[1]}_block{m[2]}_{KERAS[m[3]]}"),
            (r"stage(\d)_transition_pre_bn", lambda m: f"pool{int(m[1]) - 1}_bn"),
            (r"stage(\d)_transition", lambda m: f"pool{int(m[1]) - 1}_conv"),
            ("post_bn", "bn"),
            ("logits", "predictions"),
        ]
    )


def torchvision(name: str) -> Table:
    """torchvision's densenet121, densenet161, densenet169, densenet201."""
    return Table(
        [
            ("stem", "features.conv0"),
            ("stem_bn", "features.norm0"),
            (
                r"stage(\d)_layer(\d+)_(\w+)",
                lambda m: f"features.denseblock{int(m[1]) - 1}.denselayer{m[2]}.{TORCH[m[3]]}",
            ),
            (r"stage(\d)_transition_pre_bn", lambda m: f"features.transition{int(m[1]) - 2}.norm"),
            (r"stage(\d)_transition", lambda m: f"features.transition{int(m[1]) - 2}.conv"),
            ("post_bn", "features.norm5"),
            ("logits", "classifier"),
        ]
    )


timm = torchvision
