"""One way to run a model, wherever it comes from: a run, a bundle, a SavedModel or a `.tflite`."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn import guard
from kcnn.errors import ConfigError, ExportError, ShapeError
from kcnn.export import facts as facts_file
from kcnn.export import flatbuffer
from kcnn.export.facts import Facts
from kcnn.recipe import Preprocess
from kcnn.tasks.task import Outputs, raw_outputs
from kcnn.versions import MANIFEST, is_bundle, newest

if TYPE_CHECKING:
    import keras

BATCH = 32
SAVED_MODEL = "saved_model"
LITERT = ("fp32", "fp16", "dynamic", "int8")
FORMATS = ("keras", SAVED_MODEL, *LITERT)


@dataclass(frozen=True)
class Runner:
    """A model that takes resized images 0..255 and gives named arrays.

    Attributes:
        path: file or folder it was opened from.
        format: one of `FORMATS`; "tflite" for a file by itself.
        facts: name, task, preprocessing and labels.
        outputs: output names.
        raw: of a Keras model: what it gives for such images before the signature's `finish`; None for other formats.
    """

    path: Path
    format: str
    facts: Facts
    outputs: tuple[str, ...]
    _call: Callable[[np.ndarray], Outputs]
    raw: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def preprocess(self) -> Preprocess:
        """How images must be prepared: decoded, then `kcnn.data.preprocess.prepare`."""
        return self.facts.preprocess

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, position = id."""
        return self.facts.labels

    def predict(self, images: np.ndarray) -> Outputs:
        """Run a batch.

        Args:
            images: uint8 (N, H, W, C) of `preprocess.image_shape`, RGB or gray, N >= 1; of a model that keeps 16 bits
                float32 0..255 too.

        Returns: output name -> array (N, ...), float32 or class ids; quantised outputs are scaled back.

        Raises:
            ShapeError: `images` has another shape or type.
        """
        images = np.asarray(images)
        wanted, dtype = self.preprocess.image_shape, self.preprocess.dtype
        if images.dtype not in (np.uint8, dtype) or images.shape[1:] != wanted or len(images) == 0:
            raise ShapeError(
                f"images are {images.dtype} {images.shape} but must be {dtype} (N, {', '.join(map(str, wanted))}), "
                "N >= 1; resize them with kcnn.data.preprocess.prepare.",
                expected=(dtype, (None, *wanted)),
                actual=(str(images.dtype), images.shape),
            )
        return self._call(images.astype(dtype, copy=False))


def open_model(path: Path | str, *, format: str | None = None, threads: int | None = None) -> Runner:
    """Open a model for running.

    Args:
        path: a run folder, a bundle (`saved_models/NAME`, its newest version, or `saved_models/NAME/VERSION`),
            a `saved_model` folder that kcnn wrote, or a `.tflite` file.
        format: which one of a bundle, of `FORMATS`; "saved_model" unless given. Runs are always "keras".
        threads: of LiteRT; its own choice unless given.

    Raises:
        ExportError: `path` is none of these, is damaged, or lacks the format.
        CheckpointError: a run that is not finished, or damaged weights.
        ConfigError: `format` is unknown, or does not go with `path`.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise ConfigError(f"format is {format!r} but must be one of {', '.join(FORMATS)}.")
    if path.is_file():
        _only(path, "a file by itself", format, (None,))
        return open_litert(path, threads)
    if not path.exists():
        raise ExportError(f"{path} does not exist. Give a run, a bundle, a saved_model folder or a .tflite file.")
    if is_bundle(newest(path)):
        return _open_bundle(newest(path), format or SAVED_MODEL, threads)
    if (path / "saved_model.pb").is_file():
        _only(path, "a SavedModel", format, (None, SAVED_MODEL))
        return open_saved_model(path)
    if (path / "recipe.json").is_file():
        _only(path, "a run", format, (None, "keras"))
        return open_keras(path)
    raise ExportError(
        f"{path} holds no model: it is neither a run (recipe.json), nor a bundle (manifest.json, or folders "
        "1, 2, ... that have one), nor a saved_model folder."
    )


def _only(path: Path, what: str, format: str | None, allowed: tuple[str | None, ...]) -> None:
    if format not in allowed:
        raise ConfigError(f"{path} is {what}, so format {format!r} cannot be chosen; give a bundle.")


def _open_bundle(folder: Path, format: str, threads: int | None) -> Runner:
    if format == "keras":
        return open_keras(folder)
    if format == SAVED_MODEL:
        for name in _published(folder):
            if name.startswith(f"{SAVED_MODEL}/"):
                check_unchanged(folder, folder / name)
        return open_saved_model(folder / SAVED_MODEL)
    file = folder / f"model_{format}.tflite"
    if not file.is_file():
        raise ExportError(f"{folder} has no {file.name}; export the run with --formats={format}.")
    check_unchanged(folder, file)
    return open_litert(file, threads, format)


def check_unchanged(folder: Path, file: Path) -> None:
    """Hold a file of the bundle `folder` against its manifest.

    Raises:
        ExportError: the file is not the one that was published, or the manifest cannot be read.
    """
    name = file.relative_to(folder).as_posix()
    guard.check_links(folder, ExportError, (name,))
    try:
        wanted = _published(folder)[name]["sha256"]
    except (KeyError, TypeError) as error:
        raise ExportError(f"{folder / MANIFEST} does not tell what {file.name} should be ({error!r}).") from error
    if hashlib.sha256(guard.read_bytes(file, ExportError)).hexdigest() != wanted:
        raise ExportError(f"{file} was changed after its export, or damaged; export the run again.")


def _published(folder: Path) -> dict[str, Any]:
    """Return what the manifest of a bundle says of each of its files, by name."""
    guard.check_links(folder, ExportError, (MANIFEST,))
    manifest = guard.parse_json(guard.read_text(folder / MANIFEST, ExportError), str(folder / MANIFEST), ExportError)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or any(Path(name).is_absolute() or ".." in Path(name).parts for name in files):
        raise ExportError(f"{folder / MANIFEST} does not tell which files the bundle has; export the run again.")
    return files


def open_keras(folder: Path) -> Runner:
    """Open the Keras model of a run or a bundle."""
    return open_network(folder)[0]


def open_network(folder: Path) -> tuple[Runner, "keras.Model"]:
    """Open the Keras model of a run or a bundle, and return the network itself beside it, to be looked into.

    Raises:
        KcnnError: as `kcnn.train.weights.load_run`.
    """
    from kcnn.tasks import TASKS
    from kcnn.train.weights import load_run

    model, recipe, info = load_run(folder)
    facts, signature = facts_file.of_run(recipe, info), TASKS.get(recipe.task).signature(recipe, info)
    return of_keras(folder, model, facts, signature), model


def of_keras(folder: Path, model: Any, facts: Facts, signature: Any) -> Runner:
    """Return a runner for a `keras.Model` in memory; `signature` is its task's."""
    import tensorflow as tf

    from kcnn.data.preprocess import normalise
    from kcnn.export.saved_model import finished

    record = facts.preprocess

    @tf.function(input_signature=[tf.TensorSpec((None, *record.image_shape), record.dtype)], autograph=False)
    def run(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return finished(model, signature, normalise(images, record))

    return Runner(
        path=folder,
        format="keras",
        facts=facts,
        outputs=tuple(signature.outputs),
        _call=lambda images: _in_batches(run, images),
        raw=raw_outputs(model, record),
    )


def open_saved_model(folder: Path) -> Runner:
    """Open a SavedModel that kcnn wrote, or says so: what it can do is looked up before it runs.

    Raises:
        ExportError: it is damaged, not from kcnn, or refused by `operations.check_saved_model`.
    """
    import tensorflow as tf

    from kcnn.export.operations import check_saved_model

    record = folder / "assets.extra" / facts_file.FILE
    if not record.is_file():
        raise ExportError(
            f"{folder} lacks {record.relative_to(folder)}: it is not a SavedModel that kcnn wrote, and what its inputs "
            "mean is written nowhere. Load it with TensorFlow, or train and export with kcnn."
        )
    facts = facts_file.from_json(guard.read_text(record, ExportError), str(record))
    check_saved_model(folder)
    try:
        loaded = tf.saved_model.load(str(folder))
        serve = loaded.signatures["serving_default"]
    except Exception as error:  # what the objects of a damaged graph lead to has no class of its own
        raise ExportError(
            f"{folder} is damaged, TensorFlow cannot load it ({type(error).__name__}). Export the run again."
        ) from error

    def call(images: np.ndarray) -> Outputs:
        return _in_batches(lambda batch: loaded.signatures["serving_default"](images=batch), images)

    return Runner(folder, SAVED_MODEL, facts, tuple(serve.structured_outputs), call)


def _in_batches(function: Callable[[Any], dict[str, Any]], images: np.ndarray) -> Outputs:
    import tensorflow as tf

    parts = [function(tf.constant(images[at : at + BATCH])) for at in range(0, len(images), BATCH)]
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}


def open_litert(file: Path, threads: int | None = None, format: str = "tflite") -> Runner:
    """Open a `.tflite` that takes one uint8 image (1, H, W, C), or a float32 one of 0..255 where its record says so.

    One that kcnn did not write runs too: its outputs are taken for class scores, named 0, 1, 2 ...

    Raises:
        ExportError: no LiteRT file, damaged, has operations the interpreter lacks, or takes another input.
    """
    from ai_edge_litert.interpreter import Interpreter

    from kcnn.export.anatomy import check_built_in

    check_built_in(file, format)
    try:
        interpreter = Interpreter(model_path=str(file), num_threads=threads)
        interpreter.allocate_tensors()
        signature = interpreter.get_signature_runner() if interpreter.get_signature_list() else None
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ExportError(f"{flatbuffer.broken(file)} LiteRT says: {' '.join(str(error).split())[:300]}") from error
    outputs = signature.get_output_details() if signature else {o["name"]: o for o in interpreter.get_output_details()}
    facts = _litert_facts(file, interpreter.get_input_details(), list(outputs.values()))
    source = interpreter.get_input_details()[0]["index"]

    def one(image: np.ndarray) -> Outputs:
        interpreter.set_tensor(source, image[None])
        interpreter.invoke()
        return {name: _dequantised(interpreter.get_tensor(out["index"]), out) for name, out in outputs.items()}

    def call(images: np.ndarray) -> Outputs:
        results = [one(image) for image in images]
        return {name: np.concatenate([result[name] for result in results]) for name in outputs}

    return Runner(file, format, facts, tuple(outputs), call)


def _dequantised(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    scale, zero = tensor["quantization"]
    return (values.astype(np.float32) - zero) * np.float32(scale) if scale else values


def _litert_facts(file: Path, inputs: list[dict], outputs: list[dict]) -> Facts:
    """Return the record inside the file, or what can be told from the tensors of a stranger's."""
    shape = tuple(int(size) for size in inputs[0]["shape"])
    text = flatbuffer.appended_files(file).get(facts_file.FILE)
    known = None if text is None else facts_file.from_json(text, f"{facts_file.FILE} in {file}")
    dtype = "uint8" if known is None else known.preprocess.dtype
    image = len(shape) == 4 and shape[0] == 1 and shape[3] in (1, 3)
    if len(inputs) != 1 or inputs[0]["dtype"] != np.dtype(dtype) or not image:
        raise ExportError(
            f"{file} takes {len(inputs)} input(s), the first {np.dtype(inputs[0]['dtype']).name} {shape}, "
            f"but kcnn runs models of one {dtype} image (1, H, W, 1 or 3), as `kcnn export` writes them. Use LiteRT's "
            "interpreter for others."
        )
    if known is not None:
        return known
    if facts_file.FILE.encode() in file.read_bytes():  # the metadata names it, so it was there once
        raise ExportError(f"{flatbuffer.broken(file)} The archive of labels behind the model is missing.")
    scores = tuple(int(size) for size in outputs[0]["shape"])
    if len(scores) != 2:
        raise ExportError(
            f"{file} was not written by kcnn and gives {scores}, but only scores of classes (1, classes) can be named "
            "without knowing what they mean."
        )
    order = "gray" if shape[3] == 1 else "rgb"
    labels = tuple(str(index) for index in range(scores[1]))
    return Facts(
        name=file.stem,
        task="classification",
        preprocess=Preprocess(size=(shape[1], shape[2]), channel_order=order),
        labels=labels,
    )
