"""The fast gradient sign method (Goodfellow 2015, 1412.6572, section 4)."""

import numpy as np

from kcnn.adversarial.aim import Aim, Attacked, check_aim, check_eps
from kcnn.adversarial.victim import cross_entropy


def fgsm(aim: Aim, *, eps: float = 8.0) -> Attacked:
    """Change every value by eps in the direction that raises the loss: x + eps * sign(grad J(x, y)).

    With a target the step goes down the loss of the target (Kurakin 2017, 1607.02533, section 2.3).

    Args:
        aim: as from `Victim.aim`.
        eps: largest change of a value, in pixels 0..255; the paper's .25 on MNIST is 63.75.

    Raises:
        ConfigError: eps is negative; no finite gradient reaches the pixels.
    """
    aim, eps = check_aim(aim), check_eps(eps)
    slope, _ = aim.victim.gradient(aim.images, cross_entropy, aim.goal)
    return aim.result("fgsm", np.clip(aim.images + eps * np.sign(aim.sign * slope), 0, 255), eps)
