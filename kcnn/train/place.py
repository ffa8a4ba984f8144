"""Where training stands in data that can only be read in order: the state of TensorFlow's iterator, as arrays."""

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

PREFIX = "stream/"  # of their names in a checkpoint


class Placed(tf.data.Dataset):  # type: ignore[misc]  # TensorFlow has no types
    """Batches whose place can be saved, at the batch that was last taken, and given back in another process.

    Keras makes the iterators inside `fit`; the latest is remembered. Its state holds what was read and not yet trained
    on: the rest of the block that is being mixed, and the batches that are ready.

    Args:
        batches: of a `savable` stream; the same graph as when the place was saved.
        place: what `place` returned, to begin there; None begins at the first batch.
    """

    def __init__(self, batches: tf.data.Dataset, place: Mapping[str, np.ndarray] | None = None):
        options = tf.data.Options()  # decoding asserts, which counts as state
        options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
        self._batches, self._place = batches.with_options(options), place
        self._iterator: Any = None
        super().__init__(self._batches._variant_tensor)

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._batches]

    @property
    def element_spec(self) -> Any:
        """What a batch is made of."""
        return self._batches.element_spec

    def __iter__(self) -> Any:
        self._iterator = iter(self._batches)
        if self._place:
            with _memory() as folder:
                for name, content in self._place.items():
                    with tf.io.gfile.GFile(f"{folder}/{name.removeprefix(PREFIX)}", "wb") as file:
                        file.write(content.tobytes())
                tf.train.Checkpoint(iterator=self._iterator).read(f"{folder}/place").assert_consumed()
        return self._iterator

    def fits(self) -> bool:
        """Return whether the place can be taken up: not where another TensorFlow or pipeline has saved it."""
        try:
            iter(self)
        except tf.errors.OpError:
            return False
        return True

    def place(self) -> dict[str, np.ndarray]:
        """Return names that begin with `PREFIX` and uint8 arrays (N,)."""
        found = {}
        with _memory() as folder:
            tf.train.Checkpoint(iterator=self._iterator).write(f"{folder}/place")
            for name in sorted(tf.io.gfile.listdir(folder)):
                with tf.io.gfile.GFile(f"{folder}/{name}", "rb") as file:
                    found[PREFIX + name] = np.frombuffer(file.read(), np.uint8)
        return found


def savable(rows: tf.data.Dataset) -> bool:
    """Return whether TensorFlow can save a place in `rows`: not where Python or chance has a part in them."""
    try:
        with _memory() as folder:
            tf.train.Checkpoint(iterator=iter(rows)).write(f"{folder}/place")
    except (tf.errors.FailedPreconditionError, tf.errors.UnimplementedError):
        return False
    return True


@contextlib.contextmanager
def _memory() -> Iterator[str]:
    """Yield a folder of TensorFlow's file system in memory, which needs no room on a disk and leaves no secrets."""
    folder = f"ram://kcnn/{uuid.uuid4().hex}"
    tf.io.gfile.makedirs(folder)
    try:
        yield folder
    finally:
        tf.io.gfile.rmtree(folder)
