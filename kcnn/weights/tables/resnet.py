"""Names of ResNet layers elsewhere."""

from kcnn.weights.transplant import Table

PLACE = {"shortcut": 0, "conv1": 1, "conv2": 2, "conv3": 3}


def keras(name: str) -> Table:
    """keras.applications: ResNet50/101/152 (`resnet50_paper` ...) and their V2."""
    return Table(
        [
            ("stem", "conv1_conv"),
            ("stem_bn", "conv1_bn"),
            (r"stage(\d)_block(\d+)_(shortcut|conv\d)", lambda m: f"conv{m[1]}_block{m[2]}_{PLACE[m[3]]}_conv"),
            (r"stage(\d)_block(\d+)_(shortcut|conv\d)_bn", lambda m: f"conv{m[1]}_block{m[2]}_{PLACE[m[3]]}_bn"),
            (r"stage(\d)_block(\d+)_pre_bn", r"conv\1_block\2_preact_bn"),
            ("logits", "predictions"),
        ]
    )


def torchvision(name: str) -> Table:
    """torchvision's resnet18 to wide_resnet101_2."""
    return Table(
        [
            ("stem", "conv1"),
            ("stem_bn", "bn1"),
            (r"stage(\d)_block(\d+)_shortcut(_bn)?", lambda m: f"{block(m)}.downsample.{1 if m[3] else 0}"),
            (r"stage(\d)_block(\d+)_conv(\d)", lambda m: f"{block(m)}.conv{m[3]}"),
            (r"stage(\d)_block(\d+)_conv(\d)_bn", lambda m: f"{block(m)}.bn{m[3]}"),
            ("logits", "fc"),
        ]
    )


timm = torchvision


def block(match) -> str:  # type: ignore[no-untyped-def]
    """Return torchvision's place of our stage 2..5 and block 1..N."""
    return f"layer{int(match[1]) - 1}.{int(match[2]) - 1}"
