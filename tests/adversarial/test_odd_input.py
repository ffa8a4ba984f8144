"""What is handed in by mistake is told as such, whatever its type: no error of another library comes through."""

import numpy as np
import pytest

from kcnn.adversarial import ATTACKS, figures
from kcnn.adversarial.cppn import Cppn
from kcnn.adversarial.curve import robustness_curve, transfer_matrix
from kcnn.adversarial.fgsm import fgsm
from kcnn.adversarial.fooling import Direct, gradient_ascent, map_elites
from kcnn.adversarial.victim import Victim, cross_entropy
from kcnn.errors import KcnnError

from . import nets

ODD = [None, "cat", object(), {}, np.array([None, "x"]), [[1], [2, 3]], float("nan")]
VICTIM = nets.small()
IMAGES = nets.pictures(nets.COLOUR, 2)
AIM = VICTIM.aim(IMAGES, [0, 1])
PAIR = {"one": VICTIM, "two": VICTIM}


def but_none(*more):
    return [*ODD[1:], *more]


CALLS = [
    *((f"{name} aim", lambda odd, name=name: ATTACKS.get(name)(odd), [*ODD, IMAGES]) for name in ATTACKS.entries()),
    *((f"{name} eps", lambda odd, name=name: ATTACKS.get(name)(AIM, eps=odd), [*ODD, True, -1, np.inf])
      for name in ("fgsm", "bim", "pgd")),
    *((f"{name} steps", lambda odd, name=name: ATTACKS.get(name)(AIM, steps=odd), [*ODD, True, 0, 1.5])
      for name in ("bim", "pgd", "deepfool", "lbfgs")),
    ("step", lambda odd: ATTACKS.get("pgd")(AIM, step=odd), but_none(True, -1)),
    ("norm", lambda odd: ATTACKS.get("pgd")(AIM, norm=odd), ODD),
    ("seed", lambda odd: ATTACKS.get("pgd")(AIM, seed=odd), [*ODD, -1]),
    ("restarts", lambda odd: ATTACKS.get("pgd")(AIM, restarts=odd), ODD),
    ("overshoot", lambda odd: ATTACKS.get("deepfool")(AIM, overshoot=odd), [*ODD, True]),
    ("candidates", lambda odd: ATTACKS.get("deepfool")(AIM, candidates=odd), ODD),
    ("first", lambda odd: ATTACKS.get("lbfgs")(AIM, first=odd), [*ODD, True]),
    ("population", lambda odd: ATTACKS.get("one_pixel")(AIM, population=odd), ODD),
    ("one_pixel seed", lambda odd: ATTACKS.get("one_pixel")(AIM, seed=odd), [*ODD, -1]),
    ("model", lambda odd: Victim(odd, nets.COLOUR), ODD),
    ("preprocess", lambda odd: Victim(VICTIM.model, odd), ODD),
    ("batch_size", lambda odd: Victim(VICTIM.model, nets.COLOUR, odd), [*ODD, True, 0]),
    ("aim images", VICTIM.aim, [*ODD, IMAGES[:0], IMAGES.astype(object)]),
    ("labels", lambda odd: VICTIM.aim(IMAGES, odd), but_none(True, [True, False], ["0", "1"], 3)),
    ("target", lambda odd: VICTIM.aim(IMAGES, [0, 1], odd), but_none(True, "2", ["2", "3"])),
    ("logits", VICTIM.logits, [*ODD, IMAGES[:0], IMAGES[0]]),
    ("predict", VICTIM.predict, [*ODD, IMAGES[:0]]),
    ("gradient images", lambda odd: VICTIM.gradient(odd, cross_entropy, [0, 1]), [*ODD, IMAGES[:0]]),
    ("gradient objective", lambda odd: VICTIM.gradient(IMAGES, odd, [0, 1]), ODD),
    ("gradient targets", lambda odd: VICTIM.gradient(IMAGES, cross_entropy, odd), [*ODD, [0]]),
    ("curve eps", lambda odd: robustness_curve(VICTIM, IMAGES, [0, 1], fgsm, odd), [None, "8", 8.0, *ODD[4:], [True]]),
    ("curve attack", lambda odd: robustness_curve(VICTIM, IMAGES, [0, 1], odd, [1]), ODD),
    ("curve victim", lambda odd: robustness_curve(odd, IMAGES, [0, 1], fgsm, [1]), [*ODD, VICTIM.model]),
    ("curve images", lambda odd: robustness_curve(VICTIM, odd, [0, 1], fgsm, [1]), [*ODD, IMAGES[:0]]),
    ("transfer", lambda odd: transfer_matrix(odd, IMAGES, [0, 1], fgsm), [*ODD, [VICTIM, VICTIM]]),
    ("transfer victim", lambda odd: transfer_matrix({**PAIR, "odd": odd}, IMAGES, [0, 1], fgsm), ODD),
    ("transfer attack", lambda odd: transfer_matrix(PAIR, IMAGES, [0, 1], odd), ODD),
    ("ascent victim", gradient_ascent, [*ODD, VICTIM.model]),
    ("ascent step", lambda odd: gradient_ascent(VICTIM, step=odd), [*ODD, True, 0]),
    ("ascent decay", lambda odd: gradient_ascent(VICTIM, decay=odd), ODD),
    ("elites victim", lambda odd: map_elites(odd, Direct((8, 8, 3))), ODD),
    ("encoding", lambda odd: map_elites(VICTIM, odd), [*ODD, Direct((8, 8, 1)), Cppn((4, 4, 3)), Direct(None)]),
    ("elites seed", lambda odd: map_elites(VICTIM, Direct((8, 8, 3)), seed=odd), [*ODD, -1]),
    ("names of triples", lambda odd: figures.triples(fgsm(AIM), odd), [[], ["one"]]),
    ("matrix", lambda odd: figures.transfer(odd, ["a", "b"], ""), [*ODD, np.eye(3)]),
    ("fooling", lambda odd: figures.fooling(odd, np.ones(2), ["a", "b"], ""), [*ODD, IMAGES[:0], IMAGES[0]]),
]  # fmt: skip


@pytest.mark.parametrize(("call", "values"), [pytest.param(call, values, id=name) for name, call, values in CALLS])
def test_what_cannot_be_meant_is_told(call, values):
    for odd in values:
        with pytest.raises(KcnnError) as caught:
            call(odd)
        assert str(caught.value), odd
