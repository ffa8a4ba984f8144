"""What the page asks of one model: its answer for an image, maps and kernels of its layers, where the evidence lies."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import ConfigError, DataError, ExportError, KcnnError, UnknownNameError
from kcnn.explain.methods import METHODS
from kcnn.explorer import inside, opening
from kcnn.explorer.packing import evidence, packed, pixels, thinned

if TYPE_CHECKING:
    import keras

    from kcnn.adversarial.victim import Victim
    from kcnn.export.runner import Runner

MOST_PIXELS = 50_000_000  # of a photo; larger ones take seconds and gigabytes to decode
MOST_MAPS = 64
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
        self._victim: Victim | None = None
        self._layers: dict[str, Any] = {}
        self._rows: dict[str, dict[str, Any]] = {}
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
                self._runner, self._model = opening.open_network(self.path)
                self._layers = opening.layers(self._model)
                self._rows = {name: opening.row(name, layer) for name, layer in self._layers.items()}
                self._read = opening.image_reader(self._runner)
        except Exception as error:  # whatever a damaged file makes the libraries raise
            known = isinstance(error, KcnnError)
            self._problem = str(error) if known else f"{self.path} cannot be opened: {error}. Export it again."
            self._problem = " ".join(self._problem.split())[:500]
            self._state = "failed"
        else:
            self._state = "ready"

    def about(self) -> dict[str, Any]:
        """Return {"state": "none", "loading", "failed" or "ready"}, with the error or with name, labels and layers.

        "methods" and "attacks" are what `explain` and `attack` take. A layer is {"name", "kind", "shape", "kernel"}:
        shape of its output, shape of its kernel or None. A model that is no Keras model any more (a `.tflite`) has
        none of the three.
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
            "methods": list(METHODS) if self._model is not None else [],
            "attacks": list(inside.ATTACKS) if self._model is not None and not facts.multi_label else [],
            "layers": list(self._rows.values()),
        }

    def predict(self, contents: bytes) -> dict[str, Any]:
        """Return the answer for an encoded image.

        Returns: {"label", "probability", "scores": [{"label", "probability"}, ...] surest first, "input": picture}.

        Raises:
            DataError: the bytes are no image that can be read, or too large.
            ExportError: no model is open, or its answer is not finite.
        """
        image = self._pixels(contents)
        scores = self._scores(image[None])[0]
        order = np.argsort(-scores, kind="stable")
        rows = [{"label": self._label(i), "class_id": int(i), "probability": float(scores[i])} for i in order[:10]]
        return {**rows[0], "scores": rows, "input": pixels(image)}

    def maps(self, contents: bytes, layer: str) -> dict[str, Any]:
        """Return what `layer` makes of an encoded image: up to `MOST_MAPS` maps or the values of a vector.

        Raises:
            UnknownNameError: the model has no such layer.
            DataError, ExportError: as `predict`.
        """
        self._known(layer)
        image = self._pixels(contents)
        with self._lock:
            values = self._part(layer)(image)
        return {"layer": layer, "of": int(values.shape[-1]), "shape": list(values.shape)} | (
            packed(thinned(values.transpose(2, 0, 1)[:MOST_MAPS]))
            if values.ndim == 3
            else packed(values.reshape(1, 1, -1)[..., :4096])
        )

    def kernels(self, layer: str) -> dict[str, Any]:
        """Return the learned kernels of a convolution, filters by channels, scaled to the largest weight.

        Raises:
            UnknownNameError: the model has no such layer.
            ConfigError: the layer has no kernels to look at.
        """
        from kcnn.explain.kernels import of_layer

        found = of_layer(self._known(layer))
        if found is None:
            raise ConfigError(f"layer {layer!r} has no kernels; ask for one of a convolution.")
        weights = found.transpose(3, 2, 0, 1)
        filters, channels = MOST_KERNELS
        shown = weights[:filters, :channels]
        most = float(np.abs(weights).max()) or 1.0
        flat = shown.reshape(-1, *shown.shape[2:])
        return {
            "layer": layer,
            "filters": shown.shape[0],
            "channels": shown.shape[1],
            "shape": list(found.shape),
        } | packed(flat, -most, most)

    def occlusion(self, contents: bytes, query: dict[str, str]) -> dict[str, Any]:
        """Return where covering the image lowers the probability of a class (Zeiler and Fergus 2014, section 4.2).

        A square of `SHARE` of the side is put on up to `POSITIONS` places along each axis; a pixel's value is the mean
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
        from kcnn.explain.occlusion import mean_of_windows

        image = self._pixels(contents)
        whole = self._scores(image[None])[0]
        target, fill = _class_id(query, whole), query.get("fill", FILLS[0])
        if fill not in FILLS:
            raise ConfigError(f"fill is {fill!r} but must be one of {', '.join(FILLS)}.")
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        colour = np.median(border, axis=0) if fill == "background" else 128
        size, window, corners = image.shape[:2], *squares(*image.shape[:2])
        covered = np.repeat(image[None], len(corners), axis=0)
        for one, (y, x) in zip(covered, corners, strict=True):
            one[y : y + window[0], x : x + window[1]] = colour
        drops = whole[target] - self._scores(covered)[:, target]  # a .tflite has no graph to be asked by `occlusion`
        return self._about(target, whole) | evidence(mean_of_windows(drops[None], corners, window, size)[0])

    def explain(self, contents: bytes, query: dict[str, str]) -> dict[str, Any]:
        """Return which pixels speak for a class, by a method that looks inside.

        Args:
            contents: an encoded image.
            query: "method" of `kcnn.explain.methods.METHODS`; "class" as in `occlusion`; "layer" for some methods.

        Returns: {"label", "class_id", "probability"} and what `inside.explain` gives.

        Raises:
            ConfigError, UnknownNameError: as `inside.explain`; or the file holds no Keras network.
            DataError, ExportError: as `predict`.
        """
        image = self._pixels(contents)
        whole = self._scores(image[None])[0]
        target = _class_id(query, whole)
        model, record = self._network(), self._runner.preprocess
        with self._lock:
            method, softmax = query.get("method", "grad_cam"), not self._runner.facts.multi_label
            found = inside.explain(model, record, image, target, method, query.get("layer"), softmax)
        return self._about(target, whole) | found

    def attack(self, contents: bytes, query: dict[str, str]) -> dict[str, Any]:
        """Return a picture that differs by at most eps and is answered otherwise, where one is found.

        Args:
            contents: an encoded image.
            query: "method" of `inside.ATTACKS`; "eps" in pixels of 0..255.

        Returns: {"label", "class_id", "probability"} of the new "image", "before" the same of the old one,
            "success", and "most" and "map" of each pixel's largest change.

        Raises:
            ConfigError: as `inside.attack`; or the model gives no single label, or is no Keras network.
            DataError, ExportError: as `predict`.
        """
        image = self._pixels(contents)
        self._network()
        if self._runner.facts.multi_label:
            raise ConfigError("this model gives any number of labels, but an attack needs one that it can change.")
        with self._lock:
            self._victim = self._victim or _victim(self._model, self._runner)
            found = inside.attack(self._victim, image, query.get("method", "fgsm"), query.get("eps", "8"))
        after, before = (self._about(int(scores.argmax()), scores) for scores in (found.after[0], found.before[0]))
        strongest = np.abs(found.perturbation[0]).argmax(axis=-1)[..., None]
        change = np.take_along_axis(found.perturbation[0], strongest, axis=-1)[..., 0]
        return (
            after
            | {"before": before, "success": bool(found.success[0])}
            | evidence(change)
            | {"image": pixels(found.images[0])}
        )

    def _about(self, target: int, scores: np.ndarray) -> dict[str, Any]:
        return {"label": self._label(target), "class_id": target, "probability": float(scores[target])}

    def _network(self) -> "keras.Model":
        if self._model is None:
            raise ConfigError("a .tflite file cannot be looked into; open the run or the bundle it comes from.")
        return self._model

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
            self._parts[layer] = opening.up_to(self._model, self._layers[layer], self._runner)
        return self._parts[layer]


def _class_id(query: dict[str, str], scores: np.ndarray) -> int:
    """Return the class that is asked about, the surest unless one is named."""
    text = query.get("class", str(int(scores.argmax())))
    if not (text.isascii() and text.isdigit() and int(text) < len(scores)):
        raise ConfigError(f"class is {text[:40]!r} but must be a number from 0 to {len(scores) - 1}.")
    return int(text)


def _victim(model: Any, runner: "Runner") -> "Victim":
    from kcnn.adversarial.victim import Victim

    return Victim(model, runner.preprocess)


def squares(height: int, width: int) -> tuple[tuple[int, int], np.ndarray]:
    """Return (height, width) of the part that the occlusion test covers, and its corners (K, 2) on the image."""
    from kcnn.explain.occlusion import corners_of

    sides = max(1, round(height * SHARE)), max(1, round(width * SHARE))
    room = height - sides[0], width - sides[1]
    steps = [max(1, -(-left // (POSITIONS - 1))) for left in room]
    return sides, corners_of(sides, steps, (height, width))
