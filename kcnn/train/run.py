"""One run: restore the newest checkpoint, let Keras' `fit` train on, write what came out."""

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from kcnn import atomic
from kcnn import recipe as recipes
from kcnn.errors import CheckpointError, ConfigError
from kcnn.recipe import Recipe
from kcnn.train import changes, checkpoint
from kcnn.train.rundir import RunDir
from kcnn.train.weights import save_model

if TYPE_CHECKING:
    import numpy as np

    from kcnn.data.source import Source
    from kcnn.train.job import Job
    from kcnn.train.nan import NotFinite
    from kcnn.train.progress import Console
    from kcnn.train.state import State


def train(
    recipe: Recipe,
    folder: Path | str | RunDir,
    *,
    resume: bool = True,
    console: "Console | None" = None,
    source: "Source | None" = None,
) -> Path:
    """Train what `recipe` describes in the run folder `folder`, or go on where an earlier call stopped.

    A run that was killed at any moment and started again ends with the weights, log.csv and history of an unbroken
    one, bit for bit, where the arithmetic repeats (`tf.config.experimental.enable_op_determinism`; CPUs mostly do).

    Args:
        recipe: what to do. On resume it must equal the run's own, save for what `kcnn.train.changes` lets pass.
        folder: the run, such as runs/digits_lenet5; made when missing. A `RunDir` whose lock is held is used as it is.
        resume: go on with a run that is there; False refuses one.
        console: where progress is shown; lines on stderr by default.
        source: data to train on in place of `recipe.data`.

    Returns: `folder`, which now holds the files of `save_model`, log.csv, curves.png, samples/, tensorboard/, env.json
        and data_report.json (name and reason of each unreadable image that was left out, by split).

    Raises:
        ResourceError: another process works on this run, or the disk is full.
        ConfigError: the recipe or the data differ from the run's own; old and new values are named.
        CheckpointError: all checkpoints are damaged.
        NotFinite: the loss or a weight is not finite and `train.on_nan` does not mend it; step, batch and layer are
            named, the last checkpoint is kept.
        Interrupted: after Ctrl-C or SIGTERM; everything is saved.
    """
    from kcnn.train.job import prepare, resolve
    from kcnn.train.nan import NotFinite
    from kcnn.train.progress import Plain
    from kcnn.train.transfer import begin

    console, recipe = console or Plain(), resolve(recipe)
    run = folder if isinstance(folder, RunDir) else RunDir(folder)
    with run.lock():
        _claim(run, recipe, resume, console)
        job = prepare(recipe, source, console)
        atomic.write_text(run.data_report, json.dumps({"left_out": job.left_out}, indent=2, ensure_ascii=False) + "\n")
        state, saved = _restored(run, job, console)
        if state.epoch > recipe.train.epochs:
            raise ConfigError(
                f"{run.path} has trained {state.epoch} epochs already, more than train.epochs ({recipe.train.epochs}). "
                "Ask for as many or more, or train under another --name."
            )
        if not state.finished(recipe.train):
            if checkpoint.steps(run.checkpoints):
                changes.compare_surroundings(run, console)
            run.write_env()
        atomic.write_text(run.recipe, recipes.to_json(recipe))
        _introduce(run, job, state, console)
        if not state.step:
            begin(job, console)
        while not (reason := state.finished(recipe.train)):
            try:
                _fit(run, job, state, saved, console)
                state, saved = _restored(run, job, console)
            except NotFinite as trouble:
                job, state, saved = _taken_back(run, job, state, trouble, console)
        _finish(run, job, state, console)
        console.note(f"{recipe.name}: {reason}; the trained model is in {run.path}")
    return run.path


def _claim(run: RunDir, recipe: Recipe, resume: bool, console: "Console") -> None:
    """Refuse a run that was begun with another recipe, or whose trained model would be replaced by a new one."""
    begun = checkpoint.steps(run.checkpoints)
    if run.weights.exists() and not begun:
        raise ConfigError(
            f"{run.path} holds a trained model but none of the checkpoints to go on from. Restore its folder "
            f"{run.checkpoints.name}/, train under another --name, or remove the run to begin again."
        )
    if begun and not resume:
        raise ConfigError(
            f"{run.path} holds a run that is at step {begun[0]}. Leave out resume=False to go on with it, "
            "or train under another --name."
        )
    if begun:
        changes.compare_recipes(run, recipe, console)


def _restored(run: RunDir, job: "Job", console: "Console") -> tuple["State", dict[str, "np.ndarray"]]:
    """Bring the model to the newest checkpoint; return the state, and the tensors that `_fit` needs."""
    from kcnn.train.nan import slow
    from kcnn.train.state import State, restore
    from kcnn.train.strategy import build_metrics

    found = checkpoint.newest(run.checkpoints, console.warn)
    if found is None:
        return State(job.steps_per_epoch), {}
    tensors, saved = found
    changes.compare_data(run, saved["step"], saved["data"], job.fingerprint())
    restore(job.model, tensors)
    rollbacks, dropped = saved.get("rollbacks", 0), saved.get("dropped", [])
    slow(job.model, rollbacks, held=rollbacks)
    state = State(job.steps_per_epoch, saved["step"], saved["seconds"], saved["history"], rollbacks, dropped)
    if state.step_in_epoch:
        build_metrics(job.strategy, job.model, job.element_spec())
    return state, {name: tensor for name, tensor in tensors.items() if name.startswith(("metrics/", "stream/"))}


def _taken_back(
    run: RunDir, job: "Job", state: "State", trouble: "NotFinite", console: "Console"
) -> tuple["Job", "State", dict[str, "np.ndarray"]]:
    """Find where numbers that are not finite come from; then go back to the newest checkpoint at half the rate.

    A checkpoint from which they have come again is given up for the one before it, the last one for the run's start:
    weights that are about to overflow are finite too. Where nothing of this helps, they are all back in their places.

    Raises:
        NotFinite: `train.on_nan` says so, or the run has been taken back often enough.
    """
    from kcnn.train.nan import ROLLBACKS, NotFinite, search, slow

    def back() -> tuple["Job", "State", dict[str, "np.ndarray"]]:
        again = job if checkpoint.steps(run.checkpoints) else _begun_again(job, console)
        return again, *_restored(run, again, console)

    train, told = job.recipe.train, ""
    if train.on_nan != "skip":  # which has told already
        job, before, _ = back()
        slow(job.model, state.rollbacks, held=before.rollbacks)
        told = f" In detail: {search(run, job, before.step, trouble, console)}."
    epoch, step = divmod(trouble.step - 1, job.steps_per_epoch)
    where = f"{trouble} at step {trouble.step} (epoch {epoch + 1}, step {step + 1} of {job.steps_per_epoch})."
    saved = checkpoint.steps(run.checkpoints)
    if train.on_nan == "rollback" and state.rollbacks < ROLLBACKS:
        if saved and saved[0] == state.retried:
            checkpoint.give_up(run.checkpoints, saved[0])
        job, before, tensors = back()
        slow(job.model, state.rollbacks + 1, held=before.rollbacks)
        before.rollbacks, before.retried = state.rollbacks + 1, before.step
        console.warn(f"{where}{told} Going on from step {before.step} at 1/{2**before.rollbacks} of the learning rate.")
        return job, before, tensors
    checkpoint.take_up(run.checkpoints)
    saved = checkpoint.steps(run.checkpoints)
    kept = f"The checkpoint of step {saved[0]} is finite and kept." if saved else "No checkpoint was made yet."
    others = {"stop": "rollback or skip", "rollback": "skip", "skip": "rollback"}[train.on_nan]
    after = f" It was taken back {state.rollbacks} times, each at half the rate." if state.rollbacks else ""
    raise NotFinite(
        f"{where} {kept}{told}{after} Go on with train.on_nan={others}, or try a lower train.learning_rate (it is "
        f"{train.learning_rate:g}) or a longer train.warmup_epochs under another --name.",
        trouble.step,
    ) from trouble


def _begun_again(job: "Job", console: "Console") -> "Job":
    """Return the job with the model that its first step found."""
    from kcnn.train.job import build
    from kcnn.train.transfer import begin

    again = build(job.recipe, job.source, job.unreadable)
    begin(again, console)
    return again


def _introduce(run: RunDir, job: "Job", state: "State", console: "Console") -> None:
    """Say what is about to happen, and show a first batch before anything is trained."""
    from kcnn.train.records import write_log
    from kcnn.train.samples import draw_samples
    from kcnn.train.tensorboard import log_hparams, log_pictures

    recipe, sizes = job.recipe, job.source.info.splits
    replicas = job.strategy.num_replicas_in_sync
    images = ", ".join(f"{sizes[name]:,} {name}" for name in ("train", "validation") if name in sizes)
    console.note(
        f"{recipe.name}: {recipe.model.name} with {job.model.count_params():,} parameters, {images} images, "
        f"{job.steps_per_epoch:,} steps an epoch{f' on {replicas} replicas' if replicas > 1 else ''}"
    )
    if state.step:
        write_log(run.log, state.history)
        console.note(f"going on from step {state.step:,} of epoch {min(state.epoch + 1, recipe.train.epochs)}")
        return
    log_hparams(run.tensorboard, recipe)
    batch = next(iter(job.task.dataset(recipe, job.source, "train", training=True, bad=job.bad["train"])))
    picture = run.samples / "train.png"
    draw_samples(picture, [part.numpy() for part in batch], recipe.preprocess, job.source.info)
    log_pictures(run.tensorboard, {"samples/train": picture}, step=0)


def _fit(run: RunDir, job: "Job", state: "State", saved: dict[str, "np.ndarray"], console: "Console") -> None:
    """Train from `state` on: to the end of an epoch that was broken off, else to the end of training.

    Args:
        saved: of the checkpoint that the model was restored from: sums of the metrics, the place in a stream.
    """
    from kcnn.data.stream import Places
    from kcnn.train.callbacks import Averages, Keeper, TimeUp
    from kcnn.train.nan import NotFinite, guard
    from kcnn.train.progress import Progress
    from kcnn.train.signals import Signals
    from kcnn.train.tensorboard import Answers, TensorBoard

    recipe = job.recipe
    if recipe.train.on_nan == "skip":
        guard(run, job, state, console)
    places = Places(saved) if job.source.split("train").stream else None
    metrics = {name: tensor for name, tensor in saved.items() if name.startswith("metrics/")}
    progress, board = Progress(recipe, state, console), TensorBoard(run.tensorboard, state)
    writing = checkpoint.Writer(run.checkpoints, console.warn if recipe.train.on_save_error == "warn" else None)
    with Signals() as signals, progress.shown(), contextlib.suppress(TimeUp), writing as writer:
        keeper = Keeper(run, job, state, places=places, metrics=metrics, writer=writer, signals=signals)
        try:
            job.model.fit(
                job.training(state.step, places),
                steps_per_epoch=job.steps_per_epoch - state.step_in_epoch,
                initial_epoch=state.epoch,
                epochs=state.epoch + 1 if state.step_in_epoch else recipe.train.epochs,
                # the board before the keeper, so that no epoch is saved and not drawn
                callbacks=[
                    board,
                    *Answers.of(run.tensorboard, job),
                    keeper,
                    *([Averages()] if recipe.train.ema else []),
                    progress,
                ],
                shuffle=False,
                verbose=0,
                **job.validation(),
            )
        except NotFinite:
            writer.wait()
            if recipe.train.on_nan == "rollback":  # which forgets the steps since then, or since the start
                signals.answer(max(checkpoint.steps(run.checkpoints), default=0), run.path)
            raise
        finally:
            board.on_train_end()
    signals.answer(state.step, run.path)  # one that came after the keeper's last look


def _finish(run: RunDir, job: "Job", state: "State", console: "Console") -> None:
    """Write the trained model: the best epoch's weights with `train.patience`, else the last; averaged with `ema`."""
    from kcnn.train.records import draw_curves, write_log
    from kcnn.train.state import restore

    settings = job.recipe.train
    best = state.best(settings.monitor) if settings.patience else None
    if best and best["step"] != state.step:
        try:
            restore(job.model, checkpoint.load(run.checkpoints, int(best["step"]))[0])
        except CheckpointError as error:
            console.warn(f"{error} It held the best epoch; the last epoch's weights are kept instead.")
            best = None
    if settings.ema:
        job.model.optimizer.finalize_variable_values(job.model.trainable_variables)
    write_log(run.log, state.history)
    draw_curves(run.curves, state.history, job.recipe.name, best)
    save_model(run.path, job.model, job.recipe, job.source.info)
