"""A run in one process: what is written, resume at every kind of step, refusals, stops."""

import csv
import json
import math
import os
import shutil
import signal

import keras
import numpy as np
import pytest
import safetensors.numpy
import toy

from kcnn import recipe as recipes
from kcnn.errors import CheckpointError, ConfigError, ResourceError, TrainingError, UnknownNameError
from kcnn.train import callbacks, checkpoint, load_run, train
from kcnn.train.rundir import RunDir
from kcnn.train.signals import Interrupted
from kcnn.train.tensorboard import TensorBoard

STEPS = 10  # ceil(150 / 16)


class Crash(Exception):
    """Stands for any sudden end."""


@pytest.fixture
def crash_at(monkeypatch):
    """Let training end at once before it has counted step `at`."""
    original = callbacks.Keeper.on_train_batch_end

    def arm(at):
        def on_train_batch_end(keeper, batch, logs=None):
            if keeper._state.step + 1 == at:
                raise Crash
            original(keeper, batch, logs)

        monkeypatch.setattr(callbacks.Keeper, "on_train_batch_end", on_train_batch_end)

    return arm


def weights(folder):
    return (folder / "weights.safetensors").read_bytes()


def state(folder):
    return checkpoint.newest(RunDir(folder).checkpoints, print)[1]


def rows(folder):
    with open(folder / "log.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def assert_equal_runs(one, other):
    assert weights(one) == weights(other)
    assert (one / "log.csv").read_bytes() == (other / "log.csv").read_bytes()
    assert state(one)["history"] == state(other)["history"]


def test_a_trained_model_without_checkpoints_is_not_replaced(tmp_path, run_toy):
    run_toy(tmp_path, epochs=1)
    shutil.rmtree(tmp_path / "checkpoints")
    before = weights(tmp_path)
    with pytest.raises(ConfigError, match="holds a trained model but none of the checkpoints"):
        run_toy(tmp_path, epochs=1)
    assert weights(tmp_path) == before


@pytest.mark.slow
def test_what_a_run_leaves(finished):
    names = {path.name for path in finished.iterdir()}
    assert names >= {
        "recipe.json", "env.json", "data_report.json", "log.csv", "curves.png", "samples", "checkpoints", "tensorboard",
        "weights.safetensors", "model.json", "preprocess.json", "labels.txt",
    }  # fmt: skip
    assert not [name for name in names if ".tmp-" in name]
    log = rows(finished)
    assert [row["epoch"] for row in log] == ["1", "2", "3"]
    assert [row["step"] for row in log] == ["10", "20", "30"]
    last = 0.05 * (1 + math.cos(math.pi * 29 / 30)) / 2  # the 30th step of a cosine over 30 from 0.05
    assert float(log[-1]["learning_rate"]) == pytest.approx(last, rel=1e-3)
    assert set(log[0]) == {"epoch", "step", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert float(log[-1]["loss"]) < float(log[0]["loss"])
    assert checkpoint.steps(finished / "checkpoints") == [30, 20]
    assert (finished / "labels.txt").read_text() == "a\nb\nc\nd\n"


def test_the_log_holds_what_keras_reports(tmp_path, run_toy, monkeypatch):
    histories = []
    fit = keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: histories.append(fit(*a, **k)) or histories[-1])
    log = rows(run_toy(tmp_path / "run"))
    for name, values in histories[0].history.items():
        assert [float(row[name]) for row in log] == values


@pytest.mark.slow
def test_the_same_command_again_changes_nothing(tmp_path, run_toy, lines):
    folder = run_toy(tmp_path / "run")
    before = weights(folder), (folder / "log.csv").read_bytes()
    run_toy(folder)
    assert (weights(folder), (folder / "log.csv").read_bytes()) == before
    assert "all 3 epochs are done" in lines.notes[-1]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 2, STEPS, STEPS + 1, STEPS + 7, 2 * STEPS, 3 * STEPS])
def test_a_run_stopped_at_any_step_ends_as_if_unbroken(tmp_path, run_toy, crash_at, monkeypatch, finished, stop):
    folder = tmp_path / "run"
    with monkeypatch.context():
        crash_at(stop)
        with pytest.raises(Crash):
            run_toy(folder, checkpoint_steps=3)
    assert not (folder / "weights.safetensors").exists()
    monkeypatch.undo()
    run_toy(folder, checkpoint_steps=3)
    assert_equal_runs(folder, finished)


@pytest.mark.slow
def test_an_interrupted_run_with_everything_on(tmp_path, run_toy, crash_at, monkeypatch):
    settings = {
        "optimizer": "adamw", "weight_decay": 0.1, "warmup_epochs": 1.0, "ema": 0.9, "patience": 2,
        "monitor": "val_loss", "epochs": 12, "learning_rate": 0.03, "checkpoint_steps": 4,
    }  # fmt: skip
    whole = run_toy(tmp_path / "whole", **settings)
    assert state(whole)["step"] > STEPS
    for stop in (7, 16, 31):
        if stop < state(whole)["step"]:
            crash_at(stop)
            with pytest.raises(Crash):
                run_toy(tmp_path / "broken", **settings)
            monkeypatch.undo()
    assert_equal_runs(run_toy(tmp_path / "broken", **settings), whole)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_an_older_one_used(tmp_path, run_toy, lines, finished):
    folder = run_toy(tmp_path / "run", epochs=3)
    damaged = folder / "checkpoints" / f"{30:09d}"
    tensors = damaged / "state.safetensors"
    content = bytearray(tensors.read_bytes())
    content[-5] ^= 4
    tensors.write_bytes(content)
    (folder / "weights.safetensors").unlink()
    run_toy(folder, epochs=3)
    assert any(str(damaged) in text and "sha256" in text for text in lines.warnings)
    assert_equal_runs(folder, finished)


def test_early_stopping_keeps_the_best_epoch(tmp_path, run_toy, lines):
    folder = run_toy(tmp_path / "run", epochs=30, patience=2, monitor="val_loss", learning_rate=0.3)
    log = rows(folder)
    losses = [float(row["val_loss"]) for row in log]
    best = int(np.argmin(losses))
    assert len(log) == best + 3 < 30
    assert "val_loss has not improved for 2 epochs" in lines.notes[-1]
    tensors, _ = checkpoint.load(folder / "checkpoints", (best + 1) * STEPS)
    model, _, _ = load_run(folder)
    for index, variable in enumerate(model.variables[: len(model.weights)]):
        if "seed" not in variable.path:
            np.testing.assert_array_equal(variable.numpy(), tensors[f"model/{index:04d}"])


@pytest.mark.slow
def test_a_best_epoch_that_is_gone_is_told(tmp_path, run_toy, lines):
    """Without patience the last two are kept; the rate, which falls, was best in the first epoch."""
    folder = run_toy(tmp_path / "run")
    before = weights(folder)
    run_toy(folder, patience=9, monitor="learning_rate")
    assert [text for text in lines.warnings if "there is no checkpoint" in text and "held the best epoch" in text]
    assert weights(folder) == before


@pytest.mark.slow
def test_averaged_weights_are_validated_and_kept(tmp_path, run_toy):
    folder = run_toy(tmp_path / "run", ema=0.8)
    model, _, _ = load_run(folder)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = toy.make_dataset(toy.make_recipe(), toy.make_source(), "validation", training=False)
    assert model.evaluate(data, verbose=0) == pytest.approx(float(rows(folder)[-1]["val_loss"]), rel=1e-6)
    raw = checkpoint.load(folder / "checkpoints", 30)[0]["model/0000"]
    assert not np.array_equal(raw, model.weights[0].numpy())  # training goes on with its own weights


def test_the_average_is_the_one_of_the_formula(tmp_path, run_toy, monkeypatch):
    """average = 0.8 * average + 0.2 * weight after each step; the first step copies (Keras' documentation)."""
    seen = []
    original = callbacks.Keeper.on_train_batch_end

    def watch(keeper, batch, logs=None):
        seen.append(keeper.model.trainable_variables[0].numpy().astype(np.float64))
        original(keeper, batch, logs)

    monkeypatch.setattr(callbacks.Keeper, "on_train_batch_end", watch)
    folder = run_toy(tmp_path / "run", ema=0.8, epochs=2)
    average = seen[0]
    for value in seen[1:]:
        average = 0.8 * average + 0.2 * value
    np.testing.assert_allclose(load_run(folder)[0].trainable_variables[0].numpy(), average, atol=1e-6)


@pytest.fixture
def ruin_after(monkeypatch):
    """Make a weight infinite once `step` steps are counted, as a step with a finite loss may leave it."""
    original = callbacks.Keeper.on_train_batch_end

    def arm(step):
        def on_train_batch_end(keeper, batch, logs=None):
            if keeper._state.step + 1 == step:
                kernel = keeper.model.trainable_variables[0]
                kernel.assign(kernel.numpy() * np.inf)
            original(keeper, batch, logs)

        monkeypatch.setattr(callbacks.Keeper, "on_train_batch_end", on_train_batch_end)

    return arm


def assert_newest_is_finite(folder, step):
    tensors, saved = checkpoint.newest(folder / "checkpoints", print)
    assert saved["step"] == step
    assert all(np.isfinite(tensor).all() for tensor in tensors.values() if tensor.dtype.kind == "f")
    assert not (folder / "weights.safetensors").exists()


def test_a_loss_that_is_not_finite_stops_and_names_the_step(tmp_path, run_toy, ruin_after):
    ruin_after(12)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 13 \(epoch 2, step 3 of 10\)") as caught:
        run_toy(tmp_path / "run")
    assert "step 10 is finite and kept" in str(caught.value)
    assert "train.learning_rate (it is 0.05)" in str(caught.value)
    assert "all was finite when steps 11 to 13 were trained again" in str(caught.value)  # the search ruins nothing
    assert_newest_is_finite(tmp_path / "run", 10)


def test_weights_that_are_not_finite_are_never_saved(tmp_path, run_toy, ruin_after):
    """The loss of a step is computed before its update, so a step may ruin the weights with a finite loss."""
    ruin_after(12)
    with pytest.raises(TrainingError, match="variables have become NaN or infinite at step 12"):
        run_toy(tmp_path / "run", checkpoint_steps=4)
    assert_newest_is_finite(tmp_path / "run", 10)


@pytest.mark.slow
def test_an_absurd_learning_rate_stops_in_the_first_epoch(tmp_path, run_toy):
    with pytest.raises(TrainingError, match=r"\(epoch 1, step \d+ of 10\)\. No checkpoint was made yet"):
        run_toy(tmp_path / "run", learning_rate=1e30)


@pytest.mark.slow
def test_the_time_limit_stops_between_steps_and_can_be_raised(tmp_path, run_toy, lines, finished):
    folder = run_toy(tmp_path / "run", max_minutes=1e-6)
    assert "train.max_minutes" in lines.notes[-1]
    assert state(folder)["step"] == 1
    assert (folder / "weights.safetensors").is_file()
    run_toy(folder)
    assert "going on with train.max_minutes 0.0 (was 1e-06)" in lines.text
    assert_equal_runs(folder, finished)


@pytest.mark.slow
def test_more_epochs_go_on(tmp_path, run_toy, lines):
    folder = run_toy(tmp_path / "run", epochs=1)
    run_toy(folder, epochs=2)
    assert [row["epoch"] for row in rows(folder)] == ["1", "2"]
    assert "going on with train.epochs 2 (was 1)" in lines.text
    assert "going on from step 10" in lines.text


def test_a_changed_recipe_is_refused_with_old_and_new(tmp_path, run_toy):
    folder = run_toy(tmp_path / "run", epochs=1)
    before = (folder / "recipe.json").read_bytes()
    with pytest.raises(ConfigError, match=r"train.batch_size was 16, is 32; train.seed was 0, is 3") as caught:
        run_toy(folder, epochs=1, batch_size=32, seed=3)
    assert str(folder) in str(caught.value)
    assert (folder / "recipe.json").read_bytes() == before


def test_fewer_epochs_than_are_done_are_refused_and_change_nothing(tmp_path, run_toy):
    folder = run_toy(tmp_path / "run", epochs=2)
    before = (folder / "recipe.json").read_bytes()
    with pytest.raises(ConfigError, match=r"has trained 2 epochs already, more than train.epochs \(1\)"):
        run_toy(folder, epochs=1)
    assert (folder / "recipe.json").read_bytes() == before


def test_patience_on_a_metric_that_is_not_there_names_those_that_are(tmp_path, run_toy):
    with pytest.raises(UnknownNameError, match="Did you mean 'val_accuracy'"):
        run_toy(tmp_path / "run", epochs=3, patience=1, monitor="val_acuracy")


def test_changed_data_are_refused(tmp_path, run_toy, lines):
    folder = run_toy(tmp_path / "run", epochs=1)
    source = toy.make_source()
    source.splits["train"].labels[0] += 1
    with pytest.raises(ConfigError, match=r"training data .* have changed since step 10"):
        train(toy.make_recipe(epochs=1), folder, source=source, console=lines)


def test_resume_false_refuses_a_begun_run(tmp_path, finished):
    with pytest.raises(ConfigError, match="is at step 30"):
        train(toy.make_recipe(), finished, resume=False, source=toy.make_source())


def test_a_run_in_use_is_refused(tmp_path, run_toy):
    with RunDir(tmp_path / "run").lock(), pytest.raises(ResourceError, match="pid"):
        run_toy(tmp_path / "run")


def test_patience_without_validation_is_refused(tmp_path, lines):
    source = toy.make_source()
    del source.splits["validation"]
    with pytest.raises(ConfigError, match="no validation"):
        train(toy.make_recipe(patience=3), tmp_path, source=source, console=lines)
    folder = train(toy.make_recipe(epochs=1), tmp_path, source=source, console=lines)
    assert "val_loss" not in rows(folder)[0]


@pytest.mark.slow
def test_a_full_disk_stops_with_exit_3_and_the_run_goes_on_later(tmp_path, run_toy, monkeypatch, finished):
    original, calls = checkpoint.save, []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise ResourceError("no space left on its disk")
        return original(*arguments)

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(ResourceError, match="no space left"):
        run_toy(tmp_path / "run")
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == [10]
    assert_equal_runs(run_toy(tmp_path / "run"), finished)


@pytest.mark.slow
@pytest.mark.parametrize("signalled", [True, False])
def test_what_a_signal_or_the_end_saves_must_succeed_even_with_warn(tmp_path, run_toy, lines, monkeypatch, signalled):
    def full(*arguments):
        raise ResourceError("no space left on its disk")

    original = callbacks.Keeper.on_train_batch_end

    def step(keeper, batch, logs=None):
        if keeper._state.step == 7 and signalled:
            os.kill(os.getpid(), signal.SIGTERM)
        original(keeper, batch, logs)

    monkeypatch.setattr(checkpoint, "save", full)
    monkeypatch.setattr(callbacks.Keeper, "on_train_batch_end", step)
    with pytest.raises(ResourceError, match="no space left"):
        run_toy(tmp_path / "run", epochs=1, checkpoint_steps=3, on_save_error="warn")
    assert [text for text in lines.warnings if "Training goes on" in text]
    assert any(text.startswith("epoch 1/1") for text in lines.notes) != signalled


@pytest.mark.slow
@pytest.mark.parametrize("stop", [0, 13])
def test_a_signal_after_the_last_step_of_a_fit_is_answered(tmp_path, run_toy, crash_at, monkeypatch, finished, stop):
    """While TensorBoard is flushed the last step is saved; a resume in mid-epoch would begin the next fit then."""
    folder = tmp_path / "run"
    if stop:
        crash_at(stop)
        with pytest.raises(Crash):
            run_toy(folder, checkpoint_steps=3)
        monkeypatch.undo()
    original = TensorBoard.on_train_end

    def on_train_end(board, logs=None):
        monkeypatch.undo()  # once is enough
        os.kill(os.getpid(), signal.SIGTERM)
        original(board, logs)

    monkeypatch.setattr(TensorBoard, "on_train_end", on_train_end)
    last = 20 if stop else 30
    with pytest.raises(Interrupted, match=f"stopped at step {last}, which is saved") as caught:
        run_toy(folder, checkpoint_steps=3)
    assert caught.value.exit_code == 143
    assert state(folder)["step"] == last
    assert_equal_runs(run_toy(folder, checkpoint_steps=3), finished)


def test_state_json_holds_the_place_in_the_run(finished):
    saved = json.loads((finished / "checkpoints" / f"{20:09d}" / "state.json").read_text())
    assert set(saved) == {"step", "epoch", "data", "seconds", "history", "rollbacks", "dropped"}
    assert (saved["step"], saved["epoch"]) == (20, 2)
    assert len(saved["history"]) == 2
    assert saved["seconds"] > 0
    tensors = safetensors.numpy.load_file(finished / "checkpoints" / f"{20:09d}" / "state.safetensors")
    assert {name.partition("/")[0] for name in tensors} == {"model", "optimizer"}  # metrics in mid-epoch only


def test_an_unfinished_run_cannot_be_loaded(tmp_path, run_toy, crash_at):
    crash_at(12)
    with pytest.raises(Crash):
        run_toy(tmp_path / "run")
    with pytest.raises(CheckpointError, match="not finished"):
        load_run(tmp_path / "run")
    with pytest.raises(CheckpointError, match="is not a run"):
        load_run(tmp_path)


@pytest.mark.slow
def test_mixed_precision_resumes_bit_identical(tmp_path, run_toy, crash_at, monkeypatch):
    settings = {"precision": "mixed_bfloat16", "checkpoint_steps": 3, "ema": 0.9}
    whole = run_toy(tmp_path / "whole", **settings)
    crash_at(18)
    with pytest.raises(Crash):
        run_toy(tmp_path / "broken", **settings)
    monkeypatch.undo()
    assert_equal_runs(run_toy(tmp_path / "broken", **settings), whole)
    assert load_run(whole)[0].compute_dtype == "float32"


@pytest.mark.slow
def test_classification_of_digits_resumes_bit_identical(tmp_path, crash_at, lines, monkeypatch):
    """The real task with all of its augmentation."""
    recipe = recipes.override(
        recipes.load("digits_lenet5", smoke=True),
        ["train.epochs=3", "train.ema=0.9", "train.checkpoint_steps=2", "config.mixup=0.2", "config.cutmix=1.0",
         "config.erasing=0.5", "config.randaugment=2", "train.seed=5"],
    )  # fmt: skip
    whole = train(recipe, tmp_path / "whole", console=lines)
    crash_at(6)
    with pytest.raises(Crash):
        train(recipe, tmp_path / "broken", console=lines)
    monkeypatch.undo()
    assert_equal_runs(train(recipe, tmp_path / "broken", console=lines), whole)
    assert load_run(whole)[2].classes == tuple("0123456789")
