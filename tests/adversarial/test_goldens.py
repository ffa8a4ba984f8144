"""Attacks against foolbox's on the same small network; `tools/record_attacks.py` recorded them."""

import json
from pathlib import Path

import numpy as np
import pytest

from kcnn.adversarial.bim import bim
from kcnn.adversarial.deepfool import deepfool
from kcnn.adversarial.fgsm import fgsm
from kcnn.adversarial.pgd import pgd
from kcnn.testing import formula

from . import nets

RECORD = json.loads((Path(__file__).parents[1] / "goldens" / "attacks.json").read_text())
OURS = {
    "fgsm": (fgsm, {"eps": 8}),
    "bim": (bim, {"eps": 8, "step": 2, "steps": 6}),
    "pgd_l2": (pgd, {"eps": 80, "norm": "l2", "step": 20, "steps": 6, "restarts": 0}),
    "deepfool": (deepfool, {"candidates": 4}),
}


@pytest.fixture(scope="module")
def aim():
    pixels = np.rint((formula.images((8, 8, 3), 3) + 1) * 127.5)
    return nets.small().aim(pixels, RECORD["labels"], whole=False)


def test_the_network_is_the_same(aim):
    np.testing.assert_allclose(aim.victim.logits(aim.images), RECORD["logits"], atol=1e-5)


@pytest.mark.parametrize("name", OURS)
def test_pixels_are_foolbox_s(aim, name):
    attack, settings = OURS[name]
    found = attack(aim, **settings).images
    np.testing.assert_allclose(found / 255, np.array(RECORD["attacks"][name]) / 255, atol=1e-5)
