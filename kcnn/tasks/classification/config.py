"""What can be set about classification."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kcnn.recipe import check

if TYPE_CHECKING:
    from kcnn.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class ClassificationConfig:
    """Settings of the classification task; everything is off by default.

    Augmentation draws are functions of (seed, epoch, example index), see `kcnn.data.augment`.

    Attributes:
        label_smoothing: share of the target spread evenly over the classes, 0..1 (Szegedy 2015, 1512.00567).
        mixup: alpha of Beta(alpha, alpha), from which the share of the other image is drawn (Zhang 2018,
            1710.09412); 0 turns it off.
        cutmix: the same for a pasted rectangle (Yun 2019, 1905.04899). With both on, each batch example takes
            one of the two, at even odds.
        crop_padding: pixels by which an image may shift, its border mirrored; below its sides, 0 is off.
        flip: mirror left and right at even odds. Not for digits or text.
        erasing: probability of erasing a random rectangle (Zhong 2020, 1708.04896), 0..1.
        colour: largest relative change of brightness, contrast and saturation, 0..1.
        randaugment: operations applied in a row to each image (Cubuk 2020, 1909.13719); 0 turns it off.
        randaugment_magnitude: strength of these operations, 0..10.
        class_weights: "balanced" weighs each example by N / (classes present * examples of its class) in the
            loss, so that every class counts the same; "none" leaves the loss alone.
        multi_label: an image may have any number of labels: sigmoid instead of softmax.
        adversarial: "fgsm" or "pgd" trains on images that are changed to mislead the network as it is at that step,
            see `kcnn.adversarial.training`; "none" does not.
        adversarial_eps: largest such change of a value, in pixels 0..255; 76.5 is the 0.3 that is usual on MNIST.
    """

    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    crop_padding: int = 0
    flip: bool = False
    erasing: float = 0.0
    colour: float = 0.0
    randaugment: int = 0
    randaugment_magnitude: float = 9.0
    class_weights: Literal["none", "balanced"] = "none"
    multi_label: bool = False
    adversarial: Literal["none", "fgsm", "pgd"] = "none"
    adversarial_eps: float = 8.0

    def __post_init__(self) -> None:
        for name in ("erasing", "colour"):
            check(0 <= getattr(self, name) <= 1, f"config.{name} is {getattr(self, name)} but must lie in 0..1.")
        for name in ("mixup", "cutmix", "crop_padding", "randaugment"):
            value = getattr(self, name)
            check(value >= 0, f"config.{name} is {value} but must be 0 (off) or positive.")
        check(
            0 <= self.label_smoothing < 1,
            f"config.label_smoothing is {self.label_smoothing} but must be at least 0 and below 1.",
        )
        check(
            0 <= self.randaugment_magnitude <= 10,
            f"config.randaugment_magnitude is {self.randaugment_magnitude} but must lie in 0..10.",
        )
        check(
            0 <= self.adversarial_eps <= 255,
            f"config.adversarial_eps is {self.adversarial_eps} but must lie in 0..255, in pixels (0.3 of the range is "
            "76.5).",
        )
        check(
            not (self.multi_label and self.class_weights == "balanced"),
            "config.class_weights is 'balanced' but an image with several labels has no single class to weigh it by; "
            "set config.class_weights=none or config.multi_label=false.",
        )


def settings(recipe: "Recipe") -> ClassificationConfig:
    """Return the task's own part of `recipe`; its defaults where the recipe says nothing."""
    return recipe.config or ClassificationConfig()
