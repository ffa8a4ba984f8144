"""What the page asks of one model: its answer for an image, maps and kernels of its layers, where the evidence lies."""

import base64
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import ConfigError, DataError, ExportError, KcnnError, UnknownNameError

if TYPE_CHECKING:
    import keras

    from kcnn.export.runner import Runner

MOST_PIXELS = 50_000_000  # of a photo; larger ones take seconds and gigabytes to decode
MOST_MAPS = 64
MOST_SIDE = 96  # of a map as it is sent
MOST_KERNELS = (32, 8)  # filters and channels
POSITIONS = 13  # of the square along each axis
SHARE = 0.25  # of the image's side that the square covers
FILLS = ("background", "gray")


class Opened:
    """A model that is opened aside, so that the page is there at once; every method may run in any thread."""

    def __init__(self, path: Path | str | None = None):
        """Note what to open.

        Raises:
            ExportError: nothing is at `path`.
        """
        self.path = None if path is None else Path(path)
        if self.path is not None and not self.path.exists():
            raise ExportError(f"{path} does not exist. Give a run, a bundle or a .tflite file.")
        self._state = "none" if path is None else "loading"
        self._problem = ""
        self._lock = threading.Lock()
        self._runner: Runner
        self._model: keras.Model | None = None
        self._layers: dict[str, Any] = {}
        self._parts: dict[str, Callable[[np.ndarray], np.ndarray]] = {}

    def load_aside(self, warn: Callable[[str], None]) -> None:
        """Start opening the model in a thread; `warn` is told why it cannot be."""

        def work() -> None:
            self.load()
            if self._problem:
                warn(self._problem)

        if self._state == "loading":
            threading.Thread(target=work, daemon=True).start()

    def load(self) -> None:
        """Open the model; a fault is kept for `about` and for whoever asks it something."""
        try:
            with self._lock:
                self._runner, self._model = _open(self.path)
                self._layers = _layers(self._model)
                self._read = _image_reader(self._runner)
        except Exception as error:  # whatever a damaged file makes the libraries raise
            known = isinstance(error, KcnnError)
            self._problem = str(error) if known else f"{self.path} cannot be opened: {error}. Export it again."
            self._problem = " ".join(self._problem.split())[:500]
            self._state = "failed"
        else:
            self._state = "ready"

    def about(self) -> dict[str, Any]:
        """Return {"state": "none", "loading", "failed" or "ready"}, with the error or with name, labels and layers.

        A layer is {"name", "kind", "shape", "kernel"}: shape of its output, shape of its kernel or None. A model
        that is no Keras model any more (a `.tflite`) has none.
        """
        if self._state != "ready":
            return {"state": self._state} | ({"error": self._problem} if self._problem else {})
        facts, kept = self._runner.facts, self._runner.preprocess
        return {
            "state": "ready",
            "name": facts.name,
            "path": str(self.path),
            "labels": list(facts.labels),
            "size": list(kept.size),
            "channels": kept.channels,
            "params": self._model.count_params() if self._model is not None else None,
            "layers": [_row(name, layer) for name, layer in self._layers.items()],
        }

    def predict(self, contents: bytes) -> dict[str, Any]:
        """Return the answer for an encoded image.

        Returns: {"label", "probability", "scores": [{"label", "probability"}, ...] surest first, "input": picture}.

        Raises:
            DataError: the bytes are no image that can be read, or too large.
            ExportError: no model is open, or its answer is not finite.
        """
        pixels = self._pixels(contents)
        scores = self._scores(pixels[None])[0]
        order = np.argsort(-scores, kind="stable")
        rows = [{"label": self._label(i), "class_id": int(i), "probability": float(scores[i])} for i in order[:10]]
        return {**rows[0], "scores": rows, "input": packed(pixels.astype("float32").transpose(2, 0, 1), 0, 255)}

    def maps(self, contents: bytes, layer: str) -> dict[str, Any]:
        """Return what `layer` makes of an encoded image: up to `MOST_MAPS` maps or the values of a vector.

        Raises:
            UnknownNameError: the model has no such layer.
            DataError, ExportError: as `predict`.
        """
        self._known(layer)
        pixels = self._pixels(contents)
        with self._lock:
            values = self._part(layer)(pixels)
        return {"layer": layer, "of": int(values.shape[-1]), "shape": list(values.shape)} | (
            packed(_thinned(values.transpose(2, 0, 1)[:MOST_MAPS]))
            if values.ndim == 3
            else packed(values.reshape(1, 1, -1)[..., :4096])
        )

    def kernels(self, layer: str) -> dict[str, Any]:
        """Return the learned kernels of a convolution, filters by channels, scaled to the largest weight.

        Raises:
            UnknownNameError: the model has no such layer.
            ConfigError: the layer has no kernels to look at.
        """
        shape = _row(layer, self._known(layer))["kernel"]
        if shape is None:
            raise ConfigError(f"layer {layer!r} has no kernels; ask for one of a convolution.")
        weights = np.asarray(self._layers[layer].kernel).transpose(3, 2, 0, 1)
        filters, channels = MOST_KERNELS
        shown = weights[:filters, :channels]
        most = float(np.abs(weights).max()) or 1.0
        flat = shown.reshape(-1, *shown.shape[2:])
        return {"layer": layer, "filters": shown.shape[0], "channels": shown.shape[1], "shape": shape} | packed(
            flat, -most, most
        )

    def occlusion(self, contents: bytes, query: dict[str, str]) -> dict[str, Any]:
        """Return where covering the image lowers the probability of a class (Zeiler and Fergus 2014, section 4.2).

        A square of `SHARE` of the side is put on `POSITIONS` places along each axis; a pixel's value is the mean
        drop over the squares that cover it.

        Args:
            contents: an encoded image.
            query: "class" is a class id, the surest one unless given; "fill" is one of `FILLS`: the median colour
                of the image's border, or gray 128.

        Returns: {"label", "probability", "most": largest drop, "map": picture from -1 to 1 times `most`}.

        Raises:
            ConfigError: the class or fill does not exist.
            DataError, ExportError: as `predict`.
        """
        pixels = self._pixels(contents)
        whole = self._scores(pixels[None])[0]
        text, fill = query.get("class", str(int(whole.argmax()))), query.get("fill", FILLS[0])
        if not (text.isascii() and text.isdigit() and int(text) < len(whole)):
            raise ConfigError(f"class is {text!r} but must be a number from 0 to {len(whole) - 1}.")
        if fill not in FILLS:
            raise ConfigError(f"fill is {fill!r} but must be one of {', '.join(FILLS)}.")
        target = int(text)
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        colour = np.median(border, axis=0) if fill == "background" else 128
        total = np.zeros(pixels.shape[:2])
        count = np.zeros(pixels.shape[:2])
        boxes = squares(*pixels.shape[:2])
        covered = np.repeat(pixels[None], len(boxes), axis=0)
        for image, box in zip(covered, boxes, strict=True):
            image[box] = colour
        for box, scores in zip(boxes, self._scores(covered), strict=True):
            total[box] += whole[target] - scores[target]
            count[box] += 1
        drops = total / np.maximum(count, 1)
        most = float(np.abs(drops).max())
        return {"label": self._label(target), "class_id": target, "probability": float(whole[target]), "most": most} | {
            "map": packed(_thinned(drops[None]), -(most or 1.0), most or 1.0)
        }

    def _label(self, index: int) -> str:
        labels = self._runner.labels
        return labels[index] if index < len(labels) else str(index)

    def _known(self, layer: str) -> Any:
        self._ready()
        if layer not in self._layers:
            raise UnknownNameError("layer", layer[:80], self._layers)
        return self._layers[layer]

    def _ready(self) -> None:
        if self._state == "none":
            raise ExportError("no model is open. Start with one: kcnn explore saved_models/NAME.")
        if self._state == "loading":
            raise ExportError("the model is still being opened; ask again in a moment.")
        if self._state == "failed":
            raise ExportError(self._problem)

    def _pixels(self, contents: bytes) -> np.ndarray:
        from kcnn.data.headers import check_header

        self._ready()
        head = check_header(contents)
        if head.width * head.height > MOST_PIXELS:
            raise DataError(
                f"the image has {head.width:,} x {head.height:,} pixels but the page takes at most {MOST_PIXELS:,}; "
                "make it smaller"
            )
        with self._lock:
            return self._read(contents)

    def _scores(self, images: np.ndarray) -> np.ndarray:
        with self._lock:
            outputs = self._runner.predict(images)
        scores = outputs.get("probabilities", next(iter(outputs.values())))
        scores = np.asarray(scores, "float64").reshape(len(images), -1)
        if not np.isfinite(scores).all():
            raise ExportError("the model's answer is not finite; train or export it again.")
        return scores

    def _part(self, layer: str) -> Callable[[np.ndarray], np.ndarray]:
        if layer not in self._parts:
            self._parts[layer] = _up_to(self._model, self._layers[layer], self._runner)
        return self._parts[layer]


def squares(height: int, width: int) -> list[tuple[slice, slice]]:
    """Return the boxes of the occlusion test, evenly spread from corner to corner, doubles left out."""

    def along(size: int) -> list[slice]:
        side = max(1, round(size * SHARE))
        starts = sorted({round(at) for at in np.linspace(0, size - side, POSITIONS)})
        return [slice(start, start + side) for start in starts]

    return [(row, column) for row in along(height) for column in along(width)]


def packed(values: np.ndarray, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    """Return pictures (N, H, W) as {"count", "height", "width", "low", "high", "data"}: bytes 0..255 in base64."""
    values = np.nan_to_num(np.asarray(values, "float32"))
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    scaled = np.clip((values - low) / ((high - low) or 1.0) * 255, 0, 255)
    count, height, width = values.shape
    data = base64.b64encode(np.rint(scaled).astype(np.uint8).tobytes()).decode("ascii")
    return {"count": count, "height": height, "width": width, "low": low, "high": high, "data": data}


def _thinned(values: np.ndarray) -> np.ndarray:
    rows, columns = (np.linspace(0, n - 1, min(n, MOST_SIDE)).round().astype(int) for n in values.shape[1:])
    return values[:, rows][:, :, columns]


def _open(path: Path | None) -> tuple["Runner", "keras.Model | None"]:
    """Open a run or bundle as its Keras model, whose layers can be looked into; other files as they run."""
    from kcnn.export import facts
    from kcnn.export.runner import newest, of_keras, open_model
    from kcnn.tasks import TASKS
    from kcnn.train.weights import RECIPE, load_run

    folder = newest(Path(path or "."))
    if not (folder / RECIPE).is_file():
        return open_model(folder), None
    model, recipe, info = load_run(folder)
    signature = TASKS.get(recipe.task).signature(recipe, info)
    return of_keras(folder, model, facts.of_run(recipe, info), signature), model


def _image_reader(runner: "Runner") -> Callable[[bytes], np.ndarray]:
    """Return a function: encoded image -> pixels as `kcnn predict` would give them to the model."""
    from kcnn.export.predict import reader

    read = reader(runner)

    def pixels(contents: bytes) -> np.ndarray:
        with tempfile.NamedTemporaryFile(prefix="kcnn-") as file:
            file.write(contents)
            file.flush()
            answer, resized = read(file.name)
        if resized is None:
            raise DataError(answer.error)
        return resized

    return pixels


def _layers(model: "keras.Model | None") -> dict[str, Any]:
    """Return the layers with one output that can be shown: maps (N, H, W, C) or vectors (N, C)."""
    shown = {}
    for layer in model.layers if model is not None else ():
        if type(layer).__name__ == "InputLayer" or len(layer._inbound_nodes) != 1:
            continue
        if len(getattr(layer.output, "shape", ())) in (2, 4):
            shown[layer.name] = layer
    return shown


def _row(name: str, layer: Any) -> dict[str, Any]:
    kernel = getattr(layer, "kernel", None)
    square = kernel is not None and len(kernel.shape) == 4
    return {
        "name": name,
        "kind": type(layer).__name__,
        "shape": list(layer.output.shape[1:]),
        "kernel": list(kernel.shape) if square else None,
    }


def _up_to(model: Any, layer: Any, runner: "Runner") -> Callable[[np.ndarray], np.ndarray]:
    import keras
    import tensorflow as tf

    from kcnn.data.preprocess import normalise

    part = keras.Model(model.input, layer.output)

    @tf.function(input_signature=[tf.TensorSpec((1, *runner.preprocess.image_shape), tf.uint8)])
    def run(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(part(normalise(images, runner.preprocess), training=False), tf.float32)

    return lambda pixels: run(tf.constant(pixels[None])).numpy()[0]
