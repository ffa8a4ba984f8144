"""The learning rate search: it leaves no trace, and finds the minimum of a loss that is known."""

import keras
import numpy as np
import pytest
import toy

from kcnn.errors import TrainingError
from kcnn.train.job import prepare
from kcnn.train.lr_finder import find, lr_finder
from kcnn.train.state import snapshot


def job_of(lines, **settings):
    return prepare(toy.make_recipe(**settings), toy.make_source(), lines)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adamw", "ema": 0.9, "weight_decay": 0.1}])
def test_everything_is_bit_identical_afterwards(lines, settings):
    searched, plain = job_of(lines, **settings), job_of(lines, **settings)
    before, optimizer = snapshot(searched.model), searched.model.optimizer
    finding = lr_finder(searched.model, searched.training(0), steps=25)
    assert searched.model.optimizer is optimizer
    after = snapshot(searched.model)
    assert {name for name in after if not name.startswith("metrics")} >= {n for n in before if n[:7] != "metrics"}
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)
    assert len(finding.rates) == len(finding.losses) > 5
    for job in (searched, plain):  # and what comes next is what would have come without
        job.model.fit(job.training(0), steps_per_epoch=10, epochs=2, shuffle=False, verbose=0)
    for name, value in snapshot(plain.model).items():
        np.testing.assert_array_equal(value, snapshot(searched.model)[name], err_msg=name)


def test_the_rates_rise_evenly_and_stop_when_the_loss_blows_up(lines):
    job = job_of(lines)
    finding = lr_finder(job.model, job.training(0), low=1e-4, high=1e6, steps=30)
    assert finding.rates[0] == pytest.approx(1e-4)
    assert finding.rates[1] / finding.rates[0] == pytest.approx((1e6 / 1e-4) ** (1 / 29))
    assert len(finding.rates) < 30
    assert all(np.isfinite(finding.losses))
    assert finding.suggestion == pytest.approx(finding.rates[int(np.argmin(finding.losses))] / 10)


def test_a_loss_that_is_never_finite_is_an_error(lines):
    job = job_of(lines)
    job.model.layers[1].kernel.assign(job.model.layers[1].kernel.numpy() * np.nan)
    with pytest.raises(TrainingError, match="not finite at a learning rate of 1e-06 already"):
        lr_finder(job.model, job.training(0))


def test_a_model_compiled_by_hand():
    """y = 2x + noise by gradient descent, whose steps grow without bound above a rate of 1 / mean(x * x) = 3."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (100, 32, 1)).astype(np.float32)
    y = 2 * x + rng.normal(0, 0.3, x.shape).astype(np.float32)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="d", use_bias=False)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    finding = lr_finder(model, tf.data.Dataset.from_tensor_slices((x, y)), low=1e-3, high=1e3, steps=60)
    assert 0.01 < finding.suggestion < 0.5
    assert finding.rates[-1] < 300
    assert float(model.optimizer.learning_rate) == 0.5


def test_find_draws_the_curve(tmp_path, lines):
    rate = find(toy.make_recipe(), tmp_path / "lr_finder.png", source=toy.make_source(), console=lines)
    assert 1e-6 < rate < 10
    assert (tmp_path / "lr_finder.png").read_bytes()[:4] == b"\x89PNG"
