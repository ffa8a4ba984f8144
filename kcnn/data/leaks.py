"""The same picture in "train" and in a split that measures: found by content before training."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kcnn.data.source import Split
from kcnn.errors import DataError

_NAMED = 10
_THREADS = 8
Pairs = list[tuple[int, int]]


def leaks(train: Split, other: Split) -> Pairs:
    """Return (index in `train`, index in `other`) of examples whose files, or arrays, hold the same bytes.

    Each example of `other` comes up at most once, in index order. Files are read only where one of the same length is
    in both splits. Of splits that are neither arrays nor files (`contents` is None) nothing is known, nor of files
    that cannot be read.
    """
    lengths = [_lengths(part) for part in (train, other)]
    common = np.intersect1d(*lengths)
    candidates = [np.flatnonzero(np.isin(length, common) & (length > 0)) for length in lengths]
    if not all(map(len, candidates)):
        return []
    places: dict[bytes, int] = {}
    for index, digest in zip(candidates[0].tolist(), _digests(train, candidates[0]), strict=True):
        places.setdefault(digest, index)
    found = zip(candidates[1].tolist(), _digests(other, candidates[1]), strict=True)
    return [(places[digest], index) for index, digest in found if digest and digest in places]


def check_leaks(train: Split, other: Split, name: str, max_fraction: float) -> Pairs:
    """Return `leaks`.

    Args:
        train, other: without what cannot be read.
        name: of the split `other`.
        max_fraction: share of `other`, 0..1, that may be in `train` too.

    Raises:
        DataError: more than that are; the first ten are named.
    """
    pairs = leaks(train, other)
    if pairs and len(pairs) > max_fraction * other.size:
        first = "; ".join(f"{other.names(j)} = {train.names(i)}" for i, j in pairs[:_NAMED])
        more = f"; and {len(pairs) - _NAMED:,} more" if len(pairs) > _NAMED else ""
        raise DataError(
            f"{len(pairs):,} of {other.size:,} images of {name!r} are in 'train' too, more than "
            f"data.max_leaked_fraction={max_fraction:g} allows: {first}{more}. What is measured on them is memory. "
            "Remove them from one of the two, or allow more with --set data.max_leaked_fraction=SHARE."
        )
    return pairs


def _lengths(split: Split) -> np.ndarray:
    """Return the bytes of each example, int64 (N,), 0 where they are not known."""
    if split.arrays is not None:
        return np.full(split.size, split.arrays["image"][:1].nbytes, np.int64)
    if split.files:
        return np.array([_length(lambda file=file: os.path.getsize(file)) for file in split.files], np.int64)
    if split.contents is None:
        return np.zeros(split.size, np.int64)
    return np.array([_length(lambda i=i: len(split.contents(i))) for i in range(split.size)], np.int64)


def _length(measure: Callable[[], int]) -> int:
    try:
        return measure()
    except OSError:
        return 0


def _digests(split: Split, indices: np.ndarray) -> list[bytes]:
    """Return a hash of the bytes of each example at `indices`, b"" of one that cannot be read."""

    def digest(index: int) -> bytes:
        try:
            content = np.ascontiguousarray(images[index]).data if split.arrays else split.contents(index)
        except (OSError, DataError):
            return b""
        return hashlib.blake2b(content, digest_size=16).digest()

    images = split.arrays["image"] if split.arrays else None
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="kcnn-leaks") as pool:
        return list(pool.map(digest, indices.tolist(), chunksize=64))
