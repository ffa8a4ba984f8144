"""Kill -9 at a random time, again and again, until the run is done."""

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kcnn.errors import CheckpointError
from kcnn.train import checkpoint

from . import job, plain
from .forks import Child, Shared, spread
from .outcome import Outcome

LAST = job.STEPS * job.EPOCHS
MOST_KILLS = 4  # of one run; it is left in peace then
CRITERION = (
    "every run ends as an unbroken one, bit for bit: weights, variables, history, log, TensorBoard scalars; no "
    "checkpoint is unreadable; a kill costs at most the save interval and the one that was being written"
)


def run(n: int, work: Path) -> Outcome:
    """Kill `n` runs of kcnn, and a tenth as many of plain Keras, five at least."""
    job.warm()
    ours = _compare(n, work / "kcnn", job.train, job.result, _unreadable)
    few = min(n, max(5, n // 10))
    theirs = _compare(few, work / "keras", plain.train, plain.result, lambda folder: 0)
    redone = max(ours["redone"])
    whole = ours["identical"] == n and not ours["unreadable"] and not ours["refused"]
    return Outcome(
        criterion=CRITERION,
        passed=whole and redone <= 2 * job.SAVE_EVERY,
        kcnn=_words(ours, n) + f", {ours['unreadable']} unreadable checkpoints",
        baseline=f"fit + BackupAndRestore + ModelCheckpoint: {_words(theirs, few)}",
        figures={"kcnn": ours, "keras": theirs, "save_every": job.SAVE_EVERY},
    )


def _words(found: dict[str, Any], n: int) -> str:
    redone = found["redone"]
    return (
        f"{found['identical']} of {n} identical after {len(redone)} kills ({found['in_save']} in a save), "
        f"{found['refused']} could not go on, steps redone {sum(redone) / len(redone):.1f} on average, "
        f"{max(redone)} at most"
    )


def _compare(
    n: int,
    work: Path,
    train: Callable[[Path, Shared], int],
    result: Callable[[Path], dict[str, str]],
    unreadable: Callable[[Path], int],
) -> dict[str, Any]:
    work.mkdir()
    told, begun = Shared(3), time.monotonic()
    reference = Child(lambda: train(work / "reference", told), work / "reference.log")
    if reference.finish():
        raise RuntimeError((work / "reference.log").read_text(encoding="utf-8")[-3000:])
    startup = told[job.FIRST_STEP_MS] / 1000 - begun
    expected = result(work / "reference")

    def one(i: int) -> dict[str, Any]:
        folder = work / f"run{i}"
        found = _one(folder, train, unreadable, random.Random(i), startup)
        ended = result(folder) if not found["refused"] else {}
        found["differs"] = [name for name in expected if ended.get(name) != expected[name]]
        if found["differs"]:
            print(f"{folder.name} of {work.name}: {found}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        return found

    runs = spread(n, one, work)
    return {
        "identical": sum(not found["differs"] for found in runs),
        "redone": [steps for found in runs for steps in found["redone"]] or [0],
        **{name: sum(found[name] for found in runs) for name in ("unreadable", "refused", "in_save")},
        "differs": sorted({name for found in runs for name in found["differs"]}),
    }


def _one(
    folder: Path,
    train: Callable[[Path, Shared], int],
    unreadable: Callable[[Path], int],
    rng: random.Random,
    startup: float,
) -> dict[str, Any]:
    """Kill one run until it is done; the times are drawn over start-up, every step, and what follows the last."""
    found: dict[str, Any] = {"redone": [], "unreadable": 0, "refused": 0, "in_save": 0}
    told, log, reached, kills = Shared(3), folder.with_suffix(".log"), 0, 0
    while True:
        told[job.STEP] = told[job.BEGUN] = -1
        child = Child(lambda: train(folder, told), log)
        target = rng.randrange(max(reached, 0), LAST + (10 if kills else 0))
        code = _wait(child, told, None if rng.random() < 0.15 else target, rng, startup) if kills < MOST_KILLS else None
        code = child.finish() if code is None and kills >= MOST_KILLS else code
        if told[job.BEGUN] >= 0 and kills:
            found["redone"].append(max(reached - told[job.BEGUN], 0))
        reached = max(reached, told[job.STEP])
        if code is not None:
            if code:
                print(log.read_text(encoding="utf-8")[-2000:], flush=True)
            return found | {"refused": int(code != 0), "kills": kills}
        child.send(signal.SIGKILL)
        child.finish()
        kills += 1
        found["unreadable"] += unreadable(folder)
        found["in_save"] += bool(list(folder.glob("checkpoints/*.tmp-*"))) or (folder / plain.SAVING).exists()


def _wait(child: Child, told: Shared, target: int | None, rng: random.Random, startup: float) -> int | None:
    """Return None at the time of the kill, or the exit code of a child that was done before."""
    if target is None:
        return child.wait(rng.uniform(0, startup))
    while told[job.STEP] < min(target, LAST):
        if (code := child.wait(0.002)) is not None:
            return code
    return child.wait(max(target - LAST, 0) * 0.1 + rng.uniform(0, 0.03))


def _unreadable(folder: Path) -> int:
    """Count the checkpoints that look whole and are not."""
    broken = 0
    for step in checkpoint.steps(folder / "checkpoints"):
        try:
            checkpoint.load(folder / "checkpoints", step)
        except CheckpointError:
            broken += 1
    return broken
