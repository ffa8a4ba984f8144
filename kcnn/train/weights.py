"""A trained model as plain files: weights.safetensors, model.json, preprocess.json, labels.txt, recipe.json.

A run folder and a bundle hold the same five.
"""

import contextlib
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn import atomic, guard
from kcnn import recipe as recipes
from kcnn.data.source import Info
from kcnn.errors import CheckpointError, ConfigError, DataError
from kcnn.recipe import Recipe
from kcnn.tasks import TASKS

if TYPE_CHECKING:
    import keras

    from kcnn.data.source import Source

WEIGHTS, MODEL, PREPROCESS, LABELS, RECIPE = FILES = (
    "weights.safetensors",
    "model.json",
    "preprocess.json",
    "labels.txt",
    "recipe.json",
)
SEEDS = 4096  # numbers that a network may hold beside its weights: two for each layer that draws lots


def save_model(folder: Path, model: "keras.Model", recipe: Recipe, info: Info) -> None:
    """Write the five files into `folder`, each in one step and the weights last.

    Over those of an earlier training of the same run, model.json also names the weights it replaces, so that a crash
    before the last step leaves the earlier model.

    Args:
        folder: made when missing.
        model: as `TASKS.get(recipe.task).model(recipe, info)` builds it; its weights are saved under their paths.
        recipe: what it was trained by.
        info: facts of the source it was trained on.

    Raises:
        ConfigError: two weights have one path (a layer without a name of its own).
        ResourceError: no room on the disk.
    """
    import safetensors.numpy

    folder = Path(folder)
    record = {
        "schema": 1,
        "model": recipe.model.name,
        "num_classes": recipe.model.num_classes or len(info.classes),
        "image_shape": list(recipe.preprocess.image_shape),
        "task": recipe.task,
        "classes": list(info.classes),
        "config": dataclasses.asdict(recipe.config) if recipe.config is not None else None,
        "source": {key: value for key, value in dataclasses.asdict(info).items() if key != "classes"},
    }
    content = safetensors.numpy.save({path: np.asarray(weight.numpy()) for path, weight in _by_path(model).items()})
    record["weights_sha256"] = hashlib.sha256(content).hexdigest()
    with contextlib.suppress(OSError):  # none is there, or none that can be read
        if (replaced := _sha256(folder / WEIGHTS)) != record["weights_sha256"]:
            record["replaced_sha256"] = replaced
    atomic.write_text(folder / RECIPE, recipes.to_json(recipe))
    atomic.write_text(folder / MODEL, _json(record))
    atomic.write_text(folder / PREPROCESS, _json(dataclasses.asdict(recipe.preprocess)))
    atomic.write_text(folder / LABELS, "".join(f"{name}\n" for name in info.classes))
    atomic.write_bytes(folder / WEIGHTS, content)


def load_model(folder: Path | str) -> tuple["keras.Model", Recipe, Info]:
    """Build the model of `folder` and give it its weights; read nothing but the five files, and run nothing of them.

    The folder may be a stranger's: the network is one that is registered here, and may hold no more numbers than
    weights.safetensors does.

    Returns: the model (not compiled, float32), its recipe, and the facts of the source it was trained on.

    Raises:
        CheckpointError: a file is missing or damaged, a link out of the folder, or the weights belong to another model.
        ConfigError: recipe.json is no recipe.
        UnknownNameError: the task or model is not installed here.
    """
    import keras

    from kcnn.weights.files import check_recorded, tensors

    folder = Path(folder)
    guard.check_links(folder, CheckpointError, FILES)
    recipe, record = read_recipe(folder / RECIPE), _read(folder / MODEL)
    try:
        facts = recipes.from_dict(Info, {**record["source"], "classes": record["classes"]}, MODEL)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / MODEL} lacks {error}; it was not written by kcnn, or is damaged.") from error
    weights = folder / WEIGHTS
    try:
        values = tensors(weights, CheckpointError)
    except CheckpointError:
        raise
    except Exception as error:  # safetensors raises its own class for each kind of damage
        raise CheckpointError(f"cannot read {weights}: {error}. Train or export again.") from error
    check_recorded(weights, record, CheckpointError)
    held = sum(tensor.size for tensor in values.values())
    too_many = f"{weights} belongs to another model: it holds {held:,} numbers, {RECIPE} and {MODEL} ask for {{asked}}."
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        with guard.variables_within(held + SEEDS, too_many, CheckpointError):
            model = TASKS.get(recipe.task).model(recipe, facts)
    finally:
        keras.config.set_dtype_policy(policy)
    _assign(model, values, weights)
    return model, recipe, facts


def load_run(folder: Path | str) -> tuple["keras.Model", Recipe, Info]:
    """Return what `load_model` does, for a run folder that training has finished.

    Raises:
        CheckpointError: as `load_model`, or the run is not finished yet.
    """
    folder = Path(folder)
    if not (folder / WEIGHTS).is_file():
        begun = (folder / RECIPE).is_file()
        raise CheckpointError(
            f"{folder} has no {WEIGHTS}: its training is not finished, or the file was removed. Give its training "
            "command again, which goes on from the last checkpoint."
            if begun
            else f"{folder} is not a run: it has no {RECIPE} and no {WEIGHTS}."
        )
    return load_model(folder)


def open_data(recipe: Recipe, learnt: Info) -> "Source":
    """Open the data of a finished run again.

    Args:
        recipe: of the run.
        learnt: the facts of the source it was trained on, as `load_run` gives them.

    Raises:
        DataError: its classes are no longer those that the run learnt.
        KcnnError: as `kcnn.open_source`.
    """
    from kcnn.data import open_source

    source = open_source(recipe.data, recipe.preprocess.bit_depth)
    now, then = source.info.classes, learnt.classes
    if now != then:
        new, gone = sorted({*now} - {*then}), sorted({*then} - {*now})
        raise DataError(
            f"{source.info.name} has {len(now)} classes but the run learnt {len(then)}, or in another order "
            f"(new: {', '.join(new) or 'none'}; gone: {', '.join(gone) or 'none'}). Train again on the data as it is."
        )
    return source


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.json, with `config` as its task's own class.

    Raises:
        CheckpointError: the file is missing.
        ConfigError: it is no recipe.
    """
    text = guard.read_text(path, CheckpointError)
    recipe = recipes.from_json(text, where=str(path))
    return recipes.from_json(text, config=TASKS.get(recipe.task).config, where=str(path))


def _by_path(model: "keras.Model") -> dict[str, Any]:
    found = {weight.path: weight for weight in model.weights}
    if len(found) != len(model.weights):
        raise ConfigError(f"model {model.name!r} has two weights under one path; give each of its layers a name.")
    return found


def _assign(model: "keras.Model", tensors: dict[str, np.ndarray], source: Path) -> None:
    weights = _by_path(model)
    here = {path: tuple(weight.shape) for path, weight in weights.items()}
    there = {path: tensor.shape for path, tensor in tensors.items()}
    if here != there:
        path = min(p for p in {*here, *there} if here.get(p) != there.get(p))
        raise CheckpointError(
            f"{source} belongs to another model: {path} is {there.get(path, 'missing')} in the file "
            f"and {here.get(path, 'missing')} in model {model.name!r}."
        )
    for path, weight in weights.items():
        weight.assign(tensors[path])


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=2) + "\n"


def _read(path: Path) -> dict[str, Any]:
    record = guard.parse_json(guard.read_text(path, CheckpointError), str(path), CheckpointError)
    if not isinstance(record, dict):
        raise CheckpointError(f"{path} is not a table of keys and values; it was not written by kcnn.")
    return record
