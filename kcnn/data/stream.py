"""Examples that can only be read one after another: a split of them, and batches in a mixed order."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from kcnn.data import order
from kcnn.data.decode import decode
from kcnn.data.source import Split

BLOCK = 512  # examples that training holds in memory to mix their order
KEPT = 512  # examples that stay in memory behind the reader, for threads that are a little late


def stream_split(stream: Callable[[], tf.data.Dataset], labels: np.ndarray, name: str) -> Split:
    """Make a split of encoded images that are read in order; example i is called `name[i]`.

    Training reads the stream. `read` and `contents` walk to the example asked for: cheap in index order, and from the
    beginning for one that lies behind.

    Args:
        stream: gives the encoded images (strings) in index order, the same at each call.
        labels: as `Split` has them.
    """
    walk = _Walk(stream)

    def read(index: tf.Tensor, bit_depth: int = 8) -> dict[str, tf.Tensor]:
        content = tf.numpy_function(lambda i: walk.contents(int(i)), [index], tf.string)
        image = decode(tf.ensure_shape(content, ()), bit_depth=bit_depth)
        return {"image": image, "label": tf.gather(labels, index)}

    return Split(
        size=len(labels),
        read=read,
        deep=functools.partial(read, bit_depth=16),
        labels=labels,
        names=lambda index: f"{name}[{index}]",
        contents=walk.contents,
        stream=stream,
    )


def mixed(split: Split, *, seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
    """Return (index, encoded image) of every example once: the stream's order, mixed within blocks of `BLOCK`.

    The order is a function of (seed, epoch); `positions` gives it without reading.
    """

    @tf.autograph.experimental.do_not_convert
    def mix(number: tf.Tensor, contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = tf.shape(contents, tf.int64)[0]
        places = order.permutation(tf.range(size), seed=seed, epoch=epoch, size=size, part=number)
        return number * BLOCK + places, tf.gather(contents, places)

    return split.stream().batch(BLOCK).enumerate().map(mix).unbatch()


def positions(first: int, last: int, *, size: int, seed: int, epoch: int) -> Iterator[int]:
    """Yield which examples `mixed` gives at the positions `first` to `last - 1` of an epoch."""
    for number in range(first // BLOCK, -(-last // BLOCK)):
        begin = number * BLOCK
        held = min(BLOCK, size - begin)
        wanted = tf.range(max(first - begin, 0), min(last - begin, held), dtype=tf.int64)
        places = order.permutation(wanted, seed=seed, epoch=tf.constant(epoch), size=held, part=number)
        yield from (begin + places.numpy()).tolist()


class _Walk:
    """Reads a stream by index: forward from where it stands, from the beginning where it must; for any thread."""

    def __init__(self, stream: Callable[[], tf.data.Dataset]):
        self._stream = stream
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._rows: Iterator[bytes] = iter(())
        self._at = 0

    def contents(self, index: int) -> bytes:
        with self._lock:
            if index in self._kept:
                return self._kept[index]
            if index < self._at or not self._at:
                self._rows, self._at = iter(self._stream().as_numpy_iterator()), 0
                self._kept.clear()
            while self._at <= index:
                self._kept[self._at] = next(self._rows)
                self._at += 1
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return self._kept[index]
