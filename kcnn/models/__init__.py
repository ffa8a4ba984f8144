"""Landmark networks by name: one file per family, one row per variant."""

from typing import TYPE_CHECKING, Any

from kcnn.errors import ConfigError
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
        ConfigError: `name` is no text, or `num_classes` no positive whole number.
        ShapeError: `image_shape` is too small for the network or has no such form.

    Example:
        >>> kcnn.build("lenet5", num_classes=10).count_params()
        61706
    """
    if not isinstance(name, str):
        raise ConfigError(f"the model's name is {name!r} but must be text, one of {', '.join(MODELS.entries())}.")
    return MODELS.get(name)(name, **arguments)


def list_models() -> list[str]:
    """Return every name that `build` takes, sorted."""
    return MODELS.names()
