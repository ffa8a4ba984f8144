"""What can be set about segmentation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kcnn.recipe import check

if TYPE_CHECKING:
    from kcnn.recipe import Recipe

MOST_SCALES = 8


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig:
    """Settings of the segmentation task; the defaults are plain cross-entropy and no augmentation.

    Pixels labelled 255 count nowhere. Augmentation draws are functions of (seed, epoch, example index), and do the
    same to image and mask, see `kcnn.data.joint`.

    Attributes:
        cross_entropy, focal, dice: parts of the loss, each 0 or positive, one of them positive; see `losses`.
        focal_gamma: how much less the focal loss counts pixels that are right already, 0 or more (Lin 2017,
            1708.02002, equation 4).
        class_balance: 1 makes every class count the same in cross-entropy and focal loss, however few pixels it has;
            0 makes every pixel count the same; between, pixels weigh by their class's share to the power of minus this.
        scale: range of the random factor by which images grow before they are cut to their size again; pixels that a
            smaller image leaves empty are ignored. (1, 1) is off.
        flip: mirror left and right at even odds.
        colour: largest relative change of brightness, contrast and saturation, 0..1.
        inference: "resize" answers for an image as a whole, shrunk or grown to `preprocess.size`, and enlarges the
            answer; "tiles" keeps its pixels and looks at overlapping tiles of that size.
        overlap: share of a tile that the next one sees again, 0..0.9. At the seam each pixel is taken from the tile in
            which it lies furthest from the border.
        scales: factors of the image's size at which `evaluate` and `predict` look; their probabilities are averaged.
        mirror: also look at the mirrored image.
    """

    cross_entropy: float = 1.0
    focal: float = 0.0
    dice: float = 0.0
    focal_gamma: float = 2.0
    class_balance: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    flip: bool = False
    colour: float = 0.0
    inference: Literal["resize", "tiles"] = "resize"
    overlap: float = 0.5
    scales: tuple[float, ...] = (1.0,)
    mirror: bool = False

    def __post_init__(self) -> None:
        parts = {name: getattr(self, name) for name in ("cross_entropy", "focal", "dice")}
        for name, value in {**parts, "focal_gamma": self.focal_gamma}.items():
            check(value >= 0, f"config.{name} is {value} but must not be negative.")
        check(
            any(parts.values()),
            "config.cross_entropy, config.focal and config.dice are all 0, so there is nothing to minimise; "
            "set one of them to 1.",
        )
        for name in ("class_balance", "colour"):
            check(0 <= getattr(self, name) <= 1, f"config.{name} is {getattr(self, name)} but must lie in 0..1.")
        check(0 <= self.overlap <= 0.9, f"config.overlap is {self.overlap} but must lie in 0..0.9, a share of a tile.")
        ways = ("resize", "tiles")
        check(self.inference in ways, f"config.inference is {self.inference!r}, not one of {ways}.")
        check(
            len(self.scale) == 2 and 0.1 <= self.scale[0] <= self.scale[1] <= 10,
            f"config.scale is {self.scale} but must be two factors in 0.1..10, the smaller one first.",
        )
        check(
            1 <= len(self.scales) <= MOST_SCALES and all(0.1 <= factor <= 10 for factor in self.scales),
            f"config.scales is {self.scales} but must be 1 to {MOST_SCALES} factors in 0.1..10, such as (0.75,1,1.25).",
        )


def settings(recipe: "Recipe") -> SegmentationConfig:
    """Return the task's own part of `recipe`; its defaults where the recipe says nothing."""
    return recipe.config or SegmentationConfig()
