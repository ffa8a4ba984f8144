"""Everything kcnn writes to keep: what is there before, the save that is broken, and what a reader finds after it."""

import functools
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from kcnn import atomic
from kcnn.errors import KcnnError
from kcnn.export import bundle
from kcnn.train import checkpoint, records, weights

from . import job

TORN = "torn"


@dataclass(frozen=True)
class Save:
    """One way to write.

    Attributes:
        name: for the table.
        write: (folder, which) writes the state called `which`: 2 comes over 1 and is broken, 3 is the next save.
        read: what a reader of the folder finds: 1, 2, 3 or "torn".
    """

    name: str
    write: Callable[[Path, int], object]
    read: Callable[[Path], int | str]


def _tensors(which: int) -> dict[str, np.ndarray]:
    return {f"model/{i:04d}": np.full((50, 40), which + i, np.float32) for i in range(10)}


def _write_checkpoint(folder: Path, which: int) -> None:
    with checkpoint.Writer(folder) as writer:  # 1 leaves two, so that 2 has one to prune
        for step in (9, 10) if which == 1 else (10 * which,):
            writer.save(_tensors(which), {"step": step, "epoch": 0, "history": []})


def _read_checkpoint(folder: Path) -> int | str:
    told: list[str] = []
    found = checkpoint.newest(folder, told.append)
    if found is None or told:
        return TORN
    which = found[1]["step"] // 10
    same = all(np.array_equal(found[0][name], tensor) for name, tensor in _tensors(which).items())
    return which if same else TORN


def _write_bundle(folder: Path, which: int) -> None:
    with bundle.publish(folder, "net") as (aside, _):
        (aside / "saved_model").mkdir()
        (aside / "saved_model" / "model.pb").write_bytes(bytes([which]) * 5000)
        (aside / "model.tflite").write_bytes(bytes([which]) * 3000)


def _read_bundle(folder: Path) -> int | str:
    found = bundle.versions(folder / "net")
    for version in found:
        bundle.verify(folder / "net" / str(version))
    return (folder / "net" / str(found[-1]) / "model.tflite").read_bytes()[0] if found else TORN


def _text_file(name: str, write: Callable[[Path, int], object]) -> Save:
    """A file that is replaced in one step: what a reader finds is compared with what each state writes."""

    @functools.cache
    def states() -> dict[bytes, int]:
        with tempfile.TemporaryDirectory() as place:
            files = {which: Path(place, str(which)) for which in (1, 2, 3)}
            for which, file in files.items():
                write(file, which)
            return {file.read_bytes(): which for which, file in files.items()}

    return Save(
        name,
        lambda folder, which: write(folder / name, which),
        lambda folder: states().get((folder / name).read_bytes(), TORN),
    )


def _write_log(file: Path, which: int) -> None:
    rows = [{"epoch": i, "step": 50 * i, "learning_rate": 0.1, "loss": 1 / (i + 1)} for i in range(10 * which)]
    records.write_log(file, rows)


def _write_curves(file: Path, which: int) -> None:
    rows = [{"epoch": i, "step": 50 * i, "learning_rate": 0.1, "loss": 1 / (i + which)} for i in range(10)]
    records.draw_curves(file, rows, "net")


def _write_report(file: Path, which: int) -> None:
    atomic.write_text(file, json.dumps({"left_out": [f"image{i}" for i in range(300 * which)]}))


def _write_model(folder: Path, which: int) -> None:
    """The five files of a trained run, of a network that is no network: `save_model` asks for paths and values only."""
    net = SimpleNamespace(
        name="net",
        weights=[SimpleNamespace(path=name, numpy=lambda t=tensor: t) for name, tensor in _tensors(which).items()],
    )
    weights.save_model(folder, net, job.recipe(), job.source().info)


def _read_model(folder: Path) -> int | str:
    """As `load_model` decides: the weights are those whose hash model.json holds, or those they take the place of."""
    labels = (folder / weights.LABELS).read_text(encoding="utf-8").split()
    content = (folder / weights.WEIGHTS).read_bytes()
    record = json.loads((folder / weights.MODEL).read_text(encoding="utf-8"))
    if labels != ["a", "b", "c", "d"]:
        return TORN
    if hashlib.sha256(content).hexdigest() not in (record["weights_sha256"], record.get("replaced_sha256")):
        return TORN
    import safetensors.numpy

    return int(safetensors.numpy.load(content)["model/0000"][0, 0])


SAVES = (
    Save("checkpoint", _write_checkpoint, _read_checkpoint),
    Save("bundle", _write_bundle, _read_bundle),
    _text_file("data_report.json", _write_report),
    _text_file("log.csv", _write_log),
    _text_file("curves.png", _write_curves),
    Save("model and labels", _write_model, _read_model),
)


def found(save: Save, folder: Path) -> int | str:
    """Return what a reader finds, "torn" where it finds nothing that it can use."""
    try:
        return save.read(folder)
    except (KcnnError, OSError, ValueError, KeyError):
        return TORN


def leftovers(folder: Path) -> list[str]:
    """Return the names of half-written things that were left behind."""
    return [path.name for path in folder.rglob("*.tmp-*")]
