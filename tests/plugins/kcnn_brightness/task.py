"""The mean brightness of an image, 0..1, by regression: a task without classes."""

import json
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from kcnn.data import pipeline
from kcnn.models import build
from kcnn.tasks.optimizer import optimizer
from kcnn.tasks.task import Signature, Task


@dataclass(frozen=True, kw_only=True)
class BrightnessConfig:
    """Settings: answers are whole steps, `levels` of them from dark to bright."""

    levels: int = 10


def dataset(recipe, source, split, *, training, start_step=0, bad=frozenset()):
    """Return batches of (float32 (B, H, W, C), float32 (B, 1))."""
    part, record, train = source.split(split).without(bad), recipe.preprocess, recipe.train
    if training:
        batches = pipeline.training(
            part, record, batch_size=train.batch_size, seed=train.seed, epochs=train.epochs, start_step=start_step
        )
    else:
        batches = pipeline.evaluation(part, record, train.batch_size)
    scale = tf.constant(record.std) / record.scale / 255
    shift = tf.constant(record.mean) / record.scale / 255
    return batches.map(lambda images, _: (images, tf.reduce_mean(images * scale + shift, axis=(1, 2, 3))[:, None]))


def model(recipe, info):
    """Return a network with one output."""
    return build(recipe.model.name, num_classes=1, image_shape=recipe.preprocess.image_shape)


def compile_model(model, recipe, steps_per_epoch, class_counts):
    """Minimise the squared error."""
    model.compile(
        optimizer=optimizer(recipe.train, steps_per_epoch),
        loss=keras.losses.MeanSquaredError(),
        metrics=[keras.metrics.MeanAbsoluteError(name="error")],
    )


def evaluate(model, recipe, source, split, bad, folder):
    """Return the mean absolute error and write it."""
    batches = dataset(recipe, source, split, training=False, bad=bad)
    truth = np.concatenate([targets for _, targets in batches.as_numpy_iterator()])
    found = model.predict(batches.map(lambda images, _: images), verbose=0)
    report = {"split": split, "examples": len(truth), "error": float(np.abs(found - truth).mean())}
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return report


def decode(outputs, info, size):
    """Return {"brightness": 0..1}."""
    return {"brightness": float(outputs["brightness"][0])}


def draw(image, answer, info):
    """Return the image above a bar as long as it is bright."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
    share = answer.get("brightness", np.mean(image) / 255)
    bar = np.zeros((4, picture.width, 3), np.uint8)
    bar[:, : round(float(np.clip(share, 0, 1)) * picture.width)] = 255
    return np.concatenate([np.asarray(picture), bar])


def signature(recipe, info):
    """Return one output, "brightness" (N, 1)."""
    levels = recipe.config.levels

    def steps(brightness):
        return np.clip(np.asarray(brightness) * levels, 0, levels - 1).astype("int32")

    return Signature(
        outputs=("brightness",),
        finish=lambda outputs: {"brightness": tf.cast(outputs, tf.float32)},
        answers=lambda outputs: steps(outputs["brightness"][:, 0]),
        truth=lambda examples: steps(np.mean(examples["image"] / 255, axis=(1, 2, 3))),
    )


TASK = Task(
    name="brightness",
    config=BrightnessConfig,
    dataset=dataset,
    model=model,
    compile=compile_model,
    evaluate=evaluate,
    decode=decode,
    draw=draw,
    signature=signature,
)
