"""Export is killed, or its disk is full, while it writes over an older version."""

import importlib
import random
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kcnn.errors import KcnnError
from kcnn.export import bundle
from kcnn.models import MODELS
from kcnn.recipe import Data, Export, Model, Preprocess, Recipe

from . import job
from .calls import failing
from .forks import Child, spread
from .outcome import Outcome

CRITERION = (
    "after a kill, a full disk or a limit on file size every version that is there is whole, the older one among them; "
    "errors are typed; the next export succeeds and leaves nothing half-written; an operation that LiteRT lacks is "
    "named with its layer, data without a readable image too, and a network of open size is exported"
)
ODD, OPEN = "faults_odd", "faults_open"  # networks: with an operation that LiteRT lacks, of any image size


def run(n: int, work: Path) -> Outcome:
    """Kill `n` exports at random times of their writing; fail n / 4 at a call, and n / 4 by a limit; one at least.

    Each over versions 1 and 2 of a bundle of its own; every fourth is followed by an export that must succeed.
    """
    job.warm()
    for name in ("kcnn.export.litert", "kcnn.export.metadata", "kcnn.export.saved_model", "kcnn.export.parity"):
        importlib.import_module(name)
    runs, root = work / "run", work / "saved_models"
    _quick(lambda: _make_run(runs), work)
    seconds, size = [], 0
    for formats in ((), ("fp32",)):
        begun = time.monotonic()
        _quick(lambda formats=formats: _export(runs, root, formats), work)
        seconds.append(time.monotonic() - begun)
    size = max(path.stat().st_size for path in (root / "faults" / "2").rglob("*") if path.is_file())

    def one(kind: str, i: int) -> dict[str, int]:
        rng, own = random.Random(i), work / f"{kind}{i}"
        shutil.copytree(root, own)
        if kind == "kill":
            code = _killed(runs, own, rng, seconds)
        elif kind == "ENOSPC":
            code = _told(lambda: _full(runs, own, rng), own.with_suffix(".log"))
        else:
            code = _told(lambda: _limited(runs, own, rng.randrange(200, size)), own.with_suffix(".log"))
        row = _ended(kind, code, own / "faults")
        row["unclean"] = 0
        if i % 4 == 0:
            _quick(lambda: _export(runs, own), work)
            row["unclean"] = _unclean(own / "faults", row["published"])
        shutil.rmtree(own)
        return row

    found: dict[str, dict[str, int]] = {}
    for kind, count in (("kill", n), ("ENOSPC", max(1, n // 4)), ("RLIMIT_FSIZE", max(1, n // 4))):
        rows = spread(count, lambda i, kind=kind: one(kind, i), work / kind)
        found[kind] = {key: sum(row[key] for row in rows) for key in rows[0]} | {"cases": count}
    wrong = _oddities(root, work)
    theirs = _keras(min(max(1, n // 2), 50), work / "keras")
    bad = sum(row["partial"] + row["untyped"] for row in found.values())
    unclean = sum(row["unclean"] for row in found.values())
    words = ", ".join(f"{row['cases']} {name} ({row['published']} published)" for name, row in found.items())
    return Outcome(
        criterion=CRITERION,
        passed=not bad and not unclean and not wrong,
        kcnn=f"{words}: {bad} partial or untyped, {unclean} left something behind after the next export; "
        f"{len(ODDITIES) - len(wrong)} of {len(ODDITIES)} as it should be: {', '.join(ODDITIES)}"
        + (f" (not {', '.join(wrong)})" if wrong else ""),
        baseline=f"model.export over an older SavedModel: {theirs['lost']} of {theirs['cases']} kills left "
        "none that loads, or a mixture",
        figures={"kcnn": found, "keras": theirs},
    )


def _quick(action: Callable[[], int | None], work: Path) -> None:
    log = work / "log"
    if code := Child(action, log).finish():
        raise RuntimeError(f"ended with {code}: {log.read_text(encoding='utf-8')[-3000:]}")


def odd(name: str, *, num_classes: int, image_shape: tuple) -> Any:
    """Return a network with a pooling for which LiteRT has no kernel."""
    import keras
    import tensorflow as tf

    class OddPooling(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.nn.max_pool_with_argmax(x, 2, 2, "VALID")[0]

    inputs = keras.Input(image_shape)
    x = OddPooling(name="odd")(keras.layers.Conv2D(4, 3, name="stem")(inputs))
    return keras.Model(inputs, keras.layers.Dense(num_classes)(keras.layers.GlobalAveragePooling2D()(x)), name=name)


def sizeless(name: str, *, num_classes: int, image_shape: tuple) -> Any:
    """Return a network that takes images of any size, whatever it is asked for."""
    import keras

    inputs = keras.Input((None, None, image_shape[-1]))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name="stem")(inputs))
    return keras.Model(inputs, keras.layers.Dense(num_classes)(x), name=name)


# what is wrong -> (network, source, words that the error must have; none where the export must succeed)
ODDITIES: dict[str, tuple[str, str, str]] = {
    "an operation without kernel": (ODD, "digits", "MaxPoolWithArgmax in layer 'odd'"),
    "no readable calibration image": ("tiny_lenet5", "broken", "images can be read"),
    "a network of open size": (OPEN, "digits", ""),
}


def _oddities(root: Path, work: Path) -> list[str]:
    """Return which of `ODDITIES` went otherwise."""
    for folder in ("a", "b"):
        (work / "broken" / "train" / folder).mkdir(parents=True)
        for i in range(10):
            (work / "broken" / "train" / folder / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    MODELS.add(ODD, f"{__name__}:odd")
    MODELS.add(OPEN, f"{__name__}:sizeless")
    wrong = []
    for i, (words, (model, source, expected)) in enumerate(ODDITIES.items()):
        run, own, log = work / f"odd{i}", work / f"own{i}", work / f"own{i}.log"
        shutil.copytree(root, own)
        data = str(work / source) if source == "broken" else source
        _quick(lambda run=run, model=model, data=data: _make_run(run, model, data), work)
        code = Child(lambda run=run, own=own: _export(run, own, ("fp32",)), log).finish()
        told = log.read_text(encoding="utf-8")
        home = own / "faults"
        as_wished = code in (2, 3) and expected in told if expected else code == 0
        versions = bundle.versions(home) == ([1, 2] if expected else [1, 2, 3])
        if not (as_wished and versions and not _partial(home) and not list(home.glob("*.tmp-*"))):
            wrong.append(words)
            print(f"{words}: {code} {told[-1500:]}", flush=True)
    return wrong


def _make_run(folder: Path, model: str = "tiny_lenet5", source: str = "digits") -> None:
    """Write a finished run; its weights are random, for what matters here are files."""
    from kcnn.data import open_source
    from kcnn.tasks import TASKS
    from kcnn.train.weights import save_model

    recipe = Recipe(
        name="faults",
        data=Data(source=source),
        preprocess=Preprocess(size=(28, 28), channel_order="gray"),
        model=Model(name=model),
        export=Export(formats=(), calibration=10, check_images=10, min_agreement=0.0),
    )
    task = TASKS.get(recipe.task)
    info = open_source(recipe.data).info
    save_model(folder, task.model(recipe, info), recipe, info)


def _export(run: Path, root: Path, formats: tuple[str, ...] = ()) -> int:
    options = Export(formats=formats, calibration=10, check_images=10, min_agreement=0.0)
    try:
        bundle.export(run, root, options=options)
    except KcnnError as error:
        print(error, flush=True)
        return error.exit_code
    return 0


def _ended(kind: str, code: int, home: Path) -> dict[str, int]:
    """Say how one export ended: 0 published, -9 killed, 3 a typed error of the surroundings; else untyped."""
    untyped = code not in ((0, -9) if kind == "kill" else (0, 3))
    return {"published": int(code == 0), "untyped": int(untyped), "partial": _partial(home)}


def _unclean(home: Path, published: int) -> int:
    """Return 1 unless one more export has made one more whole version and left nothing else."""
    whole = bundle.versions(home) == [1, 2, 3, 4][: 3 + published] and not _partial(home)
    return 0 if whole and not list(home.glob("*.tmp-*")) else 1


def _partial(home: Path) -> int:
    """Return how many versions are not what their manifest says; 1 where the first two are gone."""
    found = bundle.versions(home)
    broken = 0 if {1, 2} <= set(found) else 1
    for version in found:
        try:
            bundle.verify(home / str(version))
        except KcnnError as error:
            print(error, flush=True)
            broken += 1
    return broken


def _killed(run: Path, root: Path, rng: random.Random, seconds: list[float]) -> int:
    """Kill an export at a random time after it has begun to write; every fourth one also makes LiteRT files."""
    formats = rng.randrange(4) == 0
    child = Child(lambda: _export(run, root, ("fp32",) if formats else ()), root.with_suffix(".log"))
    while not list(root.glob(f"faults/*.tmp-{child.pid}")):
        if (code := child.wait(0.005)) is not None:
            return code
    code = child.wait(rng.uniform(0, seconds[formats]))
    if code is not None:
        return code
    child.send()
    return child.finish()


def _told(action: Callable[[], int], log: Path) -> int:
    """Run in a child and return its exit code; say what an untyped end said."""
    code = Child(action, log).finish()
    if code not in (0, 3):
        print(log.read_text(encoding="utf-8")[-2000:], flush=True)
    return code


def _full(run: Path, root: Path, rng: random.Random) -> int:
    """Fail one of the calls that Python makes below the target, and all after it; there are some 60."""
    with failing(rng.randrange(1, 60), 28, root, lasting=True):
        return _export(run, root)


def _limited(run: Path, root: Path, limit: int) -> int:
    """Let no file grow beyond the limit, in TensorFlow's own code too."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    code = _export(run, root, ("fp32",))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return code


def _keras(times: int, work: Path) -> dict[str, int]:
    """Kill `model.export` at random times while it writes over an older SavedModel; see whether one loads."""
    work.mkdir()
    place, old = work / "model", work / "old"

    def export(value: float, folder: Path) -> None:
        job.repeatable()
        model = job.build()
        model.set_weights([weight * 0 + value for weight in model.get_weights()])
        (work / "begun").touch()
        model.export(str(folder), verbose=False)

    def load() -> int:
        import tensorflow as tf

        job.repeatable()
        variables = [v.numpy() for v in tf.saved_model.load(str(place)).variables if v.dtype.is_floating]
        return 0 if len({float(value) for v in variables for value in v.ravel()[:1]}) == 1 else 5

    _quick(lambda: export(1.0, old), work)
    begun = time.monotonic()
    _quick(lambda: export(2.0, work / "other"), work)
    seconds = time.monotonic() - begun
    for whole in (old, work / "other"):
        shutil.copytree(whole, place)
        _quick(load, work)
        shutil.rmtree(place)
    lost = 0
    for i in range(times):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(old, place)
        (work / "begun").unlink(missing_ok=True)
        child = Child(lambda: export(2.0, place), work / "log")
        while not (work / "begun").exists() and child.wait(0.005) is None:
            pass
        if child.wait(random.Random(i).uniform(0, seconds)) is None:
            child.send()
            child.finish()
        lost += Child(load, work / "log").finish() != 0
    return {"cases": times, "lost": lost}
