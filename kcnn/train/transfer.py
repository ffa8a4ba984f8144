"""Transfer learning: the new head first, on features of the frozen rest; then everything, the rest more slowly."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import ConfigError, DataError, TrainingError
from kcnn.recipe import Recipe
from kcnn.tasks.optimizer import HEAD

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kcnn.train.job import Job
    from kcnn.train.progress import Console

HEAD_RATE = 1e-3  # of Adam
HEAD_BATCH = 32


def fit_head(
    model: "keras.Model", data: "tf.data.Dataset", *, epochs: int = 30, loss: Any = None, seed: int = 0
) -> dict[str, list[float]]:
    """Train the closing layer of `model` alone; the rest computes the features of `data` once.

    One pass through the frozen network, then `epochs` passes over its output, which cost next to nothing.

    Args:
        model: ends in a dense layer "logits" on a vector, as every network of `kcnn.build` does.
        data: finite batches of (inputs, targets), not augmented; all features must fit into memory.
        epochs: passes over the features, at least 1.
        loss: on (targets, logits); default sparse softmax cross-entropy, for integer labels.
        seed: of the order of the features.

    Returns: "loss" and "accuracy" of each epoch.

    Raises:
        ConfigError: `model` ends otherwise, or `epochs` is below 1.
        DataError: `data` is empty, not of (inputs, targets), or has labels outside the classes.
        TrainingError: the loss is not finite.
    """
    import keras
    import tensorflow as tf

    head = model.layers[-1]
    if head.name != HEAD or not isinstance(head, keras.layers.Dense) or len(head.input.shape) != 2:
        raise ConfigError(
            f"model {model.name!r} ends in {head.name!r} but the head alone can be trained only where it is a dense "
            f"layer {HEAD!r} on a vector. Set train.head_epochs to 0, or train the whole network."
        )
    trunk = keras.Model(model.inputs, head.input, name="trunk")
    if not isinstance(epochs, int) or epochs < 1:
        raise ConfigError(f"epochs is {epochs!r} but must be a whole number of at least 1.")
    x, y = _features(trunk, data)
    if y.ndim == 1 and not (y.dtype.kind in "iu" and y.min() >= 0 and y.max() < head.units):
        raise DataError(f"labels must be whole numbers in 0..{head.units - 1}, one per class of the head.")
    entry = keras.Input(head.input.shape[1:], name="features")
    alone = keras.Model(entry, head(entry), name="head")
    kind = keras.losses.SparseCategoricalCrossentropy if y.ndim == 1 else keras.losses.CategoricalCrossentropy
    batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed).batch(HEAD_BATCH)
    alone.compile(keras.optimizers.Adam(HEAD_RATE), loss or kind(from_logits=True), metrics=["accuracy"])
    history = alone.fit(batches, epochs=epochs, shuffle=False, verbose=0).history
    if not np.isfinite(history["loss"]).all():
        raise TrainingError("the head's loss is not finite: the images or the weights of the trunk hold NaN.")
    return {key: list(map(float, values)) for key, values in history.items()}


def _features(trunk: "keras.Model", data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what `trunk` computes of all inputs, and their targets.

    Raises:
        DataError: `data` is empty or not of (inputs, targets).
    """
    features, targets = [], []
    for batch in data:
        if not isinstance(batch, tuple) or len(batch) != 2:
            raise DataError(
                f"fit_head takes batches of (inputs, targets), as from kcnn.load, not {type(batch).__name__}."
            )
        features.append(np.asarray(trunk(batch[0], training=False), "float32"))
        targets.append(np.asarray(batch[1]))
    if not features:
        raise DataError("fit_head got no batch of data; there is nothing to learn from.")
    return np.concatenate(features), np.concatenate(targets)


def hold_norms(model: "keras.Model") -> None:
    """Make batch normalisation keep its statistics and weights, as fine-tuning on a few hundred images needs.

    A batch of 16 photos says less about means and variances than ImageNet did. Networks inside `model` count too.

    Raises:
        ConfigError: `model` is compiled already, and Keras would not notice.
    """
    import keras

    if model.compiled:
        raise ConfigError("hold_norms comes before `compile`: Keras reads once what is trainable.")
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            hold_norms(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def begin(job: "Job", console: "Console") -> None:
    """Give the model of a run that has not begun the weights its recipe names, and train its head alone.

    Raises:
        WeightsError, ResourceError, UnknownNameError: as `kcnn.build` with `weights`.
        ConfigError: as `fit_head`.
    """
    from kcnn import zoo

    recipe, settings = job.recipe, job.recipe.model
    if settings.weights:
        found = zoo.find(settings.name, settings.weights)
        whole = found.into(job.model)
        console.note(f"weights of {settings.weights}{'' if whole else ', with a new head'}")
        _check_pixels(recipe, found.preprocess, console)
    if recipe.train.head_epochs:
        data = job.task.dataset(recipe, job.source, "train", training=False, bad=job.bad["train"])
        history = fit_head(
            job.model, data, epochs=recipe.train.head_epochs, loss=job.model.loss, seed=recipe.train.seed
        )
        console.note(
            f"head alone, {recipe.train.head_epochs} epochs on cached features: "
            f"loss {history['loss'][-1]:.4f}, accuracy {history['accuracy'][-1]:.4f} on the training images"
        )


def _check_pixels(recipe: Recipe, expected: Any, console: "Console") -> None:
    here = recipe.preprocess
    if expected is not None and (here.scale, here.mean, here.std, here.channel_order) != (
        expected.scale,
        expected.mean,
        expected.std,
        expected.channel_order,
    ):
        console.warn(
            f"preprocess scales pixels by {here.scale:.4g}, mean {here.mean}, std {here.std}, {here.channel_order}; "
            f"these weights saw {expected.scale:.4g}, {expected.mean}, {expected.std}, {expected.channel_order}"
        )
