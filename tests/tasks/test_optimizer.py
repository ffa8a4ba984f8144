"""The schedule against its formula, the optimizer against one step by hand."""

import math

import keras
import numpy as np
import pytest

from kcnn.recipe import Train
from kcnn.tasks.optimizer import optimizer, schedule


def rate(train, steps, step):
    return float(schedule(train, steps)(step))


def test_cosine_without_warmup():
    train = Train(epochs=4, learning_rate=0.1)
    for step in (0, 1, 13, 20, 39, 40):
        assert rate(train, 10, step) == pytest.approx(0.1 * (1 + math.cos(math.pi * step / 40)) / 2, abs=1e-8)


def test_warmup_then_cosine():
    train = Train(epochs=5, learning_rate=0.5, warmup_epochs=1.5)
    warmup = 15
    assert rate(train, 10, 0) == pytest.approx(0.5 / 15)  # the first step moves
    rates = [rate(train, 10, step) for step in range(51)]
    assert np.all(np.diff(rates[: warmup + 1]) > 0)
    assert rates[warmup] == pytest.approx(0.5)
    for step in range(warmup, 51):
        assert rates[step] == pytest.approx(0.5 * (1 + math.cos(math.pi * (step - warmup) / 35)) / 2, abs=1e-6)
    assert rates[50] == pytest.approx(0, abs=1e-8)


def test_the_rise_takes_at_most_half_of_training():
    train = Train(epochs=2, learning_rate=0.5, warmup_epochs=5)
    assert rate(train, 10, 10) == pytest.approx(0.5)
    assert rate(train, 10, 9) < 0.5
    assert rate(train, 10, 20) == pytest.approx(0, abs=1e-8)


def test_a_single_step():
    assert rate(Train(epochs=1, learning_rate=0.5), 1, 0) == pytest.approx(0.5)
    assert math.isfinite(rate(Train(epochs=2, learning_rate=0.5, warmup_epochs=1.9), 1, 1))


def one_step(train, names=("kernel", "bias", "gamma", "beta")):
    """Apply a gradient of 1 to variables of value 2; return the value of each afterwards."""
    built = optimizer(train, 10)
    variables = [keras.Variable([2.0], name=name) for name in names]
    built.build(variables)
    built.apply([keras.ops.ones_like(v) for v in variables])
    return {name: float(variable.numpy()[0]) for name, variable in zip(names, variables, strict=True)}


def test_sgd_is_nesterov():
    """Keras' Nesterov from rest: m = -lr g; w += momentum m - lr g, so w = 2 - 0.1 (1 + 0.9)."""
    assert one_step(Train(learning_rate=0.1, momentum=0.9))["kernel"] == pytest.approx(2 - 0.19)
    assert one_step(Train(learning_rate=0.1, momentum=0.0))["kernel"] == pytest.approx(2 - 0.1)


@pytest.mark.parametrize(("name", "moved"), [("sgd", 0.1), ("adamw", 0.1)])
def test_weight_decay_is_decoupled_and_spares_biases_and_norms(name, moved):
    """w -= lr * decay * w first (Loshchilov 2019); Adam's first step is lr whatever the gradient."""
    train = Train(optimizer=name, learning_rate=0.1, momentum=0.0, weight_decay=0.05)
    after = one_step(train)
    assert after["kernel"] == pytest.approx(2 - 0.1 * 0.05 * 2 - moved, abs=1e-5)
    for spared in ("bias", "gamma", "beta"):
        assert after[spared] == pytest.approx(2 - moved, abs=1e-5)


def test_a_name_that_only_contains_bias_is_decayed():
    train = Train(learning_rate=0.1, momentum=0.0, weight_decay=0.05)
    assert one_step(train, ["bias_kernel"])["bias_kernel"] == pytest.approx(2 - 0.01 - 0.1)


def test_the_average_is_on_only_when_asked():
    assert optimizer(Train(), 10).use_ema is False
    built = optimizer(Train(ema=0.99), 10)
    assert (built.use_ema, built.ema_momentum) == (True, 0.99)
