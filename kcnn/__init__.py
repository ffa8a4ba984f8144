"""kcnn: build, train, explain and ship convolutional networks with Keras.

    import kcnn
    model = kcnn.build("lenet5", num_classes=10)
    train = kcnn.load("digits", split="train", batch_size=64, image_size=(28, 28))

Importing kcnn imports no TensorFlow; the first call that needs it does.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "build": "kcnn.zoo",
    "card": "kcnn.models.cards",
    "load": "kcnn.data",
    "open_source": "kcnn.data",
    "list_models": "kcnn.models",
    "preprocess": "kcnn.zoo",
    "fit_head": "kcnn.train.transfer",
    "hold_norms": "kcnn.train.transfer",
    "slow_trunk": "kcnn.tasks.optimizer",
    "Data": "kcnn.recipe",
    "KcnnError": "kcnn.errors",
    "Preprocess": "kcnn.recipe",
    "Recipe": "kcnn.recipe",
}
__all__ = [*_LAZY, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'kcnn' has no attribute {name!r}; it has {', '.join(sorted(__all__))}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
