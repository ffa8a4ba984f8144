"""The same job as plain Keras does it: `fit`, BackupAndRestore, ModelCheckpoint, EarlyStopping. The baseline."""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from . import job
from .forks import Shared

SAVING = "saving"  # a file that is there while ModelCheckpoint or BackupAndRestore writes


def dataset(training: bool) -> Any:
    """Return batches as a careful user writes them: seeded shuffle, seeded augmentation."""
    import tensorflow as tf

    split = job.source().split("train" if training else "validation")
    examples = tf.data.Dataset.from_tensor_slices((split.arrays["image"], split.arrays["label"]))
    if training:
        examples = examples.shuffle(len(split.labels), seed=0)
    batches = examples.batch(job.BATCH).map(lambda x, y: (tf.cast(x, tf.float32) / 255 * 4 - 2, y))
    if training:
        counter = tf.random.Generator.from_seed(0)
        batches = batches.map(
            lambda x, y: (tf.image.stateless_random_flip_left_right(x, counter.make_seeds(1)[:, 0]), y)
        )
    return batches.prefetch(1)


def train(folder: Path, told: Shared) -> int:
    """Train in this process, a child, going on where BackupAndRestore allows it; as `job.train`."""
    import keras

    job.repeatable()
    keras.utils.set_random_seed(0)
    settings = job.SETTINGS
    rate = keras.optimizers.schedules.CosineDecay(
        settings["learning_rate"] / 25, 175, warmup_target=settings["learning_rate"], warmup_steps=25
    )
    model = job.build()
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01, use_ema=True, ema_momentum=settings["ema"]),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    folder.mkdir(exist_ok=True)
    try:
        history = model.fit(
            dataset(True),
            validation_data=dataset(False),
            epochs=job.EPOCHS,
            verbose=0,
            callbacks=[
                keras.callbacks.BackupAndRestore(str(folder / "backup")),
                keras.callbacks.ModelCheckpoint(str(folder / "best.keras"), monitor="val_loss", save_best_only=True),
                keras.callbacks.EarlyStopping("val_loss", patience=settings["patience"]),
                keras.callbacks.CSVLogger(str(folder / "log.csv"), append=True),
                _teller(told),
            ],
        )
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 3
    model.save(folder / "final.keras")
    digest = hashlib.sha256()
    for weight in [*model.weights, *model.optimizer.variables]:
        digest.update(weight.numpy().tobytes())
    facts = {"weights": digest.hexdigest(), "history": json.dumps(history.history)}
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return 0


def _teller(told: Shared) -> Any:
    import keras

    class Teller(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            told[job.STEP] = told[job.BEGUN] = int(self.model.optimizer.iterations.numpy())

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            told[job.STEP] += 1
            told[job.FIRST_STEP_MS] = told[job.FIRST_STEP_MS] or time.monotonic_ns() // 1_000_000

    return Teller()


def result(folder: Path) -> dict[str, str]:
    """Return the hash of the last weights and optimizer, and the hash of the log."""
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return {"weights": facts["weights"], "log": hashlib.sha256((folder / "log.csv").read_bytes()).hexdigest()}
