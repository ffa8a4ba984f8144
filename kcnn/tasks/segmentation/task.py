"""The segmentation task, as `kcnn.tasks.TASKS` finds it."""

from typing import TYPE_CHECKING

from kcnn.errors import ConfigError
from kcnn.models import build
from kcnn.tasks.segmentation.config import SegmentationConfig
from kcnn.tasks.segmentation.dataset import check_masks, class_counts, dataset
from kcnn.tasks.segmentation.evaluate import evaluate
from kcnn.tasks.segmentation.inference import whole
from kcnn.tasks.segmentation.losses import compile_model
from kcnn.tasks.segmentation.predictions import decode, draw, signature
from kcnn.tasks.task import Task

if TYPE_CHECKING:
    import keras

    from kcnn.data.source import Info
    from kcnn.recipe import Recipe


def model(recipe: "Recipe", info: "Info") -> "keras.Model":
    """Build `recipe.model` for the classes of `info`: preprocessed images to (N, height, width, classes) logits.

    Raises:
        DataError: the data have no masks.
        ConfigError: another number of classes, or the model gives no scores for each pixel of its input.
        UnknownNameError: no such model.
        ShapeError: the images are too small for it.
    """
    check_masks(recipe, info)
    shape = recipe.preprocess.image_shape
    network = build(recipe.model.name, num_classes=len(info.classes), image_shape=shape)
    wanted = (None, *shape[:2], len(info.classes))
    if tuple(network.output_shape) != wanted:
        raise ConfigError(
            f"model {recipe.model.name!r} gives {network.output_shape} for images {shape} but segmentation needs "
            f"{wanted}, scores for each pixel; `kcnn list models` names such models, as tiny_unet."
        )
    return network


TASK = Task(
    name="segmentation",
    config=SegmentationConfig,
    dataset=dataset,
    model=model,
    compile=compile_model,
    evaluate=evaluate,
    decode=decode,
    draw=draw,
    signature=signature,
    class_counts=class_counts,
    whole=whole,
    watched=4,
)
