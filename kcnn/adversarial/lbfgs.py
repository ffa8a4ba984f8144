"""The first adversarial examples: box-constrained L-BFGS (Szegedy 2014, 1312.6199, section 4.1)."""

from collections.abc import Callable

import numpy as np

from kcnn.adversarial.aim import Aim, Attacked, check_aim
from kcnn.adversarial.victim import cross_entropy
from kcnn.errors import ConfigError, ResourceError
from kcnn.ops.arithmetic import is_real, whole

Attempt = Callable[[float], np.ndarray | None]


def lbfgs(aim: Aim, *, first: float = 1e-2, doublings: int = 20, halvings: int = 5, steps: int = 50) -> Attacked:
    """Minimise c * |r|^2 + loss(x + r, target) subject to 0 <= x + r <= 1, with the largest c that still succeeds.

    A larger c asks for a smaller change (the paper's text says the smallest c). c starts at `first`, is doubled while
    the attack succeeds or halved until it does, then found more closely by bisection. r counts in units of the whole
    range, 0..255 being 0..1; its length enters squared, which is smooth at 0.

    Args:
        aim: as from `Victim.aim`. Without a target the network's second choice is the target.
        first: c to begin with, positive.
        doublings: of c, or as many halvings, until success and failure are bracketed.
        halvings: of the bracket.
        steps: of L-BFGS for each c, of SciPy's optimiser.

    Raises:
        ConfigError: a setting is out of its range; no finite gradient reaches the pixels.
        ResourceError: SciPy is not installed.
    """
    aim = check_aim(aim)
    if not (is_real(first) and 0 < first < 1e6):
        raise ConfigError(f"first is {first!r} but must lie between 0 and 1,000,000; 0.01 is usual.")
    for name, count in (("doublings", doublings), ("halvings", halvings)):
        whole(name, count, 0)
    whole("steps", steps, 1)
    targets = _second_choice(aim) if aim.target is None else aim.target
    pixels = aim.images.copy()
    for row in np.flatnonzero(~aim.settled(aim.images)):

        def attempt(c: float, row: int = row) -> np.ndarray | None:
            found = _minimise(aim, row, int(targets[row]), c, steps)
            return found if aim.settled(found[None], slice(row, row + 1))[0] else None

        best = _largest(attempt, first, doublings, halvings)
        pixels[row] = pixels[row] if best is None else best
    return aim.result("lbfgs", pixels)


def _largest(attempt: Attempt, first: float, doublings: int, halvings: int) -> np.ndarray | None:
    """Return what `attempt` gives at the largest c at which it gives anything."""
    c, best = first, attempt(first)
    factor = 0.5 if best is None else 2.0
    for _ in range(doublings):
        c *= factor
        found = attempt(c)
        if (found is None) == (factor == 2.0):  # the bracket is closed
            best = best if found is None else found
            low, high = (c / 2, c) if factor == 2.0 else (c, 2 * c)
            break
        best = best if found is None else found
    else:
        return best
    for _ in range(halvings):
        c = (low * high) ** 0.5
        found = attempt(c)
        low, high, best = (low, c, best) if found is None else (c, high, found)
    return best


def _minimise(aim: Aim, row: int, target: int, c: float, steps: int) -> np.ndarray:
    """Return the pixels (H, W, C) at which L-BFGS-B ends, float32 0..255."""
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise ResourceError("lbfgs needs the package scipy: pip install scipy.") from error
    image = aim.images[row].astype("float64") / 255

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        change = flat.reshape(image.shape) - image
        slope, logits = aim.victim.gradient((image + change)[None] * 255, cross_entropy, np.array([target]))
        loss = float(cross_entropy(logits.astype("float64"), np.array([target]))[0])
        return c * (change**2).sum() + loss, (2 * c * change + slope[0] * 255.0).ravel()

    bounds = [(0.0, 1.0)] * image.size
    ended = minimize(value, image.ravel(), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    return (ended.x.reshape(image.shape) * 255).astype("float32")


def _second_choice(aim: Aim) -> np.ndarray:
    logits = aim.victim.logits(aim.images)
    logits[np.arange(len(logits)), aim.labels] = -np.inf
    return logits.argmax(axis=-1)
