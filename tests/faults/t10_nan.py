"""NaN and Inf: a poisoned example, an overflow, a rate that diverges."""

import dataclasses
import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from kcnn.data.source import Source
from kcnn.recipe import Recipe
from kcnn.train import checkpoint

from . import job
from .forks import Child, Shared, spread
from .outcome import Outcome
from .t08_two_at_once import STEPS, source

EPOCHS, ROW = 2, 3
LAST = STEPS * EPOCHS
KINDS = ("poisoned example", "overflow in bfloat16", "divergence", "absurd rate")
POLICIES = ("stop", "skip", "rollback")
CRITERION = (
    "found at the step or the one after it; batch and layer named and written; stop ends with exit 2, skip drops that "
    "step alone, rollback halves the rate until it trains or gives up; checkpoints hold finite numbers only; "
    "killed and resumed it ends bit-identical"
)


def run(n: int, work: Path) -> Outcome:
    """Train `n` times into numbers that are not finite, each way with each policy in turn."""
    job.warm()
    for name in ("kcnn", "keras"):
        (work / name).mkdir()
    ours = spread(n, lambda i: _case(i, work / "kcnn" / f"run{i}"), work / "kcnn")
    theirs = spread(1, lambda i: _keras(work / "keras" / "run"), work / "keras")[0]
    good = [row for row in ours if not row["trouble"]]
    went_on = [row for row in ours if row["code"] == 0]
    return Outcome(
        criterion=CRITERION,
        passed=len(good) == n,
        kcnn=f"{len(good)} of {n}: {len(ours) - len(went_on)} stopped with batch and layer named, {len(went_on)} went "
        f"on and ended, {sum(row['killed'] for row in ours)} of them killed and resumed identical; "
        f"{sum(row['checkpoints'] for row in ours)} checkpoints, all finite",
        baseline=f"TerminateOnNaN + ModelCheckpoint: weights {theirs['weights']}, newest checkpoint "
        f"{theirs['checkpoint']}, batch and layer not named",
        figures={"kcnn": ours, "keras": theirs},
    )


def _spoil(kind: str, poison: int) -> None:
    """Make this process, a child, train into numbers that are not finite."""
    import keras
    import tensorflow as tf

    from kcnn.tasks.classification.task import TASK
    from kcnn.train.job import Job

    def spoilt(self: Job, split: str, *, training: bool = False, start_step: int = 0, **options: Any) -> Any:
        batches = dataset(self, split, training=training, start_step=start_step, **options)
        if not training:
            return batches

        def one(step: Any, batch: Any) -> Any:
            images, targets = batch
            bad = (tf.range(tf.shape(images)[0]) == ROW)[:, None, None, None] & (step == poison)
            worst = float("nan") if kind == "poisoned example" else tf.sign(images) * 3e38
            return tf.where(bad, worst, images), targets

        return batches.enumerate(start_step).map(one)

    def squares(model: Any, recipe: Recipe, steps: int, counts: Any) -> None:
        compiled(model, recipe, steps, counts)
        model.compile(optimizer=model.optimizer, loss=keras.losses.MeanSquaredError())

    dataset, compiled = Job._dataset, TASK.compile
    if kind in KINDS[:2]:
        Job._dataset = spoilt
    elif kind == "divergence":
        object.__setattr__(TASK, "compile", squares)


def _recipe(kind: str, policy: str) -> Recipe:
    rate = {"divergence": 0.6, "absurd rate": 1e30}.get(kind, 0.005)
    precision = "mixed_bfloat16" if kind == KINDS[1] else "float32"
    settings = {"warmup_epochs": 0.0, "patience": 0, "optimizer": "sgd", "momentum": 0.0, "epochs": EPOCHS}
    made = job.recipe(
        {"crop_padding": 0, "flip": False, "erasing": 0.0},
        **settings, checkpoint_steps=5, on_nan=policy, learning_rate=rate, precision=precision,
    )  # fmt: skip
    return dataclasses.replace(made, name="nan")


def _case(i: int, folder: Path) -> dict[str, Any]:
    """Train once; where it goes on, train again with a kill and compare."""
    rng, kind, policy = random.Random(i), KINDS[i % 4], POLICIES[i // 4 % 3]
    poison, log = rng.randrange(2, LAST - 2), folder.with_suffix(".log")
    recipe, data = _recipe(kind, policy), source()

    def train(place: Path, told: Shared | None = None) -> int:
        _spoil(kind, poison)
        return job.train(place, told, recipe, data)

    code = Child(lambda: train(folder), log).finish()
    found = {"kind": kind, "policy": policy, "code": code, "killed": False, "trouble": []}
    wanted = 0 if (policy, kind) in {("skip", KINDS[0]), ("skip", KINDS[1]), ("rollback", KINDS[2])} else 2
    reached, found["checkpoints"] = _checkpoints(folder, found["trouble"])
    if code != wanted:
        found["trouble"].append(f"exit code {code}, not {wanted}: {log.read_text(encoding='utf-8')[-600:]}")
    found["trouble"] += _report(folder, kind, poison, recipe, data)
    if code == 0:
        if policy == "skip" and reached["dropped"] != [poison + 1]:
            found["trouble"].append(f"dropped {reached['dropped']}, not [{poison + 1}]")
        if policy == "rollback" and not reached["rollbacks"]:
            found["trouble"].append("it was not taken back")
        again = folder.with_name(folder.name + "again")
        found["killed"] = _killed(lambda told: train(again, told), rng, log)
        if job.result(again) != job.result(folder):
            found["trouble"].append("killed and resumed it ends otherwise")
    if found["trouble"]:
        print(folder.name, found, flush=True)
    return found


def _killed(train: Any, rng: random.Random, log: Path) -> bool:
    """Kill a training at a random step, then let it end."""
    told, target = Shared(3), rng.randrange(LAST - 2)
    told[job.STEP] = -1
    child = Child(lambda: train(told), log)
    while told[job.STEP] < target and (code := child.poll()) is None:
        time.sleep(0.001)
    if told[job.STEP] < target:
        return code == 0
    child.send(signal.SIGKILL)
    killed = child.finish() == -signal.SIGKILL
    return Child(lambda: train(Shared(3)), log).finish() == 0 and killed


def _checkpoints(folder: Path, trouble: list[str]) -> tuple[dict[str, Any], int]:
    """Look at every checkpoint; return the state of the newest and how many there are."""
    steps, newest = checkpoint.steps(folder / "checkpoints"), {}
    for step in steps:
        tensors, state = checkpoint.load(folder / "checkpoints", step)
        newest = newest or state
        if not all(np.isfinite(tensor).all() for tensor in tensors.values() if tensor.dtype.kind == "f"):
            trouble.append(f"checkpoint {step} is not finite")
    return newest, len(steps)


def _report(folder: Path, kind: str, poison: int, recipe: Recipe, data: Source) -> list[str]:
    """Return what is wrong with the first batch that was written down."""
    files = sorted(folder.glob("nan/*.json"))
    if not files:
        return ["no batch was written"]
    facts = json.loads(files[0].read_text(encoding="utf-8"))
    arrays = np.load(files[0].with_suffix(".npz"))
    trouble = []
    if kind in KINDS[:2]:
        what, layers = ("input", [""]) if kind == KINDS[0] else ("output", ["conv0", "bn0"])
        if (facts["step"], facts["what"]) != (poison + 1, what) or facts["layer"] not in layers:
            trouble.append(f"named {facts['what']} of {facts['layer']!r} at {facts['step']}, not at {poison + 1}")
        if facts["suspects"] != [facts["examples"][ROW]] and facts["layer"] != "bn0":  # whose rows depend on each other
            trouble.append(f"suspects {facts['suspects']}")
    elif not facts["layer"] and facts["what"] != "loss":
        trouble.append("no layer is named")
    clean = [i for i in range(len(facts["examples"])) if i != ROW]
    images = data.split("train").arrays["image"][arrays["examples"]].astype(np.float32)
    expected = (images / 255 - recipe.preprocess.mean[0]) / recipe.preprocess.std[0]
    if not np.allclose(arrays["inputs"][clean], expected[clean], atol=1e-5):
        trouble.append("the inputs are not those examples")
    if not np.array_equal(arrays["targets"].argmax(-1), data.split("train").labels[arrays["examples"]]):
        trouble.append("the targets are not those examples'")
    return trouble


def _keras(folder: Path) -> dict[str, Any]:
    """Train plain Keras on a poisoned example; look at what is left."""

    def train() -> int:
        import keras

        job.repeatable()
        keras.utils.set_random_seed(0)
        arrays = source().split("train").arrays
        images = arrays["image"] / 255.0
        images[5] = np.nan
        model = job.build()
        model.compile(keras.optimizers.SGD(0.005), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        saving = keras.callbacks.ModelCheckpoint(str(folder / "last.weights.h5"), save_weights_only=True, save_freq=5)
        calls = [keras.callbacks.TerminateOnNaN(), saving]
        model.fit(images, arrays["label"], batch_size=job.BATCH, epochs=EPOCHS, callbacks=calls, verbose=0)

        def words() -> str:
            broken = sum(not np.isfinite(weight.numpy()).all() for weight in model.weights)
            return f"NaN in {broken} of {len(model.weights)} variables" if broken else "finite"

        found = {"weights": words(), "checkpoint": "missing"}
        if (folder / "last.weights.h5").exists():
            model.load_weights(folder / "last.weights.h5")
            found["checkpoint"] = words()
        (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
        return 0

    folder.mkdir()
    Child(train, folder / "log").finish()
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))
