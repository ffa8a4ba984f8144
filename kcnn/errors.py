"""Typed errors: every mistake kcnn can name, and the exit code its command line gives for it.

A message says what was found, what was expected and what to do. `exit_code` is 2 where the user can mend
the call and 3 where the surroundings must change (a busy run directory, a full disk, a missing package).
"""

import difflib
from collections.abc import Iterable

MOST_LISTED = 20  # names that still make a readable message


class KcnnError(Exception):
    """Base of all errors that kcnn raises on purpose."""

    exit_code = 2


class ConfigError(KcnnError, ValueError):
    """A setting, flag, recipe or argument has a value that cannot work."""


class ShapeError(KcnnError, ValueError):
    """An array or image has another shape than the one asked for."""

    def __init__(self, message: str, *, expected: object, actual: object):
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class DataError(KcnnError, ValueError):
    """A data set, a label or an image file is not what its place promises."""


class UnknownNameError(KcnnError, LookupError):
    """A name that no table holds; `nearest` lists the closest ones that exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = ""):
        known = sorted(known)
        self.name = name
        self.nearest = nearest(name, known)
        meant = f" Did you mean {' or '.join(repr(n) for n in self.nearest)}?" if self.nearest else ""
        everything = f"Known: {', '.join(known) or 'none'}."
        listing = hint or (everything if len(known) <= MOST_LISTED else f"`kcnn list` shows all {len(known)}.")
        super().__init__(f"unknown {kind} {name!r}.{meant} {listing}")


class TrainingError(KcnnError):
    """Training cannot go on, for example because the loss is not finite."""


class CheckpointError(KcnnError):
    """A checkpoint or weights file is missing, damaged, or belongs to another model."""

    exit_code = 3


class WeightsError(KcnnError, ValueError):
    """Pretrained weights do not fit the network, or their file is not where it should be."""


class ExportError(KcnnError):
    """A model cannot be exported as asked, or an exported file is not usable."""


class ResourceError(KcnnError):
    """The surroundings refuse: a run directory in use, no disk space, an optional package missing."""

    exit_code = 3


def nearest(name: str, known: Iterable[str], count: int = 2) -> list[str]:
    """Return up to `count` known names that look like `name`, best first; empty when none is close."""
    return difflib.get_close_matches(name, list(known), n=count, cutoff=0.6)
