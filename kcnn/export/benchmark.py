"""Size, speed and truth of every format of one bundle, measured side by side."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kcnn.errors import ConfigError, KcnnError
from kcnn.export import parity, timing
from kcnn.export.bundle import REPORT, size_of
from kcnn.export.runner import LITERT, SAVED_MODEL, Runner, of_keras, open_litert, open_saved_model
from kcnn.versions import is_bundle, newest

THREADS = (1, 2)
ALL = 0  # threads: as many as the library likes


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        format: "keras", "saved_model", "fp32", "fp16", "dynamic" or "int8".
        threads: of LiteRT; 0 where TensorFlow chooses.
        bytes: of the file, or of all files of the format.
        p50, p90: milliseconds for one image.
        images_per_second: one after the other, at the median.
        scores: how good it is, as the task measures it; agreement: 0..1, and difference: the largest from Keras. Empty
            and None where no data could be read.
    """

    format: str
    threads: int
    bytes: int
    p50: float
    p90: float
    images_per_second: float
    scores: dict[str, float] = field(default_factory=dict)
    agreement: float | None = None
    difference: float | None = None


def benchmark(
    folder: Path, *, images: int = 200, seconds: float = 2.0, warn: Callable[[str], object] = lambda text: None
) -> list[Row]:
    """Measure Keras' `predict`, the SavedModel and each `.tflite` with 1 and 2 threads, taking turns.

    Args:
        folder: a bundle, or `saved_models/NAME` for its newest version.
        images: test images for scores and difference.
        seconds: of timing per row, about.
        warn: is told when the data cannot be read; then report.json's figures stand in, timed on random pixels.

    Raises:
        ConfigError: `folder` is no bundle.
        ExportError, CheckpointError: a file of it is damaged.
    """
    import tensorflow as tf

    from kcnn.data.preprocess import normalise
    from kcnn.export.facts import of_run
    from kcnn.tasks import TASKS
    from kcnn.train.weights import load_model

    folder = newest(Path(folder))
    if not is_bundle(folder):
        raise ConfigError(f"{folder} is not a bundle; give a folder that kcnn export has published.")
    model, recipe, info = load_model(folder)
    signature = TASKS.get(recipe.task).signature(recipe, info)
    keras = of_keras(folder, model, of_run(recipe, info), signature)
    opened: dict[tuple[str, int], Runner] = {
        ("keras", ALL): keras,
        (SAVED_MODEL, ALL): open_saved_model(folder / SAVED_MODEL),
    }
    for name in LITERT:
        if (file := folder / f"model_{name}.tflite").is_file():
            opened |= {(name, threads): open_litert(file, threads, name) for threads in THREADS}

    examples = _examples(recipe, info, images, warn)
    truth = _reported(folder) if examples is None else _compared(opened, signature, examples)
    pixels = np.random.default_rng(0).integers(0, 256, (1, *recipe.preprocess.image_shape), np.uint8)
    pixels = pixels.astype(recipe.preprocess.dtype)
    image = pixels if examples is None else examples["image"][:1]
    calls = {key: (lambda runner=runner: runner.predict(image)) for key, runner in opened.items()}
    calls["keras", ALL] = lambda: model.predict(normalise(tf.constant(image), recipe.preprocess), verbose=0)
    speed = timing.take_turns(calls, seconds)
    return [
        Row(
            format=name,
            threads=threads,
            bytes=size_of(folder / "weights.safetensors" if name == "keras" else runner.path),
            p50=speed[name, threads].p50,
            p90=speed[name, threads].p90,
            images_per_second=speed[name, threads].per_second,
            **truth.get(name, {}),
        )
        for (name, threads), runner in opened.items()
    ]


def _examples(recipe: Any, info: Any, images: int, warn: Callable[[str], object]) -> dict[str, np.ndarray] | None:
    from kcnn.export.samples import sample
    from kcnn.train.weights import open_data

    try:
        source = open_data(recipe, info)
        return sample(source.split(source.held_out), recipe.preprocess, images)
    except KcnnError as error:
        warn(f"{error} Scores and differences are those of {REPORT}.")
        return None


def _compared(opened: dict[tuple[str, int], Runner], signature: Any, examples: dict[str, np.ndarray]) -> dict:
    """Return format -> figures, measured now; the number of threads does not change them."""
    keras = opened["keras", ALL].predict(examples["image"])
    found = {}
    for (name, _), runner in opened.items():
        if name not in found:
            same = parity.compare(signature, keras, runner.predict(examples["image"]), examples)
            found[name] = {"scores": same.scores, "agreement": same.agreement, "difference": same.difference}
    return found


def _reported(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        names, formats = report["scores"], report["formats"]
    except (OSError, ValueError, KeyError):
        return {}
    return {
        name: {
            "scores": {score: entry[score] for score in names},
            "agreement": entry["agreement"],
            "difference": entry["difference"],
        }
        for name, entry in formats.items()
    }
