"""Landmark networks by name: one file per family, one row per variant."""

import inspect
from typing import TYPE_CHECKING, Any

from kcnn.errors import ConfigError, nearest
from kcnn.models.catalogue import FAMILIES
from kcnn.registry import Entry, Registry

if TYPE_CHECKING:
    import keras

MODELS = Registry(
    "model",
    "kcnn.models",
    {
        name: Entry(f"kcnn.models.{family}:build", summary)
        for family, rows in FAMILIES.items()
        for name, summary in rows.items()
    },
)


def build(name: str, **arguments: Any) -> "keras.Model":
    """Build a network by name, as a plain functional `keras.Model` with random weights and logits out.

    Args:
        name: one of `kcnn.list_models()`.
        **arguments: of the family's `build`: `num_classes` (int) and `image_shape` (height, width,
            channels; None where any size will do). The family's defaults are those of its paper.

    Returns: a model from (N, H, W, C) float images, already preprocessed, to (N, num_classes) logits.

    Raises:
        UnknownNameError: no model of that name; the nearest are listed.
        ConfigError: `name` is no text, an argument is unknown, or `num_classes` is no positive whole number.
        ShapeError: `image_shape` is too small for the network or has no such form.

    Example:
        >>> kcnn.build("lenet5", num_classes=10).count_params()
        61706
    """
    make = MODELS.get(name)
    known = set(inspect.signature(make).parameters) - {"name"}
    if unknown := sorted(set(arguments) - known):
        meant = nearest(unknown[0], known)
        raise ConfigError(
            f"{name} takes no argument {unknown[0]!r}{f', but {meant[0]!r}' if meant else ''}; "
            f"it takes {', '.join(sorted(known))}."
        )
    return make(name, **arguments)


def list_models() -> list[str]:
    """Return every name that `build` takes, sorted."""
    return MODELS.names()
