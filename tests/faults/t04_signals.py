"""SIGTERM and Ctrl-C at a random step, twice, and while the program starts."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kcnn.train import checkpoint

from . import job, plain
from .forks import Child, Shared, spread
from .outcome import Outcome

LAST = job.STEPS * job.EPOCHS
LIMIT = 5.0  # seconds from the signal to the end of the process
SLOW_FROM, SLOW = 10, 20.0  # a step that TensorFlow does not return from
COMMAND = [sys.executable, "-m", "kcnn", "train", "digits_lenet5", "--smoke", "--no_export", "--runs=runs"]
CRITERION = (
    "saved at the next step boundary within 5 s, exit code 143 or 130, 0 steps lost, the resumed run ends "
    "bit-identical; a second Ctrl-C ends at once, in the middle of a step too; SIGTERM while the program starts leaves "
    "a run that trains"
)


def run(n: int, work: Path) -> Outcome:
    """Interrupt `n` runs of kcnn at a step, some twice and some at the start, and some of plain Keras."""
    job.warm()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell are born ignoring it
    reference = Child(lambda: job.train(work / "reference"), work / "reference.log")
    if reference.finish():
        raise RuntimeError((work / "reference.log").read_text(encoding="utf-8")[-3000:])
    expected, few = job.result(work / "reference"), min(max(2, n // 5), 50)
    folders = {name: work / name for name in ("once", "twice", "keras")}
    for folder in folders.values():
        folder.mkdir()
    once = spread(n, lambda i: _once(folders["once"] / f"run{i}", random.Random(i), expected), folders["once"])
    twice = spread(few, lambda i: _twice(folders["twice"] / f"run{i}", expected), folders["twice"])
    theirs = spread(few, lambda i: _keras(folders["keras"] / f"run{i}", random.Random(i)), folders["keras"])
    starts = _starts(few, work / "starts")
    good = [r["identical"] and not r["lost"] and r["code"] == r["wanted"] and r["seconds"] <= LIMIT for r in once]
    at_once = [r["identical"] and r["code"] == 130 and r["seconds"] <= 1 for r in twice]
    slowest = max(r["seconds"] for r in once)
    return Outcome(
        criterion=CRITERION,
        passed=all(good) and all(at_once) and all(r["good"] for r in starts),
        kcnn=f"{sum(good)} of {n} saved within {slowest:.2f} s, {sum(r['lost'] for r in once)} steps lost, resumed "
        f"identical; {sum(at_once)} of {few} second Ctrl-C within {max(r['seconds'] for r in twice):.2f} s; "
        f"{sum(r['good'] for r in starts)} of {few} whole after SIGTERM at the start",
        baseline=f"BackupAndRestore: {sum(r['lost'] for r in theirs) / few:.0f} steps lost on average of {few} "
        f"SIGTERM, exit codes {sorted({r['code'] for r in theirs})}",
        figures={"once": once, "twice": twice, "starts": starts, "keras": theirs},
    )


def _wait(child: Child, told: Shared, step: int) -> None:
    while told[job.STEP] < step and child.poll() is None:
        time.sleep(0.001)


def _once(folder: Path, rng: random.Random, expected: dict[str, str]) -> dict[str, Any]:
    """Stop one run by a signal at a random step, then let it end."""
    number = rng.choice([signal.SIGTERM, signal.SIGINT])
    told, log = Shared(3), folder.with_suffix(".log")
    told[job.STEP] = -1
    child = Child(lambda: job.train(folder, told), log)
    _wait(child, told, rng.randrange(LAST - 2))
    time.sleep(rng.uniform(0, 0.02))
    begun = time.monotonic()
    child.send(number)
    if number == signal.SIGTERM:  # as `timeout` does it
        child.send(number)
    code = child.finish(60)
    found = {
        "code": code,
        "wanted": 128 + number,
        "seconds": time.monotonic() - begun,
        "lost": told[job.STEP] - max(checkpoint.steps(folder / "checkpoints"), default=0),
    }
    return found | {"identical": _resumed(folder, log) == expected}


def _twice(folder: Path, expected: dict[str, str]) -> dict[str, Any]:
    """Stop a run in the middle of a long step by two Ctrl-C."""
    from kcnn.cli import stop
    from kcnn.train.job import Job

    def train() -> int:
        import tensorflow as tf

        def wait(step: Any) -> Any:
            if step >= SLOW_FROM:
                time.sleep(SLOW)
            return step

        training = Job.training
        Job.training = lambda self, first, *places: (
            training(self, first, *places)
            .enumerate(first)
            .map(lambda i, batch: (tf.ensure_shape(tf.py_function(wait, [i], tf.int64), []), batch))
            .map(lambda i, batch: batch)
        )
        stop.listen()
        return job.train(folder, told)

    told, log = Shared(3), folder.with_suffix(".log")
    told[job.STEP] = -1
    child = Child(train, log)
    _wait(child, told, SLOW_FROM)
    time.sleep(0.3)
    child.send(signal.SIGINT)
    time.sleep(0.5)
    begun = time.monotonic()
    child.send(signal.SIGINT)
    code = child.finish(60)
    return {
        "code": code,
        "seconds": time.monotonic() - begun,
        "identical": _resumed(folder, log) == expected,
    }


def _resumed(folder: Path, log: Path) -> dict[str, str]:
    if Child(lambda: job.train(folder), log).finish():
        print(log.read_text(encoding="utf-8")[-2000:], flush=True)
        return {}
    return job.result(folder)


def _keras(folder: Path, rng: random.Random) -> dict[str, Any]:
    """Stop plain Keras by SIGTERM; return how many steps it has to do again."""
    told, log = Shared(3), folder.with_suffix(".log")
    told[job.STEP] = -1
    child = Child(lambda: plain.train(folder, told), log)
    _wait(child, told, rng.randrange(LAST - 2))
    child.send(signal.SIGTERM)
    code, reached = child.finish(60), told[job.STEP]
    told[job.BEGUN] = -1
    again = Child(lambda: plain.train(folder, told), log)
    while told[job.BEGUN] < 0 and again.poll() is None:
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        again.send()
        again.finish()
    return {"code": code, "lost": reached - max(told[job.BEGUN], 0)}


def _starts(count: int, work: Path) -> list[dict[str, Any]]:
    """Send SIGTERM to the command line while Python and TensorFlow start; the same command then trains as ever."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    work.mkdir()

    def start(place: Path) -> subprocess.Popen:
        place.mkdir(exist_ok=True)
        return subprocess.Popen(
            COMMAND, cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def weights(place: Path) -> bytes:
        (folder,) = (place / "runs").iterdir()
        return json.loads((folder / "model.json").read_text())["weights_sha256"]

    begun = time.monotonic()
    whole = start(work / "whole")
    _, error = whole.communicate(timeout=600)
    if whole.returncode:
        raise RuntimeError(error)
    lasts = time.monotonic() - begun

    def one(i: int) -> dict[str, Any]:
        after = random.Random(i).uniform(0.02, 0.6 * lasts)
        process = start(work / f"start{i}")
        time.sleep(after)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=600)
        again = start(work / f"start{i}")
        _, trouble = again.communicate(timeout=600)
        orderly = process.returncode in (143, -signal.SIGTERM, 0) and "Traceback" not in error
        equal = again.returncode == 0 and weights(work / f"start{i}") == weights(work / "whole")
        row = {"after": after, "code": process.returncode, "again": again.returncode, "good": orderly and equal}
        if not row["good"]:
            print(row, error[-1500:], trouble[-1500:], flush=True)
        return row

    return spread(count, one, work)
