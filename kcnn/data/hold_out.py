"""Parts of a split that are always the same ones: the validation share, and a limited number."""

import dataclasses

import numpy as np

from kcnn.data.source import Source, Split
from kcnn.errors import DataError


def with_validation(source: Source, fraction: float) -> Source:
    """Move `fraction` of "train" to "validation" where the source has none; 0 leaves the source as it is.

    The share is taken evenly from each class, in index order, without a seed: every run and every machine
    holds out the same examples. Classes too small for the share give none.

    Raises:
        DataError: so few examples that one of the two splits would be empty.
    """
    if "validation" in source.splits or fraction == 0:
        return source
    train = source.split("train")
    held = _spread(train.labels, fraction)
    if not 0 < held.sum() < train.size:
        raise DataError(
            f"{source.info.name}: {fraction:.0%} of {train.size} training examples cannot be held out for validation. "
            "Add examples, bring a validation split, or change data.validation (0 holds nothing out)."
        )
    parts = {"train": train.subset(np.flatnonzero(~held)), "validation": train.subset(np.flatnonzero(held))}
    return _replace(source, {**source.splits, **parts})


def limited(source: Source, limit: int) -> Source:
    """Keep at most `limit` examples of each split, evenly spread over it; 0 keeps all."""
    if limit == 0 or all(split.size <= limit for split in source.splits.values()):
        return source
    return _replace(source, {name: _thinned(split, limit) for name, split in source.splits.items()})


def _thinned(split: Split, limit: int) -> Split:
    return split if split.size <= limit else split.subset(np.arange(limit) * split.size // limit)


def _spread(labels: np.ndarray, fraction: float) -> np.ndarray:
    """Return bool (N,): of every class the examples at which `rank * fraction` reaches a new whole number."""
    held = np.zeros(len(labels), bool)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)] if labels.ndim == 1 else [...]
    for group in groups:
        ranks = np.floor(np.arange(len(held[group]) + 1) * fraction + 1e-9)
        held[group] = np.diff(ranks) > 0
    return held


def _replace(source: Source, splits: dict[str, Split]) -> Source:
    info = dataclasses.replace(source.info, splits={name: split.size for name, split in splits.items()})
    return Source(info=info, splits=splits)
