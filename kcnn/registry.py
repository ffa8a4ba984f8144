"""Names to objects: built-ins as a table of "module:attribute" strings, outsiders through entry points.

Nothing is imported until `get`, so listing every model costs no TensorFlow. Nothing is found by import
side effect, global dictionary or substring.
"""

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from kcnn.errors import ConfigError, UnknownNameError


@dataclass(frozen=True)
class Entry:
    """Where a name leads: `target` is "module:attribute", `summary` one line for `kcnn list`."""

    target: str
    summary: str = ""
    owner: str = "kcnn"


class Registry:
    """A table of names of one kind.

    Args:
        kind: what the names stand for, for messages: "model", "task", "source".
        group: entry-point group under which other distributions add names, such as "kcnn.models".
        builtins: name -> `Entry` of what kcnn itself brings.
    """

    def __init__(self, kind: str, group: str, builtins: Mapping[str, Entry] | None = None):
        self.kind = kind
        self.group = group
        self._builtins = dict(builtins or {})
        self._outside: dict[str, Entry] | None = None

    def add(self, name: str, target: str, *, summary: str = "", owner: str = "this process") -> None:
        """Add one name by hand, for a notebook or a test; installed packages use entry points.

        Raises:
            ConfigError: `target` is not "module:attribute", or the name is taken (both owners are named).
        """
        module, _, attribute = target.partition(":")
        if not module or not attribute:
            raise ConfigError(
                f"{self.kind} {name!r}: target is {target!r} but must be 'module:attribute', "
                "for example 'acme_vision.panoptic:TASK'."
            )
        entries = self.entries()
        if name in entries:
            raise ConfigError(self._duplicate(name, entries[name].owner, owner))
        self._builtins[name] = Entry(target, summary, owner)

    def entries(self) -> dict[str, Entry]:
        """Return name -> `Entry`, built-ins first, without importing any of them.

        Raises:
            ConfigError: two owners claim one name.
        """
        if self._outside is None:
            self._outside = self._read_entry_points()
        return {**self._builtins, **self._outside}

    def names(self) -> list[str]:
        """Return the usable names, sorted; a broken plug-in warns and is left out."""
        usable = []
        for name, entry in self.entries().items():
            if entry.owner != "kcnn":
                try:
                    self._load(name, entry)
                except ConfigError as error:
                    warnings.warn(str(error), stacklevel=2)
                    continue
            usable.append(name)
        return sorted(usable)

    def get(self, name: str) -> Any:
        """Import and return what `name` stands for.

        Raises:
            UnknownNameError: no such name; the nearest ones are in the message.
            ConfigError: `name` is no text, or the plug-in behind it cannot be imported.
        """
        entries = self.entries()
        if not isinstance(name, str):
            raise ConfigError(
                f"the {self.kind}'s name is {name!r} but must be text, as in {min(entries, default='x')!r}."
            )
        if name not in entries:
            raise UnknownNameError(self.kind, name, entries)
        return self._load(name, entries[name])

    def refresh(self) -> None:
        """Look for entry points again, after a package was installed into this process."""
        self._outside = None

    def _load(self, name: str, entry: Entry) -> Any:
        module, _, attribute = entry.target.partition(":")
        try:
            if not attribute:
                raise ValueError("an entry point must be 'module:attribute'")
            value = importlib.import_module(module)
            for part in attribute.split("."):
                value = getattr(value, part)
        except Exception as error:  # a stranger's module may raise anything while it is imported
            if entry.owner == "kcnn":
                raise
            raise ConfigError(
                f"{self.kind} {name!r} of package {entry.owner!r} cannot be loaded from {entry.target!r}: "
                f"{type(error).__name__}: {error}. Mend or uninstall that package."
            ) from error
        return value

    def _read_entry_points(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for point in metadata.entry_points(group=self.group):
            owner = point.dist.name if point.dist else "unknown"
            target = point.value.partition("[")[0].replace(" ", "")  # "module : attribute [extra]" is allowed
            entry = Entry(target, f"from {owner}", owner)
            taken = found.get(point.name) or self._builtins.get(point.name)
            if taken == entry:  # the same metadata folder found twice on the path
                continue
            if taken:
                raise ConfigError(self._duplicate(point.name, taken.owner, owner))
            found[point.name] = entry
        return found

    def _duplicate(self, name: str, first: str, second: str) -> str:
        return (
            f"{self.kind} {name!r} is claimed twice, by {first!r} and by {second!r}; "
            "uninstall one of them or rename its entry point."
        )
