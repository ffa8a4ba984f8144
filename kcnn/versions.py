"""Where the versions of a bundle lie: `saved_models/NAME/1`, `2`, ..., each with a manifest of its files."""

import re
from pathlib import Path

MANIFEST = "manifest.json"


def is_bundle(folder: Path) -> bool:
    """Whether `folder` is one version of a bundle."""
    return (folder / MANIFEST).is_file()


def versions(folder: Path) -> list[int]:
    """Return the published version numbers below `saved_models/NAME`, ascending."""
    if not folder.is_dir():
        return []
    return sorted(int(p.name) for p in folder.iterdir() if re.fullmatch(r"[1-9]\d*", p.name) and p.is_dir())


def newest(folder: Path) -> Path:
    """Return the newest version below a bundle's folder, or `folder` itself when it has none."""
    numbers = versions(folder)
    return folder / str(numbers[-1]) if numbers and not is_bundle(folder) else folder
