"""A checkpoint every 50 steps: what it costs beside none."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import job
from .forks import Child
from .outcome import Outcome

EVERY = 50
WINDOWS = 15  # of each kind, and two more for each of the n
BAR = 0.035  # CheckFreq (Mohan 2021, FAST'21) bounds it so
CRITERION = f"{EVERY} steps with a checkpoint take at most {BAR:.1%} more processor time than {EVERY} without"


def run(n: int, work: Path) -> Outcome:
    """Time windows of 50 steps of one training, 15 + 2 n of each kind in turn.

    The criterion is about the processor time of all threads, averaged without the fastest and slowest fifths: other
    users of the machine disturb it little, and it holds the writing thread's work too, which a free core would hide.
    Beside it stands the time on the clock, as the windows' lower quartile.
    """
    job.warm()
    result = work / "result.json"
    if code := Child(lambda: _measure(WINDOWS + 2 * n, work, result), work / "log").finish(7200):
        raise RuntimeError(f"ended with {code}: {(work / 'log').read_text(encoding='utf-8')[-3000:]}")
    found = json.loads(result.read_text(encoding="utf-8"))
    usual = {kind: float(np.quantile(seconds, 0.25)) for kind, seconds in found["seconds"].items()}
    worked = {kind: _trimmed(seconds) for kind, seconds in found["worked"].items()}
    clock = {kind: seconds / usual["none"] - 1 for kind, seconds in usual.items()}
    share = {kind: seconds / worked["none"] - 1 for kind, seconds in worked.items()}
    return Outcome(
        criterion=CRITERION,
        passed=share["kcnn"] <= BAR,
        kcnn=f"{share['kcnn']:+.1%} processor time, {clock['kcnn']:+.1%} on the clock; a step takes "
        f"{1000 * usual['none'] / EVERY:.1f} ms, training stands still for {found['still_ms']:.1f} ms a checkpoint of "
        f"{found['megabytes']:.1f} MB ({WINDOWS + 2 * n} windows)",
        baseline=f"model.save every {EVERY} steps: {share['keras']:+.1%} and {clock['keras']:+.1%}",
        figures={**found, "share": share, "clock": clock},
    )


def _trimmed(seconds: list[float]) -> float:
    """Return the mean of the middle three fifths."""
    cut = len(seconds) // 5
    return float(np.mean(sorted(seconds)[cut : len(seconds) - cut]))


def _measure(windows: int, work: Path, result: Path) -> None:
    """Train on and on; at the start of a window do nothing, save as kcnn does, or as Keras' ModelCheckpoint does."""
    import keras

    from kcnn.train import checkpoint
    from kcnn.train.callbacks import Keeper
    from kcnn.train.job import prepare, resolve
    from kcnn.train.progress import Plain
    from kcnn.train.rundir import RunDir
    from kcnn.train.signals import Signals
    from kcnn.train.state import State

    chosen = resolve(job.recipe(checkpoint_steps=0, epochs=10**4, batch_size=64, patience=0))
    made = prepare(chosen, job.source(), Plain())
    seconds: dict[str, list[float]] = {"none": [], "kcnn": [], "keras": []}
    worked: dict[str, list[float]] = {kind: [] for kind in seconds}
    kinds, still = list(seconds), []
    folder = RunDir(work / "run")

    class Windows(keras.callbacks.Callback):
        begun, spent, kind = 0.0, 0.0, ""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if (batch + 1) % EVERY:
                return
            now, spent, window = time.monotonic(), time.process_time(), (batch + 1) // EVERY
            if self.kind and window > len(kinds) + 1:  # the first ones warm up
                seconds[self.kind].append(now - self.begun)
                worked[self.kind].append(spent - self.spent)
            kinds[:] = kinds if window % 3 else [kinds[1], kinds[2], kinds[0]]  # each follows each other
            self.begun, self.spent, self.kind = now, spent, kinds[window % 3]
            if self.kind == "kcnn":
                keeper._save()
                still.append(time.monotonic() - now)
            elif self.kind == "keras":
                self.model.save(work / "best.keras")

    state = State(10**9)
    with Signals() as signals, checkpoint.Writer(folder.checkpoints) as writer:
        keeper = Keeper(folder, made, state, places=None, metrics={}, writer=writer, signals=signals)
        keeper.on_epoch_end = lambda *_: None
        steps = EVERY * (3 * windows + 5)
        made.model.fit(made.endless(), steps_per_epoch=steps, callbacks=[keeper, Windows()], verbose=0, shuffle=False)
    size = sum(path.stat().st_size for path in folder.checkpoints.rglob("*") if path.is_file()) / 2 / 1e6
    facts = {"seconds": seconds, "worked": worked, "still_ms": 1000 * float(np.median(still)), "megabytes": size}
    result.write_text(json.dumps(facts), encoding="utf-8")
