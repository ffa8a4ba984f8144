"""Dataclasses of plain values: read from dictionaries, changed by "section.key=value", every key and type checked.

There is no string language, no `eval` and no global state here.
"""

import ast
import dataclasses
import math
import typing
from collections.abc import Sequence
from types import UnionType
from typing import Any, Literal, TypeVar

from kcnn.errors import ConfigError, UnknownNameError

T = TypeVar("T")


def check(condition: bool, message: str) -> None:
    """Raise `ConfigError(message)` unless `condition` holds; for `__post_init__` of configurations."""
    if not condition:
        raise ConfigError(message)


def override(record: T, assignments: Sequence[str]) -> T:
    """Return a dataclass with "section.key=value" strings applied, as `--set` gives them.

    All are applied at once, so their order matters only where one key is set twice: the last wins.

    Raises:
        UnknownNameError: no such section or key; the nearest is named.
        ConfigError: a value does not parse as the field's type, or is out of range.
    """
    changes = []
    for assignment in assignments:
        path, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ConfigError(f"--set got {assignment!r} but expects section.key=value, as in train.epochs=3.")
        changes.append((path, text))
    replaced: T = _replace(record, changes)
    return replaced


def _replace(record: Any, changes: Sequence[tuple[str, str]], prefix: str = "") -> Any:
    """Return `record` with (path below it, text) pairs applied; `prefix` is where it lies, such as "train."."""
    kinds = typing.get_type_hints(type(record))
    values: dict[str, Any] = {}
    sections: dict[str, list[tuple[str, str]]] = {}
    for path, text in changes:
        head, dot, rest = path.partition(".")
        current, where = getattr(record, head, None), prefix + path
        nested = dataclasses.is_dataclass(current)
        if head not in kinds or (dot and not nested and kinds[head] is not Any):
            raise UnknownNameError("recipe key", where, _paths(record, prefix))
        if nested and dot:
            sections.setdefault(head, []).append((rest, text))
        elif nested:
            keys = ", ".join(_paths(current, where + "."))
            raise ConfigError(f"--set {where}={text}: {where!r} is a section; set one of {keys}.")
        elif kinds[head] is Any:
            raise ConfigError(f"--set {where}={text}: this recipe does not say what its {head!r} is made of.")
        else:
            values[head] = _parse(text, kinds[head], where)
    for head, below in sections.items():
        values[head] = _replace(getattr(record, head), below, f"{prefix}{head}.")
    return dataclasses.replace(record, **values)


def _paths(record: Any, prefix: str) -> list[str]:
    found = []
    for item in dataclasses.fields(record):
        value = getattr(record, item.name)
        nested = _paths(value, f"{prefix}{item.name}.") if dataclasses.is_dataclass(value) else []
        found += nested or [prefix + item.name]
    return found


def _parse(text: str, kind: Any, path: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is str or (origin is Literal and text in arguments):
        return text
    if origin is tuple and not text.startswith(("(", "[")):
        value: Any = tuple(_literal(part.strip()) for part in text.split(",") if part.strip())
    else:
        value = _literal({"true": "True", "false": "False", "none": "None"}.get(text.lower(), text))
    return coerce(value, kind, path)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # all that its documentation names
        return text


def coerce(value: Any, kind: Any, path: str) -> Any:
    """Return `value` as the annotated type `kind`: lists to tuples, ints to floats, dicts to dataclasses.

    Raises:
        ConfigError: `value` is of another type, or not finite; `path` names the place.
        UnknownNameError: a dict has a key that the dataclass lacks.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_dict(kind, value, path)
    if origin in (UnionType, typing.Union):
        for option in arguments:
            try:
                return coerce(value, option, path)
            except ConfigError:
                continue
    elif origin is Literal and any(value == a and type(value) is type(a) for a in arguments):
        return value
    elif origin is tuple and isinstance(value, (tuple, list)):
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(value):
            return tuple(coerce(v, k, path) for v, k in zip(value, kinds, strict=True))
    elif origin is dict and isinstance(value, dict):
        return {coerce(k, arguments[0], path): coerce(v, arguments[1], f"{path}.{k}") for k, v in value.items()}
    elif kind is float and type(value) in (int, float) and _is_finite(value):
        return float(value)
    elif kind in (int, str, bool, type(None)) and type(value) is kind:
        return value
    raise ConfigError(f"{path} is {value!r} but must be {_describe(kind)}.")


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def _describe(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return "one of " + ", ".join(repr(a) for a in arguments)
    if origin in (UnionType, typing.Union):
        return " or ".join(_describe(a) for a in arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"a list, each entry {_describe(arguments[0])}"
    if origin is tuple:
        return f"{len(arguments)} entries: " + ", ".join(_describe(a) for a in arguments)
    if origin is None:
        names = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
        return "none" if kind is type(None) else names.get(kind, kind.__name__)
    return str(kind)


def from_dict(kind: type[T], values: Any, path: str = "") -> T:
    """Build the dataclass `kind` from a dict of plain values, checking every key and type.

    Raises:
        ConfigError: `values` is no dict, a value has the wrong type, or a key without a default is missing.
        UnknownNameError: a key that `kind` does not have.
    """
    if isinstance(values, kind):
        return values
    if not isinstance(values, dict):
        raise ConfigError(f"{path or kind.__name__} is {values!r} but must be a table of keys and values.")
    prefix = f"{path}." if path else ""
    kinds = typing.get_type_hints(kind)
    for key in values:
        if key not in kinds:
            raise UnknownNameError("recipe key", f"{prefix}{key}", [prefix + name for name in kinds])
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]
        optional = item.default is not dataclasses.MISSING or item.default_factory is not dataclasses.MISSING
        check(optional or item.name in values, f"{prefix}{item.name} is missing and has no default.")
    return kind(**{key: coerce(value, kinds[key], prefix + key) for key, value in values.items()})
