"""The training job that is killed: 20,000 parameters, 28x28 images, four epochs of 50 steps, all that has state.

Dropout, batch normalisation, augmentation, AdamW with warm-up and cosine, a moving average, early stopping, a
checkpoint every ten steps. Call `warm` before the first fork and nothing that runs an operation of TensorFlow.
"""

import functools
import hashlib
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from kcnn.data.source import Info, Source
from kcnn.data.splits import array_split
from kcnn.models import MODELS
from kcnn.recipe import Data, Model, Preprocess, Recipe, Train
from kcnn.tasks.classification.config import ClassificationConfig

from .forks import Shared

SIZE, CLASSES, BATCH, STEPS, EPOCHS = 28, 4, 16, 50, 4
SAVE_EVERY = 10
NET = "faults_net"
_TRAIN = ("callbacks", "job", "records", "run", "samples", "tensorboard", "transfer")
STEP, BEGUN, FIRST_STEP_MS = range(3)  # what `train` tells the parent by its Shared
SETTINGS: dict[str, Any] = {
    "epochs": EPOCHS, "batch_size": BATCH, "optimizer": "adamw", "weight_decay": 0.01, "learning_rate": 0.005,
    "warmup_epochs": 0.5, "ema": 0.9, "patience": 3, "monitor": "val_loss", "checkpoint_steps": SAVE_EVERY,
    "strategy": "one",
}  # fmt: skip


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 (count, 28, 28, 1) of noise around four patterns, and int32 labels."""
    rng = np.random.default_rng(7)
    patterns = rng.uniform(0, 255, (CLASSES, SIZE, SIZE, 1))
    labels = np.arange(count, dtype=np.int32) % CLASSES
    noise = np.random.default_rng(seed).normal(0, 200, (count, SIZE, SIZE, 1))
    return np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8), labels


@functools.cache
def source() -> Source:
    """Return 800 training and 160 validation images."""
    splits = {
        "train": array_split(*images(BATCH * STEPS, 1), "train"),
        "validation": array_split(*images(160, 2), "validation"),
    }
    info = Info(
        name="faults", splits={name: split.size for name, split in splits.items()}, classes=("a", "b", "c", "d")
    )
    return Source(info=info, splits=splits)


def build(name: str = NET, *, num_classes: int = CLASSES, image_shape: tuple = (SIZE, SIZE, 1)) -> Any:
    """Return the network: 19,732 parameters with four classes, 192 of them statistics."""
    import keras
    from keras import layers

    x = inputs = keras.Input(image_shape, name="images")
    for i, filters in enumerate((16, 32, 48)):
        x = layers.Conv2D(filters, 3, strides=2, use_bias=False, name=f"conv{i}")(x)
        x = layers.BatchNormalization(name=f"bn{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.3, seed=5, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits", dtype="float32")(x), name=name)


def recipe(config: dict[str, Any] | None = None, **train: Any) -> Recipe:
    """Return the job's recipe, with other settings of `train` or of the task where given."""
    if NET not in MODELS.entries():
        MODELS.add(NET, f"{__name__}:build")
    chosen = {"crop_padding": 3, "flip": True, "erasing": 0.3, **(config or {})}
    return Recipe(
        name="faults",
        data=Data(source="faults"),
        preprocess=Preprocess(size=(SIZE, SIZE), mean=(0.5,), std=(0.25,), channel_order="gray"),
        model=Model(name=NET),
        config=ClassificationConfig(**chosen),
        train=Train(**{**SETTINGS, **train}),
    )


def warm() -> None:
    """Import what a child needs, so that it does not; starts no device."""
    ours = ("data.verify", "tasks.classification.task", "zoo", *(f"train.{name}" for name in _TRAIN))
    theirs = ("matplotlib.figure", "safetensors.numpy", "tensorboard.plugins.hparams.api", "tensorflow")
    for name in (*(f"kcnn.{name}" for name in ours), *theirs):
        importlib.import_module(name)
    source()


def repeatable() -> None:
    """Make TensorFlow's arithmetic repeat in this process, on one thread."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()


def train(folder: Path, told: Shared | None = None, chosen: Recipe | None = None, data: Source | None = None) -> int:
    """Train the job in this process, a child, as the command line would; return the exit code.

    Args:
        folder: of the run.
        told: three numbers for the parent: the last step done, the step the process began at, and when the first of
            its steps was done, in milliseconds of the monotonic clock.
        chosen: in place of `recipe()`. data: in place of `source()`.
    """
    from kcnn.errors import KcnnError
    from kcnn.train import train as run

    repeatable()
    if told is not None:
        tell(told)
    try:
        run(chosen or recipe(), folder, source=data or source())
    except KcnnError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


def tell(told: Shared) -> None:
    """Let every step of this process be told to the parent."""
    import time

    from kcnn.train.callbacks import Keeper

    step, begin = Keeper.on_train_batch_end, Keeper.on_train_begin
    told[BEGUN], told[FIRST_STEP_MS] = -1, 0

    def beginning(self: Any, logs: Any = None) -> None:
        begin(self, logs)
        if told[BEGUN] < 0:
            told[STEP] = told[BEGUN] = self._state.step

    def stepping(self: Any, batch: int, logs: Any = None) -> None:
        try:
            step(self, batch, logs)
        finally:
            told[STEP] = self._state.step
            told[FIRST_STEP_MS] = told[FIRST_STEP_MS] or time.monotonic_ns() // 1_000_000

    Keeper.on_train_begin, Keeper.on_train_batch_end = beginning, stepping


def result(folder: Path) -> dict[str, str]:
    """Return what a finished run came to: hashes of weights, log, and all variables and history of the last step."""
    import json

    import safetensors.numpy

    from kcnn.train import checkpoint

    tensors, state = checkpoint.newest(folder / "checkpoints", print)
    contents = {
        "weights": (folder / "weights.safetensors").read_bytes(),
        "log": (folder / "log.csv").read_bytes(),
        "variables": safetensors.numpy.save(tensors),
        "history": json.dumps([state["step"], state["history"]]).encode(),
        "scalars": json.dumps(scalars(folder / "tensorboard")).encode(),
    }
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    """Return (tag, step, value) of every curve in TensorBoard, but for images per second; a point drawn twice once."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    found = set()
    for file in sorted(folder.rglob("events.*")):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars" and "images_per_second" not in value.tag:
                    point = float(tensor_util.make_ndarray(value.tensor))
                    found.add((f"{file.parent.name}/{value.tag}", event.step, point))
    return sorted(found)
