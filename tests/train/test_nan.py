"""Numbers that are not finite: what is found, and the three answers to it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

from kcnn.tasks import TASKS
from kcnn.train import callbacks, checkpoint, nan, train
from kcnn.train.nan import Finding, NotFinite
from kcnn.train.signals import Interrupted
from kcnn.train.state import snapshot

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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert not [*whole.glob("checkpoints/*.given_up")]  # training has passed them since
    crash(monkeypatch, 90)
    with pytest.raises(ZeroDivisionError):
        run_task("squares", tmp_path / "broken", **settings)
    monkeypatch.undo()
    broken = run_task("squares", tmp_path / "broken", **settings)
    assert (whole / "weights.safetensors").read_bytes() == (broken / "weights.safetensors").read_bytes()
    assert (whole / "log.csv").read_bytes() == (broken / "log.csv").read_bytes()


@pytest.mark.slow
def test_rollback_gives_up(tmp_path, run_task):
    """The checkpoints it went back before are there again in the end: what was learnt is not lost."""
    with pytest.raises(NotFinite, match=r"The checkpoint of step 12 is finite and kept.*It was taken back 5 times"):
        run_task("poisoned", tmp_path / "run", on_nan="rollback", checkpoint_steps=4)
    assert_finite(tmp_path / "run")
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == [12, 10]  # the last two are kept


@pytest.mark.slow
def test_rollback_that_began_again_in_vain_keeps_what_was_learnt(tmp_path, run_task, lines, monkeypatch):
    """Back at the start it breaks before the first checkpoint comes again: the one given up is there in the end."""
    warn = lines.warn

    def warning(text):
        warn(text)
        if "Going on from step 0 " in text:
            monkeypatch.setattr(f"{__name__}.POISON", [3])

    monkeypatch.setattr(lines, "warn", warning)
    with pytest.raises(NotFinite, match=r"The checkpoint of step 10 is finite and kept"):
        run_task("poisoned", tmp_path / "run", on_nan="rollback")
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == [10]


def test_a_validation_that_is_not_finite_is_logged_and_ends_nothing(tmp_path, run_task, monkeypatch):
    """Its sums lie in the same variables as training's, which are saved at the end of each epoch."""
    batches = toy.make_dataset

    def blind(*arguments, training, **options):
        found = batches(*arguments, training=training, **options)
        return found if training else found.map(lambda images, labels: (images * float("inf"), labels))

    monkeypatch.setattr(toy, "make_dataset", blind)
    monkeypatch.setattr(f"{__name__}.POISON", [])
    folder = run_task("poisoned", tmp_path / "run", epochs=2, checkpoint_steps=4)
    _, saved = checkpoint.newest(folder / "checkpoints", print)
    assert (saved["step"], saved["rollbacks"]) == (20, 0)
    assert [np.isfinite(row["val_loss"]) for row in saved["history"]] == [False, False]
    assert_finite(folder)


@pytest.mark.slow
def test_so_many_batches_are_written_and_no_more(tmp_path, run_task, lines, monkeypatch):
    monkeypatch.setattr(f"{__name__}.POISON", [3, 5])
    monkeypatch.setattr(nan, "REPORTS", 1)
    folder = run_task("poisoned", tmp_path / "run", on_nan="skip", epochs=1)
    assert [path.name for path in (folder / "nan").glob("*.npz")] == ["000000004.npz"]
    told = [text for text in lines.warnings if "is dropped: the first value that is not finite is the input" in text]
    assert ["the batch is in" in text for text in told] == [True, False]


@pytest.mark.slow
def test_sigterm_at_a_broken_step_is_answered_before_any_checkpoint(tmp_path, run_task, monkeypatch):
    original = callbacks.Keeper.on_train_batch_end

    def step(keeper, batch, logs=None):
        if keeper._state.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        original(keeper, batch, logs)

    monkeypatch.setattr(callbacks.Keeper, "on_train_batch_end", step)
    monkeypatch.setattr(f"{__name__}.POISON", [3])
    with pytest.raises(Interrupted, match="stopped at step 0"):
        run_task("poisoned", tmp_path / "run", on_nan="rollback")


def nothing(images, labels, model):
    """Nothing is wrong."""
    return images, labels


def bad_input(images, labels, model):
    images[2, 0, 0, 0] = np.inf
    return images, labels


def bad_target(images, labels, model):
    return images, np.where(np.arange(len(labels)) == 1, np.nan, labels)


def bad_weight(images, labels, model):
    return images, labels, np.where(labels == 3, np.nan, 1.0).astype(np.float32)


def bad_layer(images, labels, model):
    """Both layers are broken: the first one is named, and the row whose pixels reach the broken weight."""
    images[:] = 0
    images[5] = 1
    kernel = np.full(model.get_layer("conv").kernel.shape, 3e38, np.float32)
    model.get_layer("conv").kernel.assign(kernel)
    model.get_layer("logits").bias.assign([np.nan] * 4)
    return images, labels


def bad_loss(images, labels, model):
    """Outputs of 1e30 are finite, their squares are not."""
    model.get_layer("logits").bias.assign([1e30] * 4)
    return images, labels


def bad_gradient(images, labels, model):
    """The root of 0 is 0, its slope is infinite."""
    model.compile("sgd", lambda truth, outputs: keras.ops.mean(keras.ops.sqrt(keras.ops.relu(outputs - 1e9))))
    return images, labels


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (nothing, None),
        (bad_input, Finding("input", rows=(2,))),
        (bad_target, Finding("target", rows=(1,))),
        (bad_weight, Finding("sample weight", rows=(3, 7))),
        (bad_layer, Finding("output", "conv", (5,))),
        (bad_loss, Finding("loss")),
        (bad_gradient, Finding("gradient", "logits/bias")),
    ],
)
def test_the_first_value_is_found_and_nothing_is_changed(spoil, finding):
    source = toy.make_source()
    arrays, recipe = source.split("train").arrays, toy.make_recipe()
    model = toy.make_model(recipe, source.info)
    compile_squares(model, recipe, 10, None)
    batch = spoil(arrays["image"][:8].astype(np.float32) / 255, arrays["label"][:8].copy(), model)
    before = snapshot(model)
    assert nan.inspect(model, tuple(map(tf.constant, batch))) == finding
    for name, value in snapshot(model).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_the_rate_is_halved_once_a_rollback():
    """A schedule begins anew in each process; a rate that is a variable comes back from the checkpoint halved."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.8))
    nan.slow(model, 3, held=1)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.2)
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.8, 10)))
    for rollbacks, rate in ((0, 0.8), (2, 0.2), (3, 0.1), (0, 0.8)):
        nan.slow(model, rollbacks, held=0)
        assert float(model.optimizer.learning_rate) == pytest.approx(rate)


TWO_REPLICAS = """
import dataclasses, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import test_nan, toy
from kcnn.train import train

squares = {"on_nan": "rollback", "learning_rate": 1.6, "momentum": 0.0}
for task, settings in (("poisoned", {"on_nan": "skip"}), ("squares", squares)):
    recipe = toy.make_recipe(strategy="mirrored", epochs=2, checkpoint_steps=4, **settings)
    train(dataclasses.replace(recipe, task=task), f"{sys.argv[1]}/{task}", source=toy.make_source())
"""


@pytest.mark.slow
def test_two_replicas_skip_and_roll_back(tmp_path):
    """The poisoned example is the first replica's; the sums of the metrics lie in two parts."""
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parents[1]}", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", TWO_REPLICAS, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("on 2 replicas") == 2
    skipped, slowed = (checkpoint.newest(tmp_path / task / "checkpoints", print)[1] for task in ("poisoned", "squares"))
    assert (skipped["step"], skipped["dropped"]) == (20, [13])
    facts, _ = report(tmp_path / "poisoned", 13)
    assert (facts["what"], facts["suspects"]) == ("input", [facts["examples"][ROW]])
    right = skipped["history"][1]["accuracy"] * 134  # of 150 examples less the 16 of that batch
    assert right == pytest.approx(round(right), abs=1e-4)
    assert slowed["step"] == 20
    assert 1 <= slowed["rollbacks"] <= nan.ROLLBACKS
    for task in ("poisoned", "squares"):
        assert_finite(tmp_path / task)
