"""Kill -9 at every call that reaches the disk, of every save."""

import json
import shutil
from pathlib import Path
from typing import Any

from . import saves
from .calls import Faults, count, killed
from .forks import Child
from .outcome import Outcome

CRITERION = (
    "after a kill at any call a reader finds the old state or the new one, never none and never a torn one, and the "
    "next save succeeds"
)


def run(n: int, work: Path) -> Outcome:
    """Kill at each call once; `n` is ignored."""
    ours = {save.name: _kill_everywhere(save, work / save.name) for save in saves.SAVES}
    theirs = keras_save(work / "keras", "kill")
    total = sum(row["calls"] for row in ours.values())
    bad = {name: row["bad"] for name, row in ours.items() if row["bad"]}
    points = ", ".join(f"{name} {row['calls']}" for name, row in ours.items())
    return Outcome(
        criterion=CRITERION,
        passed=not bad,
        kcnn=f"{total - sum(map(len, bad.values()))} of {total} crash points left old or new ({points})",
        baseline=f"model.save over an old file: {theirs['lost']} of {theirs['calls']} crash points left none readable",
        figures={"kcnn": ours, "keras": theirs},
    )


def _kill_everywhere(save: saves.Save, work: Path) -> dict[str, Any]:
    before = work / "before"
    before.mkdir(parents=True)
    save.write(before, 1)
    shutil.copytree(before, work / "count")
    names = count(lambda: save.write(work / "count", 2), work)
    seen, bad = {}, []
    for at in range(1, len(names) + 1):
        place = work / f"at{at}"
        shutil.copytree(before, place)
        was_killed = killed(lambda place=place: save.write(place, 2), at, work)
        state = saves.found(save, place)
        seen[str(state)] = seen.get(str(state), 0) + 1
        save.write(place, 3)  # by the next process, over whatever the killed one left
        again = saves.found(save, place)
        if not was_killed or state not in (1, 2) or again != 3 or saves.leftovers(place):
            bad.append({"call": at, "name": names[at - 1], "found": state, "then": again})
            print(save.name, bad[-1], saves.leftovers(place), flush=True)
        shutil.rmtree(place)
    return {"calls": len(names), "found": seen, "bad": bad}


def keras_save(work: Path, fault: str) -> dict[str, Any]:
    """Break `model.save` over an older file at each call, by "kill" or the number of an error; count what is lost."""
    work.mkdir()
    result = work / "result.json"
    child = Child(lambda: _break_keras(work, fault, result), Path("/dev/stderr"))
    if child.finish():
        raise RuntimeError("the baseline failed; its traceback is on stderr")
    return json.loads(result.read_text(encoding="utf-8"))


def _break_keras(work: Path, fault: str, result: Path) -> None:
    import keras

    from . import job

    job.repeatable()
    model, file, old = job.build(), work / "model.keras", work / "old.keras"
    model.save(old)
    shutil.copy(old, file)
    calls = count(lambda: model.save(file), work)
    lost = 0
    for at in range(1, len(calls) + 1):
        shutil.copy(old, file)
        if fault == "kill":
            killed(lambda: model.save(file), at, work)
        else:
            _failing_save(model, file, at, int(fault), work)
        try:
            keras.models.load_model(file)
        except Exception:
            lost += 1
    result.write_text(json.dumps({"calls": len(calls), "lost": lost}), encoding="utf-8")


def _failing_save(model: Any, file: Path, at: int, number: int, work: Path) -> None:
    try:
        with Faults(at, number, work):
            model.save(file)
    except OSError:
        pass
