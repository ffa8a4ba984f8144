"""Snapshots of a model, the average lent and given back, and what follows from a history."""

import keras
import numpy as np
import pytest
import toy

from kcnn.errors import CheckpointError
from kcnn.recipe import Train
from kcnn.train.job import prepare
from kcnn.train.progress import Plain
from kcnn.train.state import State, averaged, restore, snapshot


def history(name, *values):
    return [{"epoch": i, "step": 10 * i, name: value} for i, value in enumerate(values, start=1)]


@pytest.fixture(scope="module")
def job():
    made = prepare(toy.make_recipe(ema=0.9, optimizer="adamw"), toy.make_source(), Plain())
    made.model.fit(made.training(0), steps_per_epoch=3, verbose=0, shuffle=False)
    return made


def test_a_snapshot_holds_every_variable_and_comes_back(job):
    model = job.model
    before = snapshot(model)
    assert len(before) == len(model.variables) + len(model.optimizer.variables) + len(model.metrics_variables)
    assert any("seed" in variable.path for variable in model.variables)  # the dropout's generator is among them
    expected = [model.get_weights(), [v.numpy() for v in model.optimizer.variables]]
    model.fit(job.training(3), steps_per_epoch=2, verbose=0, shuffle=False)
    changed = snapshot(model)
    assert sum(not np.array_equal(before[name], changed[name]) for name in before) > len(before) // 2
    restore(model, before)
    for values, now in zip(
        expected, (model.get_weights(), [v.numpy() for v in model.optimizer.variables]), strict=True
    ):
        for value, other in zip(values, now, strict=True):
            np.testing.assert_array_equal(value, other)
    restore(model, before, metrics=True)
    after = snapshot(model)
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)


@pytest.mark.parametrize("damage", ["shape", "missing"])
def test_a_foreign_snapshot_changes_nothing(job, damage):
    before = snapshot(job.model)
    wrong = {name: value + 1 for name, value in before.items()}
    if damage == "shape":
        wrong["model/0002"] = np.zeros((1, 2, 3), np.float32)
    else:
        del wrong["model/0002"]
    with pytest.raises(CheckpointError, match=r"belongs to another model: bn/gamma \(model/0002\) is \(4,\) here"):
        restore(job.model, wrong)
    for name, value in snapshot(job.model).items():
        np.testing.assert_array_equal(value, before[name])


def test_averages_are_lent_and_given_back_bit_for_bit(job):
    for variable in job.model.trainable_variables:  # apart from the averages, which `fit` has put in their place
        variable.assign(variable.numpy() * 1.37 + 0.1)
    own = [variable.numpy() for variable in job.model.trainable_variables]
    kernel = next(v for v in job.model.optimizer.variables if "conv_kernel_average" in v.path)
    with averaged(job.model):
        np.testing.assert_array_equal(job.model.trainable_variables[0].numpy(), kernel.numpy())
        assert not np.array_equal(job.model.trainable_variables[0].numpy(), own[0])
    for variable, value in zip(job.model.trainable_variables, own, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_place_in_the_run():
    state = State(10, step=23)
    assert (state.epoch, state.step_in_epoch) == (2, 3)
    assert (State(10, step=20).epoch, State(10, step=20).step_in_epoch) == (2, 0)


@pytest.mark.parametrize(
    ("name", "values", "epoch"),
    [
        ("val_accuracy", (0.1, 0.9, 0.9, 0.3), 2),  # the earliest of equals
        ("val_loss", (0.5, 0.2, 0.4), 2),
        ("val_error", (0.5, 0.6), 1),
        ("val_loss", (np.nan, 0.7, np.inf), 2),
    ],
)
def test_the_best_epoch(name, values, epoch):
    assert State(10, history=history(name, *values)).best(name)["epoch"] == epoch


def test_no_best_without_a_finite_number():
    assert State(10, history=history("val_loss", np.nan)).best("val_loss") is None
    assert State(10, history=history("val_loss", 1.0)).best("val_accuracy") is None


@pytest.mark.parametrize(
    ("state", "settings", "reason"),
    [
        (State(10, step=29), {"epochs": 3}, ""),
        (State(10, step=30), {"epochs": 3}, "all 3 epochs are done"),
        (State(10, step=10), {"epochs": 1}, "its one epoch is done"),
        (State(10, step=30, history=history("val_loss", 1, 2, 3)), {"epochs": 9, "patience": 2}, "has not improved"),
        (State(10, step=30, history=history("val_loss", 1, 0, 3)), {"epochs": 9, "patience": 2}, ""),
        (State(10, step=20, history=history("val_loss", np.nan, np.nan)), {"epochs": 9, "patience": 2}, "not improved"),
        (State(10, step=1, seconds=59.9), {"epochs": 9, "max_minutes": 1.0}, ""),
        (State(10, step=1, seconds=60.0), {"epochs": 9, "max_minutes": 1.0}, "the time is up"),
    ],
)
def test_when_a_run_is_finished(state, settings, reason):
    found = state.finished(Train(monitor="val_loss", **settings))
    assert reason in found
    assert bool(found) == bool(reason)


def test_the_snapshot_does_not_alias_the_variables():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="d")])
    model.compile("sgd", "mse")
    before = snapshot(model)
    kept = before["model/0000"].copy()
    model.layers[0].kernel.assign(kept + 1)
    np.testing.assert_array_equal(before["model/0000"], kept)
