"""DeepFool: straight to the nearest border of the class (Moosavi-Dezfooli 2016, 1511.04599, algorithm 2)."""

import numpy as np

from kcnn.adversarial.aim import Aim, Attacked, check_aim
from kcnn.adversarial.victim import weighted_sum
from kcnn.errors import ConfigError
from kcnn.ops.arithmetic import is_real, whole

NUDGE = 1e-4  # pixels added to each step, so that a point on the border itself moves; the authors' code does so too
LONGER = 20  # times a change is lengthened at most; 1.25**20 is 87


def deepfool(aim: Aim, *, overshoot: float = 0.02, steps: int = 50, candidates: int = 10) -> Attacked:
    """Take the network for linear, step to the nearest border, repeat until the answer changes.

    On a linear network one step is exact: |f_l| / ||w_l|| times 1 + overshoot. As in the authors' code, the overshoot
    is part of every iterate; each is clipped to 0..255. Where rounding to uint8 undoes a change, the change is
    lengthened, to half a pixel at least and on by quarters, until it does not.

    Args:
        aim: as from `Victim.aim`, without a target. Images that the network gets wrong already stay as they are.
        overshoot: share by which a border is overstepped, at least 0.
        steps: at most so many.
        candidates: classes that are tried, those the network finds likeliest, at least 2.

    Raises:
        ConfigError: a setting is out of its range, there is a target, or no finite gradient reaches the pixels.
    """
    aim = check_aim(aim)
    if aim.target is not None:
        raise ConfigError("deepfool looks for the nearest other class and takes no target; pgd and lbfgs do.")
    if not (is_real(overshoot) and 0 <= overshoot <= 10):
        raise ConfigError(f"overshoot is {overshoot!r} but must lie in 0..10; 0.02 is 2 %.")
    order = np.argsort(-aim.victim.logits(aim.images), axis=-1, kind="stable")
    others = order[order != aim.labels[:, None]].reshape(len(order), -1)
    others = others[:, : whole("candidates", candidates, 2) - 1]
    total, pixels = np.zeros_like(aim.images), aim.images.copy()
    for _ in range(whole("steps", steps, 1)):
        rows = np.flatnonzero(~aim.reached(aim.victim.predict(pixels)))
        if not len(rows):
            break
        total[rows] += _to_nearest_border(aim, pixels[rows], aim.labels[rows], others[rows])
        pixels[rows] = np.clip(aim.images[rows] + (1 + overshoot) * total[rows], 0, 255)
    for power in range(LONGER + 1) if aim.whole else ():
        rows = np.flatnonzero(~aim.settled(pixels))
        if not len(rows):
            break
        least = np.maximum(1, 0.5 / np.abs(total[rows]).max(axis=(1, 2, 3), keepdims=True, initial=1e-6))
        pixels[rows] = np.clip(aim.images[rows] + (1 + overshoot) * 1.25**power * least * total[rows], 0, 255)
    return aim.result("deepfool", pixels)


def _to_nearest_border(aim: Aim, pixels: np.ndarray, labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the step (N, H, W, C) onto the nearest of the borders, each taken for a plane."""
    best = np.full(len(pixels), np.inf)
    steps, rows = np.zeros_like(pixels), np.arange(len(pixels))
    for other in others.T:
        weights = np.zeros((len(pixels), aim.victim.classes), "float32")
        weights[rows, other] += 1
        weights[rows, labels] -= 1
        slope, logits = aim.victim.gradient(pixels, weighted_sum, weights)
        lengths = np.sqrt((slope**2).sum(axis=(1, 2, 3)))
        away = np.abs((logits * weights).sum(axis=-1))
        distance = np.divide(away, lengths, out=np.full_like(away, np.inf), where=lengths > 0)
        nearer = distance < best
        scale = np.divide(distance + NUDGE, lengths, out=np.zeros_like(away), where=lengths > 0)
        steps[nearer] = (scale[:, None, None, None] * slope)[nearer]
        best = np.minimum(best, distance)
    return steps
