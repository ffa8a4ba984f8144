"""LiteRT in four precisions, with built-in operations only, converted in a child process."""

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import kcnn
from kcnn import atomic
from kcnn.data.preprocess import normalise
from kcnn.errors import ConfigError, ExportError
from kcnn.export.anatomy import check_built_in, no_built_in
from kcnn.export.convert import PIXELS, VALUES
from kcnn.export.saved_model import finished, write_endpoints
from kcnn.recipe import Preprocess
from kcnn.tasks.task import Signature


def convert(
    model: keras.Model,
    record: Preprocess,
    signature: Signature,
    formats: Sequence[str],
    calibration: np.ndarray,
    folder: Path,
) -> dict[str, Path]:
    """Write `model_<format>.tflite` for every format into `folder`.

    Each takes one resized image (1, H, W, C) of `record.dtype` and gives the outputs of `signature`; normalisation is
    inside. The batch is fixed at one: it is what a camera gives, and every delegate wants static shapes.

    Args:
        model: from normalised (N, H, W, C) float images to raw outputs.
        record: the model's preprocessing.
        signature: of the task; `finish` becomes part of the graph.
        formats: any of "fp32", "fp16", "dynamic", "int8".
        calibration: (N, H, W, C) of `record.dtype`, N >= 1, resized images that fix the ranges of "int8".
        folder: exists.

    Returns: format -> file.

    Raises:
        ConfigError: "int8" of a model that keeps 16 bits.
        ExportError: an operation has no LiteRT built-in; the message names the format, the operation and the layer.
        OSError: no space left for the files.
    """
    if record.bit_depth == 16 and "int8" in formats:
        others = ",".join(name for name in formats if name != "int8") or "fp32"
        raise ConfigError(
            "model_int8.tflite has 256 levels of pixels where preprocess.bit_depth=16 keeps 65,536; leave int8 out: "
            f"--formats={others} of `kcnn export`, or --set export.formats={others} of `kcnn train`."
        )
    shape = (1, *record.image_shape)

    def outputs(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return finished(model, signature, normalise(images, record))

    with tempfile.TemporaryDirectory(dir=folder, prefix="convert-") as work:
        endpoints = {
            PIXELS: (outputs, tf.TensorSpec(shape, record.dtype, name="images")),
            VALUES: (outputs, tf.TensorSpec(shape, tf.float32, name="images")),
        }
        write_endpoints(model, endpoints, Path(work) / "saved_model")
        result = _run_child(Path(work), formats, calibration)
        layers = [layer.name for layer in model._flatten_layers(include_self=False)]
        files = {}
        for name in formats:
            _check_converted(name, result.get(name), layers)
            files[name] = folder / f"model_{name}.tflite"
            os.rename(Path(work) / f"{name}.tflite", files[name])
            check_built_in(files[name], name, layers)
    return files


def _run_child(work: Path, formats: Sequence[str], calibration: np.ndarray) -> dict[str, dict]:
    """Convert in a process of its own; return its result file, with "error" for a format it died in."""
    pixels = io.BytesIO()
    np.save(pixels, calibration)
    (work / "calibration.npy").write_bytes(pixels.getvalue())
    request = {
        "saved_model": str(work / "saved_model"),
        "formats": list(formats),
        "calibration": str(work / "calibration.npy"),
        "result": str(work / "result.json"),
    }
    (work / "request.json").write_text(json.dumps(request), encoding="utf-8")
    package = str(Path(kcnn.__file__).parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "kcnn.export.convert", str(work / "request.json")],
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "1", "CUDA_VISIBLE_DEVICES": "-1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    noise = done.stdout.decode("utf-8", "replace")
    try:
        result = json.loads((work / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        result = {}
    if done.returncode:
        last = next((line for line in reversed(noise.splitlines()) if line.strip()), "it said nothing")
        for name in formats:
            result.setdefault(name, {"problems": [], "error": f"the converter ended with {done.returncode}: {last}"})
    return result


def _check_converted(name: str, outcome: dict | None, layers: Sequence[str]) -> None:
    """Raise what kept the converter from writing the format `name`."""
    outcome = outcome or {"problems": [], "error": "the converter gave no result"}
    if outcome["problems"]:
        places = [(problem["op"], problem["place"]) for problem in outcome["problems"]]
        raise ExportError(f"model_{name}.tflite: {no_built_in(places, layers)}")
    error = outcome.get("error")
    for number in atomic.SPELLED:
        if error and os.strerror(number) in error:
            raise OSError(number, os.strerror(number))
    if error:
        raise ExportError(f"model_{name}.tflite cannot be converted: {' '.join(error.split())[:400]}")
