"""The network under attack, seen from the pixels: logits and gradients of images 0..255, whatever the model expects."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.adversarial.aim import Aim
from kcnn.adversarial.climb import climb
from kcnn.data.preprocess import normalise
from kcnn.errors import ConfigError, ShapeError
from kcnn.ops import graph
from kcnn.ops.arithmetic import whole
from kcnn.ops.arrays import numbers
from kcnn.recipe import Preprocess

Objective = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
NUMBER, COUNT, TARGETS = tf.TensorSpec((), tf.float32), tf.TensorSpec((), tf.int32), tf.TensorSpec(None, tf.float32)
PROBES = 4  # images on which gradients are looked for
TINY = 1e-30  # least probability whose logarithm is taken


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy (N,) of (N, classes) logits and class ids (N,)."""
    labels = tf.cast(tf.reshape(labels, (-1,)), tf.int32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def check_victim(victim: Any) -> "Victim":
    """Return `victim`.

    Raises:
        ConfigError: it is something else, such as the model itself.
    """
    if not isinstance(victim, Victim):
        raise ConfigError(f"victim is {victim!r:.80} but must be Victim(model, preprocess).")
    return victim


def weighted_sum(logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return the sum (N,) of (N, classes) logits, each times its weight; its gradient is that of any linear score."""
    return tf.reduce_sum(logits * tf.cast(weights, tf.float32), axis=-1)


@dataclass(frozen=True, eq=False)
class Victim:
    """A classifier and the record that says how pixels become its inputs.

    Attributes:
        model: from (N, H, W, C) inputs to (N, classes) logits; where it ends in softmax, their logarithm stands in.
        preprocess: size, scale, mean, std and channel order that the model expects.
        batch_size: images computed at once; bounds the memory.
    """

    model: keras.Model
    preprocess: Preprocess
    batch_size: int = 32
    _traced: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.preprocess, Preprocess):
            raise ConfigError(f"preprocess is {self.preprocess!r:.80} but must be a kcnn.recipe.Preprocess.")
        known = isinstance(self.model, keras.Model) and bool(getattr(self.model, "inputs", None))
        if not known:
            raise ShapeError(
                f"model is {self.model!r:.80}, whose input is not known; give a functional or Sequential model, or "
                "wrap yours: keras.Model(inputs, yours(inputs)) of inputs = keras.Input(shape).",
                expected="a built functional or Sequential model",
                actual=None,
            )
        ins, outs = self.model.inputs, self.model.outputs
        right = len(ins) == len(outs) == 1 and len(ins[0].shape) == 4 and len(outs[0].shape) == 2
        wanted = (None, *self.preprocess.image_shape)
        fits = right and all(a in (None, b) for a, b in zip(ins[0].shape[1:], wanted[1:], strict=True))
        if not fits or outs[0].shape[-1] < 2:
            raise ShapeError(
                f"model {self.model.name!r} maps {[t.shape for t in ins]} to {[t.shape for t in outs]}, but an attack "
                f"needs one image {wanted} as preprocess says, and (None, classes) scores of at least two classes.",
                expected=wanted,
                actual=[t.shape for t in ins],
            )
        whole("batch_size", self.batch_size, 1)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.model.outputs[0].shape[-1])

    def scores(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return (N, classes) float32 logits of (N, H, W, C) float pixels 0..255, as graph operations."""
        outputs = tf.cast(self.model(normalise(pixels, self.preprocess), training=False), tf.float32)
        return tf.math.log(tf.maximum(outputs, TINY)) if self._is_softmax else outputs

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return (N, classes) float32 logits of (N, H, W, C) images, uint8 or float 0..255.

        Raises:
            ConfigError: they are not finite; or `images` are no numbers.
            ShapeError: images of another shape.
        """
        found = self.batched(self._logits, self._shaped(images))[0]
        if not np.isfinite(found).all():
            raise ConfigError(self._not_finite)
        return found

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the class ids (N,) that the model gives to images, uint8 or float 0..255."""
        return self.logits(images).argmax(axis=-1)

    def gradient(self, images: np.ndarray, objective: Objective, targets: np.ndarray) -> tuple[np.ndarray, ...]:
        """Differentiate a score of the logits by the pixels.

        Args:
            images: (N, H, W, C) float, 0..255.
            objective: (logits (N, classes), targets of the batch) -> (N,); a named function, as it is traced once.
            targets: (N, ...) handed on to `objective`.

        Returns: gradient (N, H, W, C) per unit of a pixel, logits (N, classes); float32.

        Raises:
            ConfigError: no gradient reaches the pixels (the layer is named), or it is not finite; or as `logits`.
            ShapeError: images of another shape.
        """
        images, targets = self._shaped(images), numbers("targets", targets).astype("float32")
        if not callable(objective) or targets.shape[:1] != images.shape[:1]:
            raise ConfigError(
                f"objective is {objective!r:.80} and targets {targets.shape}, but they must be a function of logits "
                f"and targets, and one target for each of {len(images)} images."
            )
        self.check_gradients(images)
        found = self.batched(self._gradient(objective), images, targets)
        if not np.isfinite(found[0]).all():
            raise ConfigError(self._not_finite)
        return found

    def batched(self, function: Callable[..., tuple[Any, ...]], *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Call `function` on `batch_size` rows of the arrays at a time and join what it returns."""
        count = len(arrays[0])
        parts = [
            function(*(tf.constant(array[at : at + self.batch_size]) for array in arrays))
            for at in range(0, count, self.batch_size)
        ]
        return tuple(np.concatenate([np.asarray(part) for part in column]) for column in zip(*parts, strict=True))

    def aim(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        target: int | np.ndarray | None = None,
        *,
        whole: bool = True,
    ) -> Aim:
        """Say what an attack is to change; everything is checked here, before work starts.

        Args:
            images: (N, H, W, C), uint8 or float 0..255, at the size of `preprocess`; N >= 1.
            labels: (N,) class ids to lead away from; by default what the model says.
            target: class id, or one each, to lead to; by default any other than the label.
            whole: round results to uint8, within the bound that was asked for; False keeps fractions of a pixel.

        Raises:
            ShapeError: images of another size or number of channels, or labels of another length.
            ConfigError: pixels outside 0..255, or labels or targets outside the classes or equal to each other; or
                `whole` where `preprocess` keeps 16 bits.
        """
        if whole and self.preprocess.bit_depth == 16:
            raise ConfigError(
                "attacks round images to uint8, but preprocess.bit_depth=16 of this network keeps more than that; ask "
                "Victim.aim for whole=False, which `kcnn attack` and the page cannot write as pictures."
            )
        pixels = self._checked(images)
        labels = self.predict(pixels) if labels is None else self._ids("labels", labels, len(pixels))
        if target is not None:
            target = numbers("target", target)
            target = np.broadcast_to(target, len(pixels)) if target.ndim == 0 else target
            target = self._ids("target", target, len(pixels))
            if (target == labels).any():
                raise ConfigError(
                    f"target of image {int(np.argmax(target == labels))} is its own class {labels[target == labels][0]}"
                    "; choose another class, or leave such images out."
                )
        return Aim(self, pixels, labels, target, whole)

    def check_gradients(self, images: np.ndarray) -> None:
        """Find out, until they are once, whether gradients reach the pixels.

        Args:
            images: (N, H, W, C) float, 0..255; the first few are tried, and noise where they give none.

        Raises:
            ConfigError: they do not, with the layer that stops them, or they are not finite.
        """
        if self._traced.get("gradients are there"):
            return
        for pixels in (images[:PROBES].astype("float32"), self._noise):
            weights = np.random.default_rng(0).uniform(0.5, 1, (len(pixels), self.classes)).astype("float32")
            slopes = self._gradient(weighted_sum)(tf.constant(pixels), tf.constant(weights))[0].numpy()
            if not np.isfinite(slopes).all():
                raise ConfigError(self._not_finite)
            if slopes.any():
                self._traced["gradients are there"] = True
                return
        raise ConfigError(
            f"no gradient of model {self.model.name!r} reaches its pixels: {self._blocker(images[:PROBES])}. "
            "Its operation is not differentiable, or all its units are off. Use a differentiable one, train the "
            "model again, or attack without gradients (one_pixel)."
        )

    @property
    def _not_finite(self) -> str:
        return (
            f"model {self.model.name!r} gives answers or gradients that are not finite (NaN or infinite). Its weights "
            "may have overflowed: train it again with a smaller train.learning_rate, and check `preprocess`."
        )

    @functools.cached_property
    def _is_softmax(self) -> bool:
        last = list(graph.calls(self.model))[-1].layer
        return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax

    @functools.cached_property
    def _logits(self) -> Callable[..., Any]:
        return tf.function(lambda pixels: (self.scores(pixels),), input_signature=[self._spec], autograph=False)

    def _gradient(self, objective: Objective) -> Callable[..., Any]:
        """In a graph: eager gradients would also be taken by the kernels, which nobody asks for."""

        def slopes(pixels: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(pixels)
                logits = self.scores(pixels)
                total = tf.reduce_sum(objective(logits, targets))
            return tape.gradient(total, pixels, unconnected_gradients=tf.UnconnectedGradients.ZERO), logits

        return self._trace(objective, slopes, self._spec, TARGETS)

    def climber(self, norm: str) -> Callable[..., tuple[tf.Tensor]]:
        """Return the graph behind `kcnn.adversarial.climb.ascend`, traced once for each norm."""

        def climbing(sign: tf.Tensor, eps: tf.Tensor, step: tf.Tensor, steps: tf.Tensor, *batch: tf.Tensor) -> Any:
            pixels, start, goal = batch

            def loss(x: tf.Tensor) -> tf.Tensor:
                return sign * cross_entropy(self.scores(x), goal)

            return (climb(loss, pixels, start, eps=eps, step=step, steps=steps, norm=norm),)

        return self._trace(norm, climbing, NUMBER, NUMBER, NUMBER, COUNT, self._spec, self._spec, TARGETS)

    def _trace(self, key: Any, function: Callable[..., Any], *specs: tf.TensorSpec) -> Callable[..., Any]:
        if key not in self._traced:
            self._traced[key] = tf.function(function, input_signature=specs, autograph=False)
        return self._traced[key]  # type: ignore[no-any-return]

    @property
    def _spec(self) -> tf.TensorSpec:
        return tf.TensorSpec((None, *self.preprocess.image_shape), tf.float32)

    @property
    def _noise(self) -> np.ndarray:
        return np.random.default_rng(0).uniform(0, 255, (PROBES, *self.preprocess.image_shape)).astype("float32")

    def _blocker(self, images: np.ndarray) -> str:
        """Name the first layer behind which no gradient is left."""

        def slopes(pixels: tf.Tensor, row: int) -> tf.Tensor:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(pixels)
                values = tf.cast(graph.run(self.model, [normalise(pixels, self.preprocess)], row), tf.float32)
                total = tf.reduce_sum(values * tf.random.stateless_uniform(tf.shape(values), (1, 2)))
            return tape.gradient(total, pixels, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        trace, probe = tf.function(slopes, autograph=False), tf.constant(np.concatenate([images, self._noise]))
        reached = True
        for row, call in enumerate(graph.calls(self.model)):
            before, reached = reached, bool(np.any(trace(probe, row)))
            if before and not reached:
                return f"layer {call.name!r} ({type(call.layer).__name__}) has none"
        return "its scores do not depend on them"

    def _checked(self, images: Any) -> np.ndarray:
        pixels = self._shaped(images)
        if not (pixels.min() >= 0 and pixels.max() <= 255):  # a NaN fails too
            raise ConfigError(
                f"images have values {pixels.min():g}..{pixels.max():g} but an attack works on pixels 0..255, before "
                "any scaling; give the images as they were decoded."
            )
        return pixels

    def _shaped(self, images: Any) -> np.ndarray:
        images = numbers("images", images)
        wanted = self.preprocess.image_shape
        if images.ndim != 4 or images.shape[1:] != wanted or not len(images):
            raise ShapeError(
                f"images are {images.shape} but must be (N, {', '.join(map(str, wanted))}), N >= 1; "
                "resize them with kcnn.data.preprocess.prepare.",
                expected=(None, *wanted),
                actual=images.shape,
            )
        return images.astype("float32")

    def _ids(self, what: str, values: Any, count: int) -> np.ndarray:
        found = numbers(what, values)
        if found.shape != (count,):
            raise ShapeError(
                f"{what} are {found.shape} but must be one class id for each of {count} images.",
                expected=(count,),
                actual=found.shape,
            )
        if found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= self.classes:
            raise ConfigError(
                f"{what} lie in {found.min()}..{found.max()} ({found.dtype}) but must be whole numbers in "
                f"0..{self.classes - 1}: the model has {self.classes} classes."
            )
        return found.astype("int64")
