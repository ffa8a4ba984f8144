"""Examples that can only be read one after another: a split of them, and their blocks in a mixed order."""

import contextlib
import functools
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from kcnn.data import order
from kcnn.data.decode import decode
from kcnn.data.source import Split
from kcnn.errors import DataError

BLOCK = 512  # examples that training holds in memory to mix their order
KEPT = 512  # examples that stay in memory behind the reader, for threads that are a little late
REMEMBERED = 256  # blocks whose place is known: more than what is prefetched
PREFIX = "stream/"  # of a place's names in a checkpoint


def stream_split(stream: Callable[[], tf.data.Dataset], labels: np.ndarray, name: str) -> Split:
    """Make a split of encoded images that are read in order; example i is called `name[i]`.

    Training reads the stream. `read` and `contents` walk to the example asked for: cheap in index order, and from the
    beginning for one that lies behind.

    Args:
        stream: gives the encoded images (strings) in index order, the same at each call.
        labels: as `Split` has them.
    """
    walk = _Walk(stream, len(labels))

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


class Places:
    """Where the blocks of a stream begin: the state of TensorFlow's iterator there, a few kilobytes each.

    Filled by whoever reads the stream, for the blocks just read; a checkpoint holds the one that training is in.

    Args:
        saved: tensors of a checkpoint; those whose name begins with `PREFIX` count.
    """

    def __init__(self, saved: Mapping[str, np.ndarray] | None = None):
        self._states: OrderedDict[int, dict[str, np.ndarray]] = OrderedDict()
        for name, content in (saved or {}).items():
            if name.startswith(PREFIX):
                number, _, file = name.removeprefix(PREFIX).partition("/")
                self._states.setdefault(int(number), {})[file] = content

    def at(self, position: int) -> dict[str, np.ndarray]:
        """Return the place of the block with the example at `position` of an epoch; empty where it is not known."""
        number = position // BLOCK
        return {f"{PREFIX}{number}/{file}": content for file, content in self._states.get(number, {}).items()}

    def remember(self, number: int, iterator: tf.data.Iterator) -> bool:
        """Note where block `number` begins, before it is read; False where TensorFlow cannot tell.

        It cannot where Python or chance has a part in the stream.
        """
        state = {}
        try:
            with _memory() as folder:
                tf.train.Checkpoint(iterator=iterator).write(f"{folder}/place")
                for name in tf.io.gfile.listdir(folder):
                    with tf.io.gfile.GFile(f"{folder}/{name}", "rb") as file:
                        state[name] = np.frombuffer(file.read(), np.uint8)
        except (tf.errors.FailedPreconditionError, tf.errors.UnimplementedError):
            return False
        self._states[number] = state
        while len(self._states) > REMEMBERED:
            self._states.popitem(last=False)
        return True

    def restore(self, number: int, iterator: tf.data.Iterator) -> bool:
        """Bring an unused iterator to block `number`; False where its place is not known or another stream's."""
        if number not in self._states:
            return False
        try:
            with _memory() as folder:
                for name, content in self._states[number].items():
                    with tf.io.gfile.GFile(f"{folder}/{name}", "wb") as file:
                        file.write(content.tobytes())
                tf.train.Checkpoint(iterator=iterator).read(f"{folder}/place").assert_consumed()
        except tf.errors.OpError:
            return False
        return True


class Blocks:
    """Reads a stream block by block: on from where it stands, else from a known place, else from the beginning."""

    def __init__(self, split: Split):
        self._split = split
        self._places = split.places or Places()
        self._lock = threading.Lock()
        self._iterator: tf.data.Iterator | None = None
        self._next = 0
        self._savable = True

    def read(self, number: int) -> np.ndarray:
        """Return the encoded images of block `number`, an object array of bytes.

        Raises:
            DataError: the stream is shorter than its labels, or cannot be read.
        """
        with self._lock:
            if self._iterator is None or number != self._next:
                self._seek(number)
            if number and self._savable:
                self._savable = self._places.remember(number, self._iterator)
            return self._pull()

    def _seek(self, number: int) -> None:
        rows = self._split.stream().batch(BLOCK)
        self._iterator, self._next = iter(rows), number
        if number and not self._places.restore(number, self._iterator):
            self._iterator, self._next = iter(rows), 0
            while self._next < number:
                self._pull()

    def _pull(self) -> np.ndarray:
        first = self._next * BLOCK
        try:
            contents: np.ndarray = next(self._iterator).numpy()
        except (StopIteration, tf.errors.OpError) as error:
            self._iterator = None
            raise broken_off(first, self._split.size, error) from error
        if len(contents) != min(BLOCK, self._split.size - first):
            self._iterator = None
            raise broken_off(first + len(contents), self._split.size, StopIteration())
        self._next += 1
        return contents


def mixed(blocks: Blocks, size: int, *, seed: int, epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
    """Return (index, encoded image) of every example once: the stream's order, mixed within blocks of `BLOCK`.

    The order is a function of (seed, epoch); `positions` gives it without reading.

    Args:
        blocks: what reads them. size: examples of the stream.
        seed, epoch: as in `kcnn.data.order`.
        first: block to begin with.
    """

    @tf.autograph.experimental.do_not_convert
    def mix(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        contents = tf.ensure_shape(tf.numpy_function(lambda n: blocks.read(int(n)), [number], tf.string), (None,))
        held = tf.shape(contents, tf.int64)[0]
        places = order.permutation(tf.range(held), seed=seed, epoch=epoch, size=held, part=number)
        return number * BLOCK + places, tf.gather(contents, places)

    return tf.data.Dataset.range(first, -(-size // BLOCK)).map(mix).unbatch()


def positions(first: int, last: int, *, size: int, seed: int, epoch: int) -> Iterator[int]:
    """Yield which examples `mixed` gives at the positions `first` to `last - 1` of an epoch."""
    for number in range(first // BLOCK, -(-last // BLOCK)):
        begin = number * BLOCK
        held = min(BLOCK, size - begin)
        wanted = tf.range(max(first - begin, 0), min(last - begin, held), dtype=tf.int64)
        places = order.permutation(wanted, seed=seed, epoch=tf.constant(epoch), size=held, part=number)
        yield from (begin + places.numpy()).tolist()


def broken_off(at: int, size: int, error: Exception) -> DataError:
    """Return what to say of a stream that gives no example `at`, though it should have `size`."""
    reason = "it ends there" if isinstance(error, StopIteration) else " ".join(str(error).split())[:200]
    return DataError(
        f"the stream breaks off before example {at:,} of {size:,} ({reason}); what lies behind cannot be read. Prepare "
        "the data again."
    )


class _Walk:
    """Reads a stream by index: forward from where it stands, from the beginning where it must; for any thread."""

    def __init__(self, stream: Callable[[], tf.data.Dataset], size: int):
        self._stream, self._size = stream, size
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._rows: Iterator[bytes] = iter(())
        self._at = 0
        self._broken: tuple[int, DataError] | None = None

    def contents(self, index: int) -> bytes:
        with self._lock:
            if index in self._kept:
                return self._kept[index]
            if self._broken and index >= self._broken[0]:  # after an error TensorFlow goes on with another file
                raise self._broken[1]
            if index < self._at or not self._at:
                self._rows, self._at = iter(self._stream().as_numpy_iterator()), 0
                self._kept.clear()
            while self._at <= index:
                self._kept[self._at] = self._pull()
                self._at += 1
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return self._kept[index]

    def _pull(self) -> bytes:
        try:
            return next(self._rows)
        except (StopIteration, tf.errors.OpError) as error:
            self._broken = self._at, broken_off(self._at, self._size, error)
            raise self._broken[1] from error


@contextlib.contextmanager
def _memory() -> Iterator[str]:
    """Yield a folder of TensorFlow's file system in memory, which needs no room on a disk and leaves no secrets."""
    folder = f"ram://kcnn/{uuid.uuid4().hex}"
    tf.io.gfile.makedirs(folder)
    try:
        yield folder
    finally:
        tf.io.gfile.rmtree(folder)
