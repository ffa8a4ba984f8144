"""The harness of families says what is broken."""

import keras
import pytest

from kcnn.models import lenet
from kcnn.testing import family, formula


def test_a_chaotic_network_is_refused():
    # 40 times a sine of ten times its input: a millionth more light ends elsewhere, whatever the gain
    inputs = keras.Input((8, 8, 1), name="images")
    x = inputs
    for place in range(40):
        x = keras.layers.Rescaling(10.0, name=f"scale{place}")(x)
        x = keras.layers.Activation(keras.ops.sin, name=f"s{place}")(x)
    x = keras.layers.Dense(3, name="logits")(keras.layers.Flatten(name="flatten")(x))
    with pytest.raises(AssertionError, match="rounding errors decide"):
        family.steady_outputs(keras.Model(inputs, x, name="chaos"), formula.images((8, 8, 1)))


def test_a_calm_network_keeps_its_formula():
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3, name="logits")])
    found = family.steady_outputs(model, formula.images((4, 4, 1)))
    family.formula_fill(model)
    assert abs(found - model(formula.images((4, 4, 1))).numpy()).max() == 0


def test_cells_that_a_row_does_not_own_up_to_are_found(monkeypatch):
    family.check_levels("tiny_lenet5", axes=2, channels=1)
    honest = lenet.SPECS["tiny_lenet5"]
    monkeypatch.setitem(lenet.SPECS, "tiny_lenet5", lenet.LeNetSpec(**{**vars(honest), "lost": 1}))
    with pytest.raises(AssertionError, match="level C2 is 14 wide at input 64, expected"):
        family.check_levels("tiny_lenet5", axes=2, channels=1)
