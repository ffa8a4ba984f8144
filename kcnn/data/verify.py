"""Images that cannot be read, found before training: the header first, then a decode of every file."""

import contextlib
import functools
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kcnn.data.headers import Header, check_header, is_cut_short
from kcnn.data.mask_check import count_pixels
from kcnn.data.source import Split
from kcnn.errors import DataError
from kcnn.recipe import DTYPES

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["BadExample", "Example", "Header", "check_budget", "check_header", "examine", "fault", "pixels", "scan"]

MAX_THREADS = 16
LARGE = 1 << 25  # pixels, about 100 MB as RGB: such images are decoded one at a time
_CHUNK = 32  # files a thread takes at a time
_WAVE = 8  # chunks of a stream that are looked at together; fewer examples than it keeps in memory
_NAMED = 3  # offenders that an error names


@dataclass(frozen=True)
class BadExample:
    """An example that cannot be read: its index in the split, where it comes from, and why, in one line."""

    index: int
    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """What is known of one example after a look at it.

    Attributes:
        index, name: its place in the split, and where it comes from.
        kind: "JPEG", "PNG", "GIF", "BMP", or "array" for pixels that were no file; "" when unreadable.
        size: (height, width) in pixels, upright; None when unreadable.
        digest: of shape and pixels, equal for equal pictures however they are stored; b"" unless asked for.
        mask: pixels of each value of its mask, int64 (256,), position = class id or `masks.IGNORE`; None without.
        reason: why it cannot be read, in one line; "" when it can.
    """

    index: int
    name: str
    kind: str = ""
    size: tuple[int, int] | None = None
    digest: bytes = b""
    mask: np.ndarray | None = None
    reason: str = ""


def scan(split: Split, max_bad_fraction: float = 0.0, advance: Callable[[int], None] | None = None) -> list[BadExample]:
    """Decode every image of `split` once and return those that cannot be read, in index order.

    Args:
        split: arrays are decoded already and cost nothing.
        max_bad_fraction: share of the split, 0..1, that may be unreadable.
        advance: called with the number of images done since its last call.

    Raises:
        DataError: more than that are unreadable, or all are; the first offenders are named.
    """
    if split.arrays is not None:
        return []
    bad = [BadExample(e.index, e.name, e.reason) for e in examine(split, advance=advance) if e.reason]
    check_budget(bad, split.size, max_bad_fraction)
    return bad


def check_budget(bad: list[BadExample], size: int, max_bad_fraction: float) -> None:
    """Raise DataError when `bad` is more than `max_bad_fraction` of `size` examples, or all of them."""
    if not bad or (len(bad) <= max_bad_fraction * size and len(bad) < size):
        return
    first = "; ".join(f"{example.name}: {example.reason}" for example in bad[:_NAMED])
    more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    raise DataError(
        f"{len(bad)} of {size} images cannot be read, more than data.max_bad_fraction={max_bad_fraction:g} allows: "
        f"{first}{more}. Mend or remove them (`kcnn check` lists all), or allow more with "
        "--set data.max_bad_fraction=SHARE."
    )


def examine(split: Split, *, digests: bool = False, advance: Callable[[int], None] | None = None) -> Iterator[Example]:
    """Yield one `Example` for each example of `split`, in index order; no bad one stops the rest.

    Args:
        split: any; its files are read and decoded on as many threads as there are processors.
        digests: also hash the pixels.
        advance: called with the number of images done since its last call.
    """
    look = _array_look(split, digests) if split.arrays is not None else _encoded_look(split, digests)
    threads = min(MAX_THREADS, os.cpu_count() or 1) if split.arrays is None else 1
    chunks = [range(at, min(at + _CHUNK, split.size)) for at in range(0, split.size, _CHUNK)]
    # of a stream only so many at once, so that no thread asks for what the others left behind
    wave = max(1, len(chunks)) if split.stream is None else _WAVE
    pool = ThreadPoolExecutor(threads, thread_name_prefix="kcnn-examine")
    try:
        for at in range(0, len(chunks), wave):
            for found in pool.map(lambda chunk: [look(index) for index in chunk], chunks[at : at + wave]):
                if advance is not None:
                    advance(len(found))
                yield from found
    finally:
        pool.shutdown(cancel_futures=True)


def pixels(split: Split) -> Callable[[int], np.ndarray]:
    """Return index -> (H, W, 1 or 3), as training sees it: uint8, or float32 where `split` keeps 16 bits.

    Unreadable images raise as `examine` catches.
    """
    if split.arrays is not None:
        return lambda index: split.arrays["image"][index].astype(DTYPES[split.bit_depth], copy=False)
    import tensorflow as tf

    decoded, contents = _decoder(split), split.contents
    if contents is None:
        return lambda index: decoded(tf.constant(index, tf.int64)).numpy()
    return lambda index: decoded(tf.constant(contents(index))).numpy()


def _array_look(split: Split, digests: bool) -> Callable[[int], Example]:
    images = split.arrays["image"]

    def look(index: int) -> Example:
        image = images[index]
        digest, mask = _digest(image) if digests else b"", count_pixels(split, index, image.shape[:2])
        return Example(
            index=index, name=split.names(index), kind="array", size=image.shape[:2], digest=digest, mask=mask
        )

    return look


def _encoded_look(split: Split, digests: bool) -> Callable[[int], Example]:
    """Return index -> Example; sources without `contents` are read through their graph operations."""
    import tensorflow as tf

    decoded = _decoder(split)
    one_at_a_time = threading.Lock()

    def look(index: int) -> Example:
        name, header, contents = split.names(index), Header("array", 0, 0), b""
        try:
            if split.contents is not None:
                contents = split.contents(index)
                header = check_header(contents)
            large = header.width * header.height > LARGE
            with one_at_a_time if large else contextlib.nullcontext():
                image = decoded(tf.constant(index, tf.int64) if split.contents is None else tf.constant(contents))
                digest = _digest(image.numpy()) if digests else b""
            size = (int(image.shape[0]), int(image.shape[1]))
            mask = count_pixels(split, index, size)
        except OSError as error:
            alone = split.masks and os.path.exists(split.masks[index])
            of_mask = f"; its mask {split.masks[index]} has no image" if alone else ""
            return Example(index=index, name=name, reason=f"cannot be opened: {error.strerror or error}{of_mask}")
        except DataError as error:
            return Example(index=index, name=name, reason=str(error))
        except tf.errors.OpError as error:
            return Example(index=index, name=name, reason=fault(error, header.kind, contents))
        return Example(index=index, name=name, kind=header.kind, size=size, digest=digest, mask=mask)

    return look


def _decoder(split: Split) -> Callable[["tf.Tensor"], "tf.Tensor"]:
    """Return what training makes of an example: bytes, or an index, -> (H, W, C) as `Split.read` gives it."""
    if split.contents is not None:
        return _file_decoder(split.bit_depth)
    return _traced(lambda i: split.read(i)["image"], "int64")


@functools.cache
def _file_decoder(bits: int) -> Callable[["tf.Tensor"], "tf.Tensor"]:
    from kcnn.data.decode import decode

    return _traced(functools.partial(decode, bit_depth=bits), "string")


def _traced(read: Callable[["tf.Tensor"], "tf.Tensor"], dtype: str) -> Callable[["tf.Tensor"], "tf.Tensor"]:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((), dtype)], autograph=False)
    def decoded(what: tf.Tensor) -> tf.Tensor:
        with tf.device("CPU"):
            return read(what)

    return decoded.get_concrete_function()  # traced here, once, not by the first threads at the same time


def fault(error: "tf.errors.OpError", kind: str, contents: bytes) -> str:
    """Return in one line why an image cannot be decoded, without TensorFlow's stack and node names.

    Args:
        error: what decoding raised.
        kind: as `Header` has it, or "array".
        contents: of the file, b"" where there is none.
    """
    text = str(getattr(error, "message", error)).partition("\n\t [[")[0].rpartition("\n\n")[2]
    text = re.sub(r"\{\{function_node [^}]*\}\}| ?\[Op:.*", "", text, flags=re.DOTALL)
    text = " ".join(text.split()).rstrip(" .")
    if kind == "array":
        return f"cannot be decoded: {text}"
    if is_cut_short(kind, contents):
        return f"{kind} cut short ({len(contents):,} bytes); fetch it again"
    return f"damaged {kind}: {text}"


def _digest(image: np.ndarray) -> bytes:
    start = repr(image.shape).encode()
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16, key=start).digest()
