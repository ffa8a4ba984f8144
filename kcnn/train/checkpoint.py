"""Checkpoints on disk: folders that appear whole, carry their own hashes, and hold nothing to unpickle.

    checkpoints/<step>/state.safetensors   every variable, by name
    checkpoints/<step>/state.json          plain values: step, epoch, history, seconds, hash of the data
    checkpoints/<step>/manifest.json       schema, step, epoch; sha256 and size of each file

There is no pointer to the latest: it is the highest step whose folder says the same as its manifest.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np

from kcnn import atomic
from kcnn.errors import CheckpointError, ResourceError

SCHEMA = 1
KEPT = 2  # newest checkpoints on disk, beside those that are asked for
DAMAGED, GIVEN_UP = ".damaged", ".given_up"
_TENSORS, _STATE, _MANIFEST = "state.safetensors", "state.json", "manifest.json"


def save(folder: Path, tensors: dict[str, np.ndarray], state: dict[str, Any]) -> Path:
    """Write one checkpoint and return its folder; a damaged one of the same step is replaced, a valid one is kept.

    Args:
        folder: the run's `checkpoints` folder, made when missing.
        tensors: name -> array.
        state: plain values; "step" and "epoch" are non-negative integers.

    Raises:
        ResourceError: no room on the disk; earlier checkpoints are untouched.
    """
    import safetensors.numpy

    target = folder / f"{state['step']:09d}"
    if target.exists():
        with contextlib.suppress(CheckpointError):
            load(folder, state["step"])
            return target
        atomic.discard(target)
    with atomic.folder(target) as aside:
        (aside / _TENSORS).write_bytes(safetensors.numpy.save(tensors))
        (aside / _STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
        (aside / _MANIFEST).write_text(_manifest(aside, state), encoding="utf-8")
    return target


def steps(folder: Path) -> list[int]:
    """Return the steps that have a checkpoint folder, valid or not, highest first."""
    return sorted((int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit()), reverse=True)


def load(folder: Path, step: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the tensors and state of one checkpoint, after checking them against its manifest.

    Raises:
        CheckpointError: it is missing or damaged; the file at fault is in the message.
    """
    import safetensors.numpy

    place = folder / f"{step:09d}"
    if not place.exists():
        raise CheckpointError(f"there is no checkpoint {place}.")
    try:
        state = json.loads((place / _STATE).read_text(encoding="utf-8"))
        if (place / _MANIFEST).read_text(encoding="utf-8") != _manifest(place, state):
            raise ValueError(_difference(place))
        if state["step"] != step:
            raise ValueError(f"it is one of step {state['step']}")
        return safetensors.numpy.load((place / _TENSORS).read_bytes()), state
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"checkpoint {place} is damaged ({error}).") from error


def newest(folder: Path, warn: Callable[[str], None]) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Return the newest valid checkpoint, or None where there is none; call it with the run's lock held.

    Damaged ones that are newer are told to `warn` and renamed to `<step>.damaged`, out of the way of `prune`.

    Raises:
        CheckpointError: there are checkpoints but every one is damaged; they stay as they are.
    """
    damaged: list[tuple[Path, CheckpointError]] = []
    for step in steps(folder):
        try:
            found = load(folder, step)
        except CheckpointError as error:
            damaged.append((folder / f"{step:09d}", error))
            continue
        for place, fault in damaged:
            warn(f"{fault} It is set aside; training goes on from step {step}.")
            _set_aside(place, DAMAGED)
        return found
    if damaged:
        raise CheckpointError(
            f"{damaged[0][1]} So are all {len(damaged)} checkpoints in {folder}. Restore one from a backup, "
            "or remove the run folder to train from the start."
        )
    return None


def give_up(folder: Path, step: int) -> None:
    """Rename a checkpoint to `<step>.given_up`: `newest` takes the one before it. `take_up` brings it back."""
    _set_aside(folder / f"{step:09d}", GIVEN_UP)


def take_up(folder: Path) -> None:
    """Bring back every checkpoint that `give_up` renamed, in place of one of the same step."""
    for aside in folder.glob(f"*{GIVEN_UP}"):
        place = aside.with_suffix("")
        if place.exists():
            atomic.discard(place)
        aside.rename(place)


def _set_aside(place: Path, why: str) -> None:
    aside = place.with_name(place.name + why)
    shutil.rmtree(aside, ignore_errors=True)
    place.rename(aside)


def prune(folder: Path, keep: int, also: Collection[int] = ()) -> None:
    """Remove all but the `keep` newest checkpoints and those of the steps in `also`; and given up ones of steps that
    training has passed since."""
    found = steps(folder)
    for step in found[keep:]:
        if step not in also:
            atomic.discard(folder / f"{step:09d}")
    for aside in folder.glob(f"*{GIVEN_UP}"):
        if found and int(aside.stem) < found[0]:
            atomic.discard(aside)


class Writer:
    """Saves and prunes in a thread of its own, one checkpoint at a time, so that training does not wait for the disk.

    Leaving the context waits for the last one. What went wrong in the thread is raised by the next `save` or `wait`.

    Args:
        folder: the run's `checkpoints` folder.
        warn: where given, is told of a checkpoint that could not be written, and the next `save` tries again; only
            `wait`, which promises that everything is on the disk, raises then.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] | None = None):
        self._folder = folder
        self._warn = warn
        self._pool = ThreadPoolExecutor(1, "checkpoint")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True)
        if error[0] is None:
            self.wait()

    def save(self, tensors: dict[str, np.ndarray], state: dict[str, Any], also: Collection[int] = ()) -> None:
        """Begin to save a checkpoint, then to prune all but `KEPT` and those of the steps in `also`.

        Neither argument may change afterwards.

        Raises:
            ResourceError: there was no room for the checkpoint before this one.
        """
        with self.tolerant():
            self.wait()
        self._last = self._pool.submit(self._write, tensors, state, also)

    @contextlib.contextmanager
    def tolerant(self) -> Iterator[None]:
        """Turn a ResourceError of the block into a warning, where there is somebody to warn."""
        try:
            yield
        except ResourceError as error:
            if self._warn is None:
                raise
            self._warn(f"{error} Training goes on (train.on_save_error is 'warn').")

    def wait(self) -> None:
        """Return once everything is on the disk.

        Raises:
            ResourceError: there was no room.
        """
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def _write(self, tensors: dict[str, np.ndarray], state: dict[str, Any], also: Collection[int]) -> None:
        save(self._folder, tensors, state)
        prune(self._folder, KEPT, also)


def _manifest(place: Path, state: dict[str, Any]) -> str:
    """The manifest that the files of `place` ought to have: comparing texts checks every byte of it too."""
    files = {path.name: _fingerprint(path) for path in sorted(place.iterdir()) if path.name != _MANIFEST}
    return json.dumps({"schema": SCHEMA, "step": state["step"], "epoch": state["epoch"], "files": files}, indent=1)


def _fingerprint(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _difference(place: Path) -> str:
    """Name the file that differs from the manifest."""
    listed = json.loads((place / _MANIFEST).read_text(encoding="utf-8"))
    if listed.get("schema") != SCHEMA:
        return f"{_MANIFEST} has schema {listed.get('schema')!r}, this version reads {SCHEMA}"
    for name, facts in listed["files"].items():
        if not (place / name).is_file():
            return f"{name} is missing"
        if _fingerprint(place / name) != facts:
            return f"{name} differs from its sha256"
    return f"{_MANIFEST} differs from what it describes"
