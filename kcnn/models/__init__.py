"""Landmark networks by name: one file per family, one row per variant."""

from typing import TYPE_CHECKING, Any

from kcnn.errors import ConfigError
from kcnn.registry import Entry, Registry

if TYPE_CHECKING:
    import keras

MODELS = Registry(
    "model",
    "kcnn.models",
    {
        "mlp": Entry(
            "kcnn.models.mlp:build", "fully connected 784-300-100, the twin that convolution is compared with"
        ),
        "tiny_mlp": Entry("kcnn.models.mlp:build", "one hidden layer of 16, for tests"),
        "lenet5": Entry("kcnn.models.lenet:build", "LeNet-5 (LeCun 1998) in its modern form, ReLU and max pooling"),
        "lenet5_tanh": Entry("kcnn.models.lenet:build", "LeNet-5 (LeCun 1998) with tanh and average pooling"),
        "tiny_lenet5": Entry("kcnn.models.lenet:build", "LeNet-5 at a quarter of its width, for tests"),
        "mobilenet_v2": Entry("kcnn.models.mobilenet:build", "MobileNetV2 1.0 (Sandler 2018), inverted residuals"),
        "mobilenet_v2_035": Entry("kcnn.models.mobilenet:build", "MobileNetV2 at width 0.35"),
        "mobilenet_v2_050": Entry("kcnn.models.mobilenet:build", "MobileNetV2 at width 0.5"),
        "mobilenet_v2_075": Entry("kcnn.models.mobilenet:build", "MobileNetV2 at width 0.75"),
        "mobilenet_v2_140": Entry("kcnn.models.mobilenet:build", "MobileNetV2 at width 1.4"),
        "tiny_mobilenet_v2": Entry("kcnn.models.mobilenet:build", "MobileNetV2 of five narrow blocks, for tests"),
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
