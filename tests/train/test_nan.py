"""Numbers that are not finite: what is found, and the three answers to it."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

from kcnn.tasks import TASKS
from kcnn.train import callbacks, checkpoint, nan, train
from kcnn.train.nan import NotFinite

ROW = 3  # of the batch, which is poisoned


def poisoned_dataset(recipe, source, split, *, training, start_step=0, bad=frozenset()):
    """The toy's batches; in those of the steps in POISON one example is NaN."""
    batches = toy.make_dataset(recipe, source, split, training=training, start_step=start_step, bad=bad)
    if not training:
        return batches
    poison = tf.constant(POISON, tf.int64)

    def spoil(step, batch):
        images, labels = batch
        hit = tf.reduce_any(poison == step)
        row = tf.range(tf.shape(images)[0])[:, None, None, None] == ROW
        return tf.where(hit & row, float("nan"), images), labels

    return batches.enumerate(start_step).map(spoil)


POISON = [12]
TASK = dataclasses.replace(toy.TASK, name="poisoned", dataset=poisoned_dataset)


def compile_squares(model, recipe, steps_per_epoch, class_counts):
    """Least squares, which gradient descent leaves exponentially at too high a rate."""
    toy.compile_model(model, recipe, steps_per_epoch, class_counts)
    model.compile(
        optimizer=model.optimizer,
        loss=lambda truth, outputs: keras.ops.mean(
            (outputs - keras.ops.one_hot(keras.ops.cast(truth, "int32"), 4)) ** 2
        ),
    )


for name, task in {
    "poisoned": TASK,
    "squares": dataclasses.replace(toy.TASK, name="squares", compile=compile_squares),
}.items():
    if name not in TASKS.entries():
        TASKS.add(name, f"{__name__}:{task.name.upper()}")
POISONED, SQUARES = TASK, task


@pytest.fixture
def run_task(lines):
    def run(task, folder, **settings):
        recipe = dataclasses.replace(toy.make_recipe(**settings), task=task)
        return train(recipe, folder, source=toy.make_source(), console=lines)

    return run


def report(folder, step):
    facts = json.loads((folder / "nan" / f"{step:09d}.json").read_text())
    return facts, np.load(folder / "nan" / f"{step:09d}.npz")


def assert_finite(folder):
    for step in checkpoint.steps(folder / "checkpoints"):
        tensors, _ = checkpoint.load(folder / "checkpoints", step)
        assert all(np.isfinite(tensor).all() for tensor in tensors.values() if tensor.dtype.kind == "f")


def test_stop_names_batch_and_cause(tmp_path, run_task):
    """The step is not the first after the checkpoint: the search trains through good ones before."""
    folder = tmp_path / "run"
    with pytest.raises(NotFinite, match=r"the loss is nan at step 13 \(epoch 2, step 3 of 10\)") as caught:
        run_task("poisoned", folder, checkpoint_steps=11)
    assert "step 11 is finite and kept" in str(caught.value)
    assert "is the input" in str(caught.value)
    facts, arrays = report(folder, 13)
    assert (facts["what"], facts["step"], facts["epoch"], facts["step_in_epoch"]) == ("input", 13, 2, 3)
    assert facts["suspects"] == [facts["examples"][ROW]]
    np.testing.assert_array_equal(arrays["examples"], facts["examples"])
    truth = toy.make_source().split("train").arrays
    np.testing.assert_array_equal(arrays["targets"], truth["label"][facts["examples"]])
    clean = np.arange(16) != ROW
    np.testing.assert_array_equal(
        arrays["inputs"][clean], truth["image"][arrays["examples"]][clean].astype(np.float32) / 255
    )
    assert np.isnan(arrays["inputs"][ROW]).all()
    assert_finite(folder)


def test_skip_leaves_the_step_out(tmp_path, run_task, lines):
    folder = run_task("poisoned", tmp_path / "run", on_nan="skip", checkpoint_steps=4)
    _, saved = checkpoint.newest(folder / "checkpoints", print)
    assert saved["dropped"] == [13]
    assert saved["step"] == 30
    assert any("step 13 is dropped: the first value that is not finite is the input" in w for w in lines.warnings)
    assert all(np.isfinite(row["loss"]) for row in saved["history"])
    assert_finite(folder)
    assert report(folder, 13)[0]["on_nan"] == "skip"
    # of the 150 examples of epoch 2 all but this batch's 16 are in the mean: the sums were undone too
    assert saved["history"][1]["accuracy"] * 134 == pytest.approx(
        round(saved["history"][1]["accuracy"] * 134), abs=1e-4
    )


@pytest.mark.slow
def test_a_skipping_run_resumes_bit_identical(tmp_path, run_task, monkeypatch):
    whole = run_task("poisoned", tmp_path / "whole", on_nan="skip", checkpoint_steps=4, ema=0.9)
    crash(monkeypatch, 18)
    with pytest.raises(ZeroDivisionError):
        run_task("poisoned", tmp_path / "broken", on_nan="skip", checkpoint_steps=4, ema=0.9)
    monkeypatch.undo()
    broken = run_task("poisoned", tmp_path / "broken", on_nan="skip", checkpoint_steps=4, ema=0.9)
    assert (whole / "weights.safetensors").read_bytes() == (broken / "weights.safetensors").read_bytes()
    assert (whole / "log.csv").read_bytes() == (broken / "log.csv").read_bytes()


def crash(monkeypatch, at):
    original = callbacks.Keeper.on_train_batch_end

    def step(keeper, batch, logs=None):
        original(keeper, batch, logs)
        if keeper._state.step == at and (keeper._state.rollbacks or keeper._state.dropped):
            keeper._writer.wait()
            raise ZeroDivisionError

    monkeypatch.setattr(callbacks.Keeper, "on_train_batch_end", step)


def test_skipping_everything_is_no_training(tmp_path, run_task, monkeypatch):
    monkeypatch.setattr(f"{__name__}.POISON", [*range(12, 30)])
    with pytest.raises(NotFinite, match="10 steps in a row were dropped, the last at step 22"):
        run_task("poisoned", tmp_path / "run", on_nan="skip")


@pytest.mark.slow
def test_rollback_halves_until_it_trains_and_resumes_bit_identical(tmp_path, run_task, lines, monkeypatch):
    """Least squares diverges above a rate of 2 / curvature, which 1.6 exceeds here and a fraction of it does not."""
    settings = {"on_nan": "rollback", "checkpoint_steps": 4, "learning_rate": 1.6, "epochs": 12, "momentum": 0.0}
    whole = run_task("squares", tmp_path / "whole", **settings)
    _, saved = checkpoint.newest(whole / "checkpoints", print)
    assert 1 <= saved["rollbacks"] <= nan.ROLLBACKS
    assert "Going on from step 4 at 1/2 of the learning rate" in lines.text
    assert "Going on from step 0 at 1/4 of the learning rate" in lines.text  # step 4 was about to overflow already
    assert_finite(whole)
    crash(monkeypatch, 90)
    with pytest.raises(ZeroDivisionError):
        run_task("squares", tmp_path / "broken", **settings)
    monkeypatch.undo()
    broken = run_task("squares", tmp_path / "broken", **settings)
    assert (whole / "weights.safetensors").read_bytes() == (broken / "weights.safetensors").read_bytes()
    assert (whole / "log.csv").read_bytes() == (broken / "log.csv").read_bytes()


@pytest.mark.slow
def test_rollback_gives_up(tmp_path, run_task):
    with pytest.raises(NotFinite, match="It was taken back 5 times"):
        run_task("poisoned", tmp_path / "run", on_nan="rollback", checkpoint_steps=4)
    assert_finite(tmp_path / "run")
