"""What an attack is to change, and what came of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import ConfigError
from kcnn.ops.arithmetic import is_real

if TYPE_CHECKING:
    from kcnn.adversarial.victim import Victim


@dataclass(frozen=True, eq=False)
class Aim:
    """Checked input of every attack, as `Victim.aim` makes it.

    Attributes:
        victim: the network.
        images: float32 (N, H, W, C), 0..255.
        labels: (N,) class ids to lead away from.
        target: (N,) class ids to lead to, or None for any other than the label.
        whole: results are rounded to uint8.
    """

    victim: "Victim"
    images: np.ndarray
    labels: np.ndarray
    target: np.ndarray | None = None
    whole: bool = True

    @property
    def goal(self) -> np.ndarray:
        """The class ids (N,) in the loss: those of the target, else the labels."""
        return self.labels if self.target is None else self.target

    @property
    def sign(self) -> float:
        """1 where the loss of `goal` is to rise, -1 where there is a target and it is to fall."""
        return 1.0 if self.target is None else -1.0

    def settled(self, pixels: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Bool: whether the attack is done with images `rows` at `pixels`, rounded first where results will be."""
        return self.reached(self.victim.predict(np.rint(pixels) if self.whole else pixels), rows)

    def reached(self, classes: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Whether the answers `classes` for images `rows` are what the attack wants, bool."""
        return classes != self.labels[rows] if self.target is None else classes == self.target[rows]

    def result(self, method: str, pixels: np.ndarray, eps: float | None = None, norm: str = "linf") -> "Attacked":
        """Return the record of an attack that computed `pixels`, float (N, H, W, C) within 0..255.

        Args:
            method: name of the attack.
            pixels: what it computed.
            eps: bound that rounding must not overstep, in pixels; None where the method has none.
            norm: of the bound, "linf" or "l2".

        Raises:
            ConfigError: `pixels` are not finite.
        """
        if not np.isfinite(pixels).all():
            raise ConfigError(f"{method} met numbers that are not finite in model {self.victim.model.name!r}.")
        images = whole_pixels(pixels, self.images, eps, norm) if self.whole else pixels.astype("float32")
        original = np.rint(self.images).astype("uint8") if self.whole else self.images
        before, after = (softmax(self.victim.logits(batch)) for batch in (original, images))
        return Attacked(method, original, images, self.labels, self.target, before, after)


@dataclass(frozen=True, kw_only=False, eq=False)
class Attacked:
    """What an attack did to N images.

    Attributes:
        method: its name.
        originals, images: (N, H, W, C) before and after, 0..255: uint8, or float32 where the aim was not `whole`.
        labels, target: as in the aim.
        before, after: (N, classes) probabilities the network gives to `originals` and to exactly these `images`.
    """

    method: str
    originals: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    target: np.ndarray | None
    before: np.ndarray
    after: np.ndarray

    @property
    def is_uint8(self) -> bool:
        """Whether `images` can be stored as a picture without a change."""
        return self.images.dtype == np.uint8

    @property
    def perturbation(self) -> np.ndarray:
        """`images - originals`, float32 (N, H, W, C) in pixels."""
        return self.images.astype("float32") - self.originals.astype("float32")

    @property
    def success(self) -> np.ndarray:
        """Bool (N,): the answer is the target, or without one not the label."""
        answer = self.after.argmax(axis=-1)
        return answer != self.labels if self.target is None else answer == self.target

    @property
    def was_right(self) -> np.ndarray:
        """Bool (N,): the network gave the label before the attack."""
        return self.before.argmax(axis=-1) == self.labels

    @property
    def flipped(self) -> float:
        """Share of the images that were right before and for which the attack succeeds; NaN where none was right."""
        return float(self.success[self.was_right].mean()) if self.was_right.any() else float("nan")

    def norms(self) -> dict[str, np.ndarray]:
        """Return how large the perturbations are, (N,) each.

        "linf": largest change of a value; "l2": Euclidean length; both in pixels. "l0": pixels that changed at all.
        """
        flat = np.abs(self.perturbation).reshape(len(self.images), -1)
        changed = (self.perturbation != 0).any(axis=-1).sum(axis=(1, 2))
        return {"linf": flat.max(axis=1), "l2": np.sqrt((flat.astype("float64") ** 2).sum(axis=1)), "l0": changed}


def whole_pixels(pixels: np.ndarray, originals: np.ndarray, eps: float | None = None, norm: str = "linf") -> np.ndarray:
    """Round to uint8 without leaving the ball of radius `eps` around whole-numbered `originals`.

    Args:
        pixels: float (N, H, W, C), 0..255.
        originals: float (N, H, W, C).
        eps: radius in pixels, or None for no bound.
        norm: "linf" or "l2". Where nearest rounding would leave an L2 ball, changes are rounded towards zero.
    """
    change = np.rint(pixels) - np.rint(originals)
    if eps is not None and norm == "linf":
        change = np.clip(change, -np.floor(eps), np.floor(eps))
    elif eps is not None:
        too_far = np.sqrt((change.astype("float64") ** 2).sum(axis=(1, 2, 3))) > eps
        change[too_far] = np.trunc(pixels[too_far] - np.rint(originals[too_far]))
    return np.clip(np.rint(originals) + change, 0, 255).astype("uint8")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (N, classes) of logits."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def check_aim(aim: Any) -> Aim:
    """Return `aim`.

    Raises:
        ConfigError: it is something else, such as the images themselves.
    """
    if not isinstance(aim, Aim):
        raise ConfigError(f"aim is {aim!r:.80} but must be what Victim.aim(images, labels) returns.")
    return aim


def check_eps(eps: float, what: str = "eps") -> float:
    """Return `eps` as a float.

    Raises:
        ConfigError: it is no number, negative, not finite, or above 255 * 255 pixels.
    """
    if not (is_real(eps) and 0 <= eps <= 65_025):
        raise ConfigError(
            f"{what} is {eps!r} but must lie in 0..65025: it is a distance in pixels, of which 255 is white."
        )
    return float(eps)
