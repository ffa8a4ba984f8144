"""Disk full (ENOSPC) and broken disk (EIO) at every call of every save; a real limit on file size."""

import errno
import resource
import shutil
from pathlib import Path
from typing import Any

from kcnn.errors import KcnnError
from kcnn.train import checkpoint

from . import job, saves
from .calls import count, failing
from .forks import Child
from .outcome import Outcome
from .t02_crash_points import keras_save

ERRORS = (errno.ENOSPC, errno.EIO)
ROOM = 20_000  # bytes that a file may have while room is short; a checkpoint of the job takes 330,000
CRITERION = (
    "after any failing call a typed error (exit code 3) or success; the old state or the new, nothing half-written; "
    "the next save succeeds. Under RLIMIT_FSIZE training stops with exit code 3 and its checkpoints kept, or goes on "
    "with a warning and ends as an unbroken run"
)


def run(n: int, work: Path) -> Outcome:
    """Fail each call once, and from each call on; `n` is ignored."""
    ours = {save.name: _fail_everywhere(save, work / save.name) for save in saves.SAVES}
    job.warm()
    real = _real(work / "real")
    theirs = keras_save(work / "keras", str(errno.ENOSPC))
    cases = sum(row["cases"] for row in ours.values())
    bad = sum(len(row["bad"]) for row in ours.values())
    return Outcome(
        criterion=CRITERION,
        passed=not bad and real["stop"]["right"] and real["warn"]["right"],
        kcnn=f"{cases - bad} of {cases} failures kept old or new with a typed error; RLIMIT_FSIZE: "
        f"stop ended with {real['stop']['code']} at a valid step {real['stop']['kept']}, "
        f"warn with {real['warn']['code']} after {real['warn']['warnings']} warnings, "
        f"identical: {real['stop']['identical'] and real['warn']['identical']}",
        baseline=f"model.save over an old file: {theirs['lost']} of {theirs['calls']} failures left no readable file",
        figures={"kcnn": ours, "real": real, "keras": theirs},
    )


def _fail_everywhere(save: saves.Save, work: Path) -> dict[str, Any]:
    before = work / "before"
    before.mkdir(parents=True)
    save.write(before, 1)
    shutil.copytree(before, work / "count")
    calls = len(count(lambda: save.write(work / "count", 2), work))
    cases, bad = 0, []
    for number in ERRORS:
        for lasting in (False, True):
            for at in range(1, calls + 1):
                cases += 1
                if wrong := _fail(save, before, work / "place", (at, number, lasting)):
                    bad.append({"call": at, "error": errno.errorcode[number], "lasting": lasting, "wrong": wrong})
                    print(save.name, bad[-1], flush=True)
    return {"calls": calls, "cases": cases, "bad": bad}


def _fail(save: saves.Save, before: Path, place: Path, fault: tuple[int, int, bool]) -> str:
    """Return what was wrong after one failing call, "" when nothing was."""
    shutil.copytree(before, place)
    at, number, lasting = fault
    error: BaseException | None = None
    try:
        with failing(at, number, place, lasting):
            save.write(place, 2)
    except Exception as caught:
        error = caught
    try:
        if error is not None and not isinstance(error, KcnnError):
            return f"untyped {type(error).__name__}: {error}"
        state = saves.found(save, place)
        if state not in (1, 2) or (error is None and state != 2):
            return f"{state} after {error}"
        if left := saves.leftovers(place):
            return f"left {left}"
        save.write(place, 3)
        after = saves.found(save, place)
        return "" if after == 3 else f"then {after}"
    finally:
        shutil.rmtree(place)


def _real(work: Path) -> dict[str, Any]:
    """Train under a limit on file size from step 60 to 110: once to stop there and go on later, once to go on."""
    work.mkdir()
    log = work / "log"
    if Child(lambda: job.train(work / "whole"), log).finish():
        raise RuntimeError(log.read_text(encoding="utf-8")[-3000:])
    expected = job.result(work / "whole")
    found = {}
    for policy in ("stop", "warn"):
        folder = work / policy
        limited = Child(lambda folder=folder, policy=policy: _limited(folder, policy), work / f"{policy}.log")
        code = limited.finish()
        kept = checkpoint.newest(folder / "checkpoints", print)[1]["step"]
        if code:
            chosen = job.recipe(on_save_error=policy)
            Child(lambda folder=folder, chosen=chosen: job.train(folder, chosen=chosen), log).finish()
        words = (work / f"{policy}.log").read_text(encoding="utf-8")
        identical = job.result(folder) == expected
        warnings = words.count("Training goes on")
        typed = "error: cannot write" in words and kept == 60 if policy == "stop" else warnings > 0
        right = identical and typed and code == (3 if policy == "stop" else 0) and "Traceback" not in words
        found[policy] = {"code": code, "kept": kept, "warnings": warnings, "identical": identical, "right": right}
        if not right:
            print(found[policy], words[-3000:], flush=True)
    return found


def _limited(folder: Path, policy: str) -> int:
    from kcnn.train.callbacks import Keeper

    step = Keeper.on_train_batch_end

    def limit(self: Any, batch: int, logs: Any = None) -> None:
        if self._state.step in (61, 111):  # between two saves; the file of step 60 may be on its way
            with self._writer.tolerant():
                self._writer.wait()
        room = ROOM if 61 <= self._state.step < 111 else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        step(self, batch, logs)

    Keeper.on_train_batch_end = limit
    return job.train(folder, chosen=job.recipe(on_save_error=policy))
