"""A checkpoint damaged on disk: a bit flipped, a file cut short or deleted."""

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from kcnn.errors import CheckpointError
from kcnn.train import checkpoint

from .forks import Child
from .outcome import Outcome

DAMAGES = 10  # for each of the n: 200 for n = 20
CRITERION = "every damage is found before the model is touched; the checkpoint before is used, and the user is told"


def run(n: int, work: Path) -> Outcome:
    """Damage a checkpoint 10 n times."""
    whole = work / "whole"
    for step in (10, 20):
        checkpoint.save(whole, _tensors(step), {"step": step, "epoch": 0, "data": "x", "seconds": 1.0, "history": []})
    files = sorted(path.name for path in (whole / "000000020").iterdir())
    size = sum((whole / "000000020" / name).stat().st_size for name in files)
    found: dict[str, int] = {}
    silent = []
    for i in range(DAMAGES * n):
        rng, folder = random.Random(i), work / "copy"
        shutil.copytree(whole, folder)
        what = _damage(folder / "000000020" / files[i % len(files)], rng)
        told: list[str] = []
        try:
            tensors, state = checkpoint.newest(folder, told.append)
            right = state["step"] == 10 and _same(tensors, _tensors(10)) and "000000020" in "".join(told)
        except CheckpointError:
            right = False
        found[what.split()[0]] = found.get(what.split()[0], 0) + right
        if not right:
            silent.append(what)
            print(f"{what}: {told}", flush=True)
        shutil.rmtree(folder)
    theirs = _keras(work, DAMAGES * n)
    kinds = ", ".join(f"{count} {what}" for what, count in sorted(found.items()))
    return Outcome(
        criterion=CRITERION,
        passed=not silent,
        kcnn=f"{sum(found.values())} of {DAMAGES * n} found and passed over ({kinds}; {size:,} bytes), "
        f"{len(silent)} silent loads",
        baseline=f"save_weights, one bit flipped in the .h5: of {theirs['flips']} {theirs['loaded']} loaded silently, "
        f"{theirs['changed']} of them with other weights",
        figures={"found": found, "silent": silent, "keras": theirs},
    )


def _tensors(step: int) -> dict[str, np.ndarray]:
    return {f"model/{i:04d}": np.random.default_rng(step + i).normal(size=(25, 80)).astype("f") for i in range(10)}


def _same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def _damage(file: Path, rng: random.Random) -> str:
    """Damage one file in one of the three ways, and say how."""
    content, how = bytearray(file.read_bytes()), rng.choice(("flipped", "cut", "deleted"))
    if how == "deleted":
        file.unlink()
        return f"deleted {file.name}"
    where = rng.randrange(len(content))
    if how == "cut":
        file.write_bytes(content[:where])
    else:
        content[where] ^= 1 << rng.randrange(8)
        file.write_bytes(content)
    return f"{how} {file.name} at {where}"


def _keras(work: Path, flips: int) -> dict[str, Any]:
    """Flip bits in what `model.save_weights` wrote, and load it."""
    import json

    result = work / "keras.json"

    def child() -> None:
        from . import job

        job.repeatable()
        model, file = job.build(), work / "net.weights.h5"
        model.save_weights(file)
        before, content = [weight.numpy() for weight in model.weights], file.read_bytes()
        loaded = changed = 0
        for i in range(flips):
            rng, broken = random.Random(i), bytearray(content)
            broken[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            file.write_bytes(broken)
            try:
                model.load_weights(file)
            except Exception:
                continue
            loaded += 1
            changed += any((weight.numpy() != old).any() for weight, old in zip(model.weights, before, strict=True))
        result.write_text(json.dumps({"flips": flips, "loaded": loaded, "changed": changed}), encoding="utf-8")

    if Child(child, Path("/dev/stderr")).finish(7200):
        raise RuntimeError("the baseline failed; its traceback is on stderr")
    return json.loads(result.read_text(encoding="utf-8"))
