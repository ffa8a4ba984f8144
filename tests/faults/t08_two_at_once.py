"""Two trainers on one run folder at the same moment; kill -9 of the one that holds it."""

import csv
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kcnn.data.source import Info, Source
from kcnn.data.splits import array_split

from . import job, plain
from .forks import Child, Shared, spread
from .outcome import Outcome

STEPS, EPOCHS = 20, 2
CRITERION = (
    "exactly one of two proceeds and ends as if it had been alone; the other exits 3 at once and names pid and host; "
    "after kill -9 of the holder the next one takes over; log.csv and TensorBoard hold one writer's lines"
)


def run(n: int, work: Path) -> Outcome:
    """Let `n` pairs begin together, kill every fourth winner, and let another pair go on."""
    job.warm()
    import tensorboard.backend.event_processing.event_file_loader  # noqa: F401

    for name in ("kcnn", "keras"):
        (work / name).mkdir()
    if Child(lambda: train(work / "alone"), work / "alone.log").finish():
        raise RuntimeError((work / "alone.log").read_text(encoding="utf-8")[-3000:])
    expected = job.result(work / "alone")
    ours = spread(n, lambda i: _pair(work / "kcnn" / f"run{i}", i % 4 == 0, expected), work / "kcnn")
    few = min(max(1, n // 10), 20)
    theirs = spread(few, lambda i: _keras(work / "keras" / f"run{i}"), work / "keras", processes=1)
    good = [row for row in ours if not row["trouble"]]
    killed = [row for row in ours if row["killed"]]
    return Outcome(
        criterion=CRITERION,
        passed=len(good) == n,
        kcnn=f"{len(good)} of {n} pairs: one trained on alone, the other was sent away within "
        f"{max(max(row['sent_away']) for row in ours):.2f} s; {len(killed)} holders killed, all taken over",
        baseline=f"fit with CSVLogger: {sum(row['both'] for row in theirs)} of {few} pairs both trained, "
        f"{sum(row['broken'] for row in theirs)} of {few} logs mixed or broken",
        figures={"kcnn": ours, "keras": theirs},
    )


def source() -> Source:
    """Return a small version of the job's data."""
    splits = {
        "train": array_split(*job.images(job.BATCH * STEPS, 1), "train"),
        "validation": array_split(*job.images(32, 2), "validation"),
    }
    info = Info(name="pair", splits={k: v.size for k, v in splits.items()}, classes=("a", "b", "c", "d"))
    return Source(info=info, splits=splits)


def train(folder: Path, told: Shared | None = None) -> int:
    """Train the small job in this process."""
    plainly = {"crop_padding": 0, "flip": False, "erasing": 0.0}
    recipe = job.recipe(plainly, epochs=EPOCHS, checkpoint_steps=4, optimizer="sgd", ema=0.0)
    return job.train(folder, told, recipe, source())


def _together(folder: Path, action: Callable[[Path, Shared], int], go: Shared) -> list[tuple[Child, Shared, Path]]:
    """Fork two that begin at one moment, once both are there."""
    made = []
    for i in range(2):
        told, log = Shared(3), folder.with_name(f"{folder.name}.{len([*folder.parent.glob(f'{folder.name}.*')])}.log")
        told[job.STEP] = -1

        def begin(told: Shared = told, i: int = i) -> int:
            go[i] = 1
            while not go[2]:
                time.sleep(0)
            return action(folder, told)

        log.touch()
        made.append((Child(begin, log), told, log))
    while not (go[0] and go[1]):
        time.sleep(0.001)
    go[2] = 1
    return made


def _pair(folder: Path, kill: bool, expected: dict[str, str]) -> dict[str, Any]:
    """Begin two at once; with `kill` end the winner in mid-run and begin two again."""
    found: dict[str, Any] = {"killed": False, "sent_away": [], "trouble": []}
    for last in (False, True) if kill else (True,):
        begun = time.monotonic()
        pair = _together(folder, train, Shared(3))
        loser = None
        while loser is None:
            loser = next((i for i, (child, *_) in enumerate(pair) if (code := child.poll()) is not None), None)
            time.sleep(0.002)
        found["sent_away"].append(time.monotonic() - begun)
        winner, told, _ = pair[1 - loser]
        text = pair[loser][2].read_text(encoding="utf-8")
        if code != 3 or f"in use by pid {winner.pid} on host {socket.gethostname()}" not in text:
            found["trouble"].append(f"the other ended with {code}: {text[-300:]}")
        if not last:
            while told[job.STEP] < STEPS + 5 and winner.poll() is None:
                time.sleep(0.002)
            winner.send(signal.SIGKILL)
            found["killed"] = winner.finish() == -signal.SIGKILL
        elif ended := winner.finish():
            found["trouble"].append(f"the one that held the folder ended with {ended}")
    differs = [name for name, value in job.result(folder).items() if value != expected[name]]
    found["trouble"] += [f"another {name}" for name in differs]
    found["trouble"] += _events(folder, writers=2 if kill else 1)
    if found["trouble"]:
        print(folder.name, found, flush=True)
    return found


def _events(folder: Path, writers: int) -> list[str]:
    """Return what is wrong with the event files: each has one writer, whose steps rise, and reads to its end."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    pids = set()
    for path in folder.glob("tensorboard/**/events.out.*"):
        pids.add(re.search(r"\.(\d+)\.\d+\.v2$", path.name)[1])
        steps: dict[str, list[int]] = {}
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                steps.setdefault(value.tag, []).append(event.step)
        if any(found != sorted(set(found)) for found in steps.values()):
            return [f"{path.name} has a step twice, or goes back to an earlier one"]
    return [] if len(pids) <= writers else [f"event files of {len(pids)} processes"]


def _keras(folder: Path) -> dict[str, Any]:
    """Begin two trainings by plain Keras in one folder."""
    folder.mkdir()
    pair = _together(folder, plain.train, Shared(3))
    codes = [child.finish() for child, *_ in pair]
    with open(folder / "log.csv", encoding="utf-8", newline="") as file:
        epochs = [row[0] for row in csv.reader(file)]
    return {"both": codes == [0, 0], "codes": codes, "broken": epochs != ["epoch", *map(str, range(job.EPOCHS))]}
