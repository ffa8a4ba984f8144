"""A small task of the tests' own: 8x8 images of noise around four patterns, a net with all that has state.

Run as a program it trains one run folder: `python toy.py FOLDER '{"train": {"epochs": 2}, "slow": 0.01}'`.
"""

import dataclasses
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from kcnn import recipe as recipes
from kcnn.data.source import Info, Source
from kcnn.data.splits import array_split
from kcnn.recipe import Data, Model, Preprocess, Recipe, Train
from kcnn.tasks import TASKS
from kcnn.tasks.optimizer import optimizer
from kcnn.tasks.task import Signature, Task

SIZE, CLASSES, TRAINING, VALIDATION = 8, 4, 150, 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToyConfig:
    dropout: float = 0.3


def make_source() -> Source:
    rng = np.random.default_rng(7)
    patterns = rng.uniform(0, 255, (CLASSES, SIZE, SIZE, 1))
    splits = {}
    for name, count in (("train", TRAINING), ("validation", VALIDATION)):
        labels = np.arange(count, dtype=np.int32) % CLASSES
        images = np.clip(patterns[labels] + rng.normal(0, 150, (count, SIZE, SIZE, 1)), 0, 255).astype(np.uint8)
        splits[name] = array_split(images, labels, name)
    sizes = {name: split.size for name, split in splits.items()}
    return Source(info=Info(name="toy", splits=sizes, classes=("a", "b", "c", "d")), splits=splits)


def make_dataset(recipe, source, split, *, training, start_step=0, bad=frozenset()):
    import tensorflow as tf

    arrays, train = source.split(split).arrays, recipe.train
    images, labels = tf.constant(arrays["image"], tf.float32) / 255, tf.constant(arrays["label"])
    if not training:
        return tf.data.Dataset.from_tensor_slices((images, labels)).batch(train.batch_size)
    size = len(arrays["label"])
    steps = -(-size // train.batch_size)

    def batch(step):
        epoch, first = step // steps, step % steps * train.batch_size
        positions = tf.range(first, tf.minimum(first + train.batch_size, size))
        seeds = tf.stack([tf.constant(train.seed, tf.int64), epoch])
        indices = tf.random.experimental.index_shuffle(positions, seeds, tf.constant(size - 1, tf.int64))
        return tf.gather(images, indices), tf.gather(labels, indices)

    return tf.data.Dataset.range(start_step, train.epochs * steps).map(batch).prefetch(1)


def make_model(recipe, info):
    import keras

    inputs = keras.Input((SIZE, SIZE, 1), name="images")
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Dropout(recipe.config.dropout, seed=recipe.train.seed, name="dropout")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, keras.layers.Dense(len(info.classes), name="logits", dtype="float32")(x), name="toy")


def compile_model(model, recipe, steps_per_epoch, class_counts):
    import keras

    model.compile(
        optimizer=optimizer(recipe.train, steps_per_epoch),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def signature(recipe, info):
    return Signature(
        outputs=("logits",),
        finish=lambda outputs: {"logits": outputs},
        answers=lambda outputs: outputs["logits"].argmax(-1),
        truth=lambda examples: examples["label"],
    )


TASK = Task(
    name="toy",
    config=ToyConfig,
    dataset=make_dataset,
    model=make_model,
    compile=compile_model,
    evaluate=lambda *arguments: {},
    decode=lambda outputs, info, size: {"label": int(outputs["logits"].argmax())},
    draw=lambda image, prediction, info: image,
    signature=signature,
)
if "toy" not in TASKS.entries():
    TASKS.add("toy", "toy:TASK")


def make_recipe(**train) -> Recipe:
    settings = {"epochs": 3, "batch_size": 16, "learning_rate": 0.05, "strategy": "one", **train}
    return Recipe(
        name="toy",
        task="toy",
        data=Data(source="toy"),
        preprocess=Preprocess(size=(SIZE, SIZE), mean=(0.0,), std=(1.0,), channel_order="gray"),
        model=Model(name="toy"),
        config=ToyConfig(),
        train=Train(**settings),
    )


def slow_down(seconds: float) -> None:
    """Make each step take longer, so that a test can stop the program in mid-epoch."""
    from kcnn.train.callbacks import Keeper

    step = Keeper.on_train_batch_end

    def slower(self, batch, logs=None):
        time.sleep(seconds)
        try:
            step(self, batch, logs)
        finally:
            print(f"step {self._state.step}", flush=True)

    Keeper.on_train_batch_end = slower


def main(folder: str, options: str = "{}") -> int:
    import tensorflow as tf

    from kcnn.errors import KcnnError
    from kcnn.train import train

    chosen = json.loads(options)
    tf.config.experimental.enable_op_determinism()
    if "cpus" in chosen:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * chosen["cpus"])
    if "slow" in chosen:
        slow_down(chosen["slow"])
    recipe = recipes.override(make_recipe(**chosen.get("train", {})), chosen.get("set", []))
    try:
        train(recipe, Path(folder), source=make_source())
    except KcnnError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born ignoring it
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.modules["toy"] = sys.modules["__main__"]
    sys.exit(main(*sys.argv[1:]))
