"""The learning rate search: it leaves no trace, and finds the minimum of a loss that is known."""

import keras
import numpy as np
import pytest
import toy

from kcnn.errors import TrainingError
from kcnn.train.job import prepare
from kcnn.train.lr_finder import _Watch, find, lr_finder
from kcnn.train.state import snapshot


def job_of(lines, **settings):
    return prepare(toy.make_recipe(**settings), toy.make_source(), lines)


@pytest.mark.slow
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


def test_the_search_trains_as_the_models_own_optimizer_does(monkeypatch):
    """Weight decay alone moves this model, by 1 - rate * decay a step: its input and so its gradient are 0."""
    import tensorflow as tf

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="d")])
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimizer, lambda truth, answer: 0 * answer)
    zeros = np.zeros((12, 4, 1), np.float32)
    data = tf.data.Dataset.from_tensor_slices((zeros, zeros))
    model.fit(data, steps_per_epoch=4, verbose=0)  # the search is to start at `low` all the same
    kernel, bias = model.trainable_variables
    kernel.assign([[1.0]])
    bias.assign([1.0])
    before, variables, seen = snapshot(model), optimizer.variables, []
    after_step = _Watch.on_train_batch_end

    def on_train_batch_end(watch, batch, logs=None):
        seen.append((kernel.numpy().item(), bias.numpy().item()))
        after_step(watch, batch, logs)

    monkeypatch.setattr(_Watch, "on_train_batch_end", on_train_batch_end)
    lr_finder(model, data, low=0.01, high=1.0, steps=3)
    decayed = np.cumprod([1 - 0.1 * rate for rate in (0.01, 0.1, 1.0)])
    np.testing.assert_allclose([value for value, _ in seen], decayed, rtol=1e-6)
    assert [value for _, value in seen] == [1, 1, 1]
    assert [id(v) for v in optimizer.variables] == [id(v) for v in variables]
    for name, value in snapshot(model).items():
        if not name.startswith("metrics/"):
            np.testing.assert_array_equal(value, before[name], err_msg=name)
    optimizer.learning_rate = 0.25  # a plain number can still be set
    assert float(optimizer.learning_rate) == 0.25


def test_find_draws_the_curve(tmp_path, lines):
    rate = find(toy.make_recipe(), tmp_path / "lr_finder.png", source=toy.make_source(), console=lines)
    assert 1e-6 < rate < 10
    assert (tmp_path / "lr_finder.png").read_bytes()[:4] == b"\x89PNG"
