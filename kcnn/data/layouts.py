"""Which layout a path has: told from its names alone, opened, or explained."""

import os
from pathlib import Path

from kcnn.data.source import Source
from kcnn.errors import DataError


def is_path(name: str) -> bool:
    """Tell whether `name` is meant as a path: it exists, or is written like one."""
    return os.path.exists(name) or os.sep in name or name.startswith(".") or bool(Path(name).suffix)


def open_path(path: str) -> Source:
    """Open the data set at `path`."""
    from kcnn.data import arrays

    if not os.path.exists(path):
        raise DataError(f"{path} does not exist.")
    if path.endswith(".npz") or list(Path(path).glob("*.npz")):
        return arrays.open_npz(path)
    return arrays.open_idx(path)
