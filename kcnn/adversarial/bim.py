"""The basic iterative method (Kurakin 2017, 1607.02533, section 2.2)."""

from kcnn.adversarial.aim import Aim, Attacked, check_aim, check_eps
from kcnn.adversarial.climb import ascend
from kcnn.ops.arithmetic import whole


def bim(aim: Aim, *, eps: float = 8.0, step: float | None = None, steps: int = 10) -> Attacked:
    """Take many small FGSM steps from the image itself, each clipped to within eps of it.

    Args:
        aim: as from `Victim.aim`.
        eps: largest change of a value, in pixels 0..255.
        step: of each step, in pixels; by default 2.5 * eps / steps. The paper takes 1.
        steps: how many; the paper takes min(eps + 4, 1.25 * eps) with its step of 1.

    Raises:
        ConfigError: eps or step is negative, steps below 1; no finite gradient reaches the pixels.
    """
    aim, eps, steps = check_aim(aim), check_eps(eps), whole("steps", steps, 1)
    step = 2.5 * eps / steps if step is None else check_eps(step, "step")
    return aim.result("bim", ascend(aim, aim.images, eps=eps, step=step, steps=steps), eps)
