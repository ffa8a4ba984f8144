"""Where the arithmetic runs: one distribution strategy a process. Nothing else acts on which one it is."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kcnn.errors import ConfigError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def get(name: str) -> "tf.distribute.Strategy":
    """Return the strategy for a recipe's `train.strategy`; build models in its `scope()`.

    Args:
        name: "one" device, "mirrored" over all GPUs (over all logical CPUs where there is no GPU), or
            "auto": mirrored when there are several GPUs, else one.

    Raises:
        ConfigError: another name.
    """
    import tensorflow as tf

    if name not in ("auto", "one", "mirrored"):
        raise ConfigError(f"strategy is {name!r} but must be 'auto', 'one' or 'mirrored'.")
    if name == "mirrored" or (name == "auto" and len(tf.config.list_logical_devices("GPU")) > 1):
        return _mirrored()
    return tf.distribute.get_strategy()


@functools.cache
def _mirrored() -> "tf.distribute.Strategy":
    """One object for the whole process: the collectives of a second one hang on the first's."""
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    devices = [device.name for device in gpus or tf.config.list_logical_devices("CPU")]
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=reduction)


def adapt(
    strategy: "tf.distribute.Strategy", model: "keras.Model", element_spec: Callable[[], Any], *, statistics: bool
) -> None:
    """Make a compiled `model` ready for `strategy`; nothing happens where that has one replica.

    Args:
        strategy: what the model was built under.
        model: compiled, not trained yet.
        element_spec: gives the spec of the batches it will be trained on.
        statistics: let every batch normalisation take its statistics over all replicas.
    """
    import keras

    if strategy.num_replicas_in_sync == 1:
        return
    for layer in model._flatten_layers():
        if statistics and isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    build_metrics(strategy, model, element_spec())
    # All is built now. Keras would look again at each evaluation, by averaging the first batch over the replicas,
    # which reads a batch for nothing and fails where the replicas' slices are not equally long.
    model._maybe_symbolic_build = lambda **_: None


def build_metrics(strategy: "tf.distribute.Strategy", model: "keras.Model", element_spec: Any) -> None:
    """Make the variables of the metrics, which Keras leaves to the first step, so that they can be restored before."""
    with strategy.scope():
        model._symbolic_build(data_batch=element_spec)


def replica_parts(variable: Any) -> list[Any]:
    """Return what each replica holds of a metric's Keras variable, or the variable itself where there is one replica.

    Read as a whole, the parts are summed; given back as a whole, each replica would get an equal share and round
    otherwise than before.
    """
    return list(getattr(variable.value, "values", None) or [variable])


def spread(strategy: "tf.distribute.Strategy", dataset: "tf.data.Dataset", *, equal: bool) -> Any:
    """Return `dataset` dealt out to the replicas, each global batch cut into one slice per replica.

    TensorFlow's own cut leaves replicas without an example when the last batch is short, and the losses of uneven
    slices do not average to the loss of the whole batch. So with `equal` (training) a short batch is first filled up
    to a multiple of the replicas by repeating its first examples. Without (evaluation) slices may differ by one
    example, which every Keras metric weighs rightly, and only a batch smaller than the number of replicas is filled.
    """
    import tensorflow as tf

    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return dataset

    def slices(*batch: Any) -> "tf.data.Dataset":
        size = tf.shape(tf.nest.flatten(batch)[0])[0]
        wanted = -(-size // replicas) * replicas if equal else tf.maximum(size, replicas)
        filled = tf.nest.map_structure(lambda t: tf.gather(t, tf.range(wanted) % size), batch)

        def one(replica: "tf.Tensor") -> Any:
            replica = tf.cast(replica, tf.int32)
            begin, end = replica * wanted // replicas, (replica + 1) * wanted // replicas
            return tf.nest.map_structure(lambda t: t[begin:end], filled)

        return tf.data.Dataset.range(replicas).map(one)

    return strategy.distribute_datasets_from_function(lambda _: dataset.flat_map(slices).prefetch(2 * replicas))


def validation(strategy: "tf.distribute.Strategy", dataset: "tf.data.Dataset", steps: int) -> dict[str, Any]:
    """Return the arguments that make `fit` validate on `dataset`, one pass of `steps` batches, after each epoch."""
    if strategy.num_replicas_in_sync == 1:
        return {"validation_data": dataset}
    # Keras keeps one iterator over dealt-out batches for all epochs, so the pass is repeated and its steps counted
    return {"validation_data": spread(strategy, dataset.repeat(), equal=False), "validation_steps": steps}
