"""The bundle: everything needed to run, check and serve a trained model, published whole or not at all."""

import contextlib
import datetime
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata as packages
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcnn import atomic, guard
from kcnn.errors import ExportError, ResourceError
from kcnn.export import card
from kcnn.export.facts import Facts, of_run
from kcnn.export.runner import SAVED_MODEL, Runner, of_keras, open_litert, open_saved_model
from kcnn.recipe import Export, Recipe
from kcnn.versions import MANIFEST, versions

if TYPE_CHECKING:
    import keras

    from kcnn.data.source import Info, Source
    from kcnn.tasks.task import Signature

SCHEMA = 1
TIMING_SECONDS = 0.5
REPORT, CARD = "report.json", "README.md"
STACK = ("kcnn", "tensorflow", "keras", "ai-edge-litert", "numpy")
Note = Callable[[str], object]


@dataclass(frozen=True)
class Trained:
    """A finished run, opened."""

    model: "keras.Model"
    recipe: Recipe
    info: "Info"
    facts: Facts
    signature: "Signature"
    source: "Source"


def open_run(folder: Path | str) -> Trained:
    """Open a finished run with its data.

    Raises:
        CheckpointError: the run is not finished, or damaged.
        DataError: its data cannot be read any more, or have other classes now.
    """
    from kcnn.tasks import TASKS
    from kcnn.train.weights import load_run, open_data

    model, recipe, info = load_run(folder)
    signature = TASKS.get(recipe.task).signature(recipe, info)
    return Trained(model, recipe, info, of_run(recipe, info), signature, open_data(recipe, info))


def export(
    run: Path | str,
    root: Path | str = "saved_models",
    *,
    options: Export | None = None,
    note: Note = lambda text: None,
) -> Path:
    """Publish a finished run as `root/NAME/VERSION/`: NAME from its recipe, VERSION one above the newest.

    Every format is compared with Keras on real images first. On any failure nothing is left behind.

    Args:
        run: folder of a finished run.
        root: where bundles land.
        options: formats, calibration and checks; the recipe's own unless given.
        note: is told in one line what is going on.

    Returns: the new folder; its manifest.json lists what is in it.

    Raises:
        CheckpointError, DataError: as `open_run`.
        ConfigError: int8 is asked for by name where 16 bits of each pixel are kept.
        ExportError: a layer has no LiteRT built-in, or a format disagrees with Keras; both are named.
        ResourceError: no room on the disk, or another export took the version number.
    """
    trained = open_run(run)
    options = _possible(options or trained.recipe.export, trained.recipe, note)
    name = trained.recipe.name
    with publish(Path(root), name) as (folder, version):
        runners = _write_formats(trained, folder, options, note)
        report = {"schema": SCHEMA, "name": name, "version": version, "task": trained.recipe.task}
        report |= _check(trained, runners, options, note)
        _write_json(folder / REPORT, report)
        text = card.model_card(trained.recipe, trained.facts, report, trained.signature)
        (folder / CARD).write_text(text, encoding="utf-8")
    return Path(root) / name / str(version)


@contextlib.contextmanager
def publish(root: Path, name: str) -> Iterator[tuple[Path, int]]:
    """Yield an empty folder and the version number under which it appears once the block has filled it.

    It becomes `root/NAME/VERSION/`, one above the newest, with a manifest of what is in it. Where the block or the disk
    fails, nothing is left behind.

    Raises:
        ResourceError: no room on the disk, or another export took the version number.
    """
    parent = root / name
    version = (versions(parent) or [0])[-1] + 1
    try:
        with atomic.folder(parent / str(version)) as folder:
            yield folder, version
            _write_json(folder / MANIFEST, _manifest(folder, name, version))
    except FileExistsError as error:
        raise ResourceError(f"another export has just published {error.filename}; run the command again.") from error
    finally:
        with contextlib.suppress(OSError):
            parent.rmdir()  # succeeds only when it is empty


def verify(folder: Path) -> dict[str, Any]:
    """Return the manifest of a bundle after holding every file against it.

    Raises:
        ExportError: a file is missing or changed, or `folder` is no bundle.
    """
    try:
        manifest = guard.parse_json(guard.read_text(folder / MANIFEST, ExportError), MANIFEST, ExportError)
        files = manifest["files"].items()
    except (ExportError, KeyError, TypeError, AttributeError) as error:
        raise ExportError(f"{folder} is not a bundle: its {MANIFEST} cannot be read ({error}).") from error
    for name, entry in files:
        file = folder / name
        if not file.is_file() or _sha256(file) != entry["sha256"]:
            raise ExportError(f"{file} is missing or was changed after its export; export the run again.")
    return manifest


def _possible(options: Export, recipe: Recipe, note: Note) -> Export:
    """Return `options` without the int8 of "all formats" where 16 bits of each pixel are kept."""
    if recipe.preprocess.bit_depth == 8 or options.formats != Export().formats:
        return options
    note("export: int8 is left out, since it has 256 levels of pixels and preprocess.bit_depth=16 keeps 65,536")
    return replace(options, formats=tuple(name for name in options.formats if name != "int8"))


def _write_formats(trained: Trained, folder: Path, options: Export, note: Note) -> dict[str, Runner]:
    """Write weights, SavedModel and LiteRT files into `folder`; return a runner for each, Keras first."""
    from kcnn.export import litert, metadata, saved_model
    from kcnn.export.samples import sample
    from kcnn.train.weights import save_model

    model, facts, signature = trained.model, trained.facts, trained.signature
    save_model(folder, model, trained.recipe, trained.info)
    note("export: SavedModel")
    saved_model.write(model, facts, signature, folder / SAVED_MODEL)
    runners = {
        "keras": of_keras(folder, model, facts, signature),
        SAVED_MODEL: open_saved_model(folder / SAVED_MODEL),
    }
    if options.formats:
        note(f"export: LiteRT {', '.join(options.formats)}")
        calibration = sample(trained.source.split("train"), facts.preprocess, options.calibration)["image"]
        files = litert.convert(model, facts.preprocess, signature, options.formats, calibration, folder)
        for name, file in files.items():
            metadata.attach(file, facts)
            runners[name] = open_litert(file, 1, name)
    return runners


def _check(trained: Trained, runners: dict[str, Runner], options: Export, note: Note) -> dict[str, Any]:
    """Compare every format with Keras on real images, refuse those that disagree, and report the rest.

    Of the split's "split_images" examples "images" are looked at; "resized" is the [height, width] to which images and
    targets were brought, None where the task's evaluation does no different.

    Raises:
        ExportError: as `parity.refuse`.
    """
    from kcnn.export import parity, timing
    from kcnn.export.anatomy import anatomy
    from kcnn.export.samples import sample
    from kcnn.tasks import TASKS

    split, whole = trained.source.held_out, TASKS.get(trained.recipe.task).whole
    part = trained.source.split(split)
    examples = sample(part, trained.facts.preprocess, options.check_images)
    images = examples["image"]
    note(f"export: comparing every format with Keras on {len(images)} images of {split!r}")
    keras = runners["keras"].predict(images)
    found = {
        name: parity.compare(trained.signature, keras, runner.predict(images), examples)
        for name, runner in runners.items()
    }
    parity.refuse(found, options.min_agreement)
    calls = {name: (lambda runner=runner: runner.predict(images[:1])) for name, runner in runners.items()}
    speed = timing.take_turns(calls, TIMING_SECONDS)
    formats = {}
    for name, runner in runners.items():
        entry = {"bytes": size_of(runner.path), "ms": speed[name].p50, **found[name].plain()}
        if runner.path.suffix == ".tflite":
            entry["ops"] = anatomy(runner.path).ops
        formats[name] = entry
    formats["keras"]["bytes"] = size_of(runners["keras"].path / "weights.safetensors")
    return {
        "split": split,
        "images": len(images),
        "split_images": part.size,
        "resized": None if whole is None else list(trained.facts.preprocess.size),
        "scores": list(found["keras"].scores),
        "formats": formats,
        "machine": _machine(),
    }


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: _package_version(name) for name in STACK},
    }


def _package_version(name: str) -> str:
    try:
        return packages.version(name)
    except packages.PackageNotFoundError:  # run from a checkout
        from kcnn import __version__

        return __version__ if name == "kcnn" else "unknown"


def _manifest(folder: Path, name: str, version: int) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "schema": SCHEMA,
        "name": name,
        "version": version,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "files": {
            path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
            for path in files
        },
    }


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
