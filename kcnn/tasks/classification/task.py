"""The classification task, as `kcnn.tasks.TASKS` finds it."""

from typing import TYPE_CHECKING

from kcnn.models import build
from kcnn.tasks.classification.config import ClassificationConfig, settings
from kcnn.tasks.classification.dataset import check_labels, dataset
from kcnn.tasks.classification.evaluate import evaluate
from kcnn.tasks.classification.losses import compile_model
from kcnn.tasks.classification.predictions import decode, draw, signature
from kcnn.tasks.task import Task

if TYPE_CHECKING:
    import keras

    from kcnn.data.source import Info
    from kcnn.recipe import Recipe


def model(recipe: "Recipe", info: "Info") -> "keras.Model":
    """Build `recipe.model` for the classes of `info`: (N, H, W, C) preprocessed images to (N, classes) logits.

    With `config.adversarial` it is a `Hardened`, the same network with another training loss.

    Raises:
        ConfigError, DataError: recipe and data disagree about the labels.
        UnknownNameError: no such model.
        ShapeError: the images are too small for it.
    """
    check_labels(recipe, info)
    network = build(recipe.model.name, num_classes=len(info.classes), image_shape=recipe.preprocess.image_shape)
    config = settings(recipe)
    if config.adversarial == "none":
        return network
    from kcnn.adversarial.training import Hardened

    hardened = Hardened(network.input, network.output, name=network.name)
    hardened.train_against(config.adversarial, config.adversarial_eps, recipe.preprocess)
    return hardened


TASK = Task(
    name="classification",
    config=ClassificationConfig,
    dataset=dataset,
    model=model,
    compile=compile_model,
    evaluate=evaluate,
    decode=decode,
    draw=draw,
    signature=signature,
)
