"""The place in a stream: saved in mid-epoch, given back to a new iterator, without reading what was read."""

import dataclasses

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
import toy
from consoles import Lines

from kcnn.data import pipeline
from kcnn.data.source import Source
from kcnn.data.stream import stream_split
from kcnn.recipe import Data, Model, Preprocess, Recipe, Train
from kcnn.tasks.classification.config import ClassificationConfig
from kcnn.train import checkpoint, train
from kcnn.train.callbacks import Keeper
from kcnn.train.place import PREFIX, Placed

STEPS = 10  # an epoch of 150 images
RECORD = Preprocess(size=(12, 12), mean=(0.5,), std=(0.25,), channel_order="gray")


@pytest.fixture
def file(tmp_path):
    """The toy's training images, as PNG in a TFRecord file."""
    path = tmp_path / "train.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for image in toy.make_source().split("train").arrays["image"]:
            writer.write(tf.io.encode_png(image).numpy())
    return path


@pytest.fixture
def source(file):
    held = toy.make_source()
    split = stream_split(lambda: tf.data.TFRecordDataset(str(file)), held.split("train").labels, "train")
    return Source(info=held.info, splits={**held.splits, "train": split})


def batches(split):
    return pipeline.training(split, RECORD, batch_size=16, seed=0, epochs=3)


@pytest.mark.parametrize("done", [0, 7, STEPS + 3])
def test_a_new_iterator_goes_on_where_the_place_was_saved(source, done):
    expected = [(x, y) for x, y in batches(source.split("train")).as_numpy_iterator()][done:]
    first = Placed(batches(source.split("train")))
    taken = iter(first)
    for _ in range(done):
        next(taken)
    place = first.place()
    assert place
    assert all(name.startswith(PREFIX) and array.dtype == np.uint8 for name, array in place.items())
    found = list(Placed(batches(source.split("train")), place))
    assert len(found) == len(expected)
    for (x, y), (images, labels) in zip(found, expected, strict=True):
        assert np.array_equal(x, images)
        assert np.array_equal(y, labels)


def test_what_was_read_is_not_read_again(source, file, monkeypatch):
    monkeypatch.setattr("kcnn.data.stream.BLOCK", 20)
    first = Placed(batches(source.split("train")))
    taken = iter(first)
    for _ in range(5):
        next(taken)
    place = first.place()
    damaged = bytearray(file.read_bytes())
    damaged[20] ^= 255  # of the first image
    file.write_bytes(damaged)
    later = iter(Placed(batches(source.split("train")), place))
    for _ in range(STEPS - 5):
        next(later)
    with pytest.raises(tf.errors.DataLossError):  # the next epoch begins at the beginning
        list(later)


def recipe(**settings):
    return Recipe(
        name="stream",
        data=Data(source="toy"),
        preprocess=RECORD,
        model=Model(name="tiny_lenet5"),
        config=ClassificationConfig(crop_padding=1, erasing=0.3),
        train=Train(
            **{"epochs": 3, "batch_size": 16, "checkpoint_steps": 4, "ema": 0.9, "strategy": "one", **settings}
        ),
    )


class Stopped(Exception):
    pass


def stop_after(step, monkeypatch):
    """Let training end at a step as a kill would, once what was being saved is saved."""
    counted = Keeper.on_train_batch_end

    def ending(self, batch, logs=None):
        counted(self, batch, logs)
        if self._state.step == step:
            self._writer.wait()
            raise Stopped

    monkeypatch.setattr(Keeper, "on_train_batch_end", ending)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [6, 13, 28])
def test_a_run_over_a_stream_ends_as_an_unbroken_one(tmp_path, source, monkeypatch, stop):
    train(recipe(), tmp_path / "whole", source=source, console=Lines())
    with monkeypatch.context() as patch:
        stop_after(stop, patch)
        with pytest.raises(Stopped):
            train(recipe(), tmp_path / "run", source=source, console=Lines())
    tensors, state = checkpoint.newest(tmp_path / "run" / "checkpoints", print)
    assert state["step"] == max(step for step in (*range(4, stop + 1, 4), STEPS, 2 * STEPS) if step <= stop)
    assert [name for name in tensors if name.startswith(PREFIX)]
    begun = []
    training = pipeline.training
    monkeypatch.setattr(
        pipeline, "training", lambda *args, **options: begun.append(options["start_step"]) or training(*args, **options)
    )
    train(recipe(), tmp_path / "run", source=source, console=Lines())
    assert set(begun) == {0}  # nothing is walked to
    for name in ("weights.safetensors", "log.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    ends = [checkpoint.newest(tmp_path / run / "checkpoints", print)[0] for run in ("run", "whole")]
    one, other = ({k: v for k, v in end.items() if not k.startswith(PREFIX)} for end in ends)
    assert safetensors.numpy.save(one) == safetensors.numpy.save(other)


@pytest.mark.slow
@pytest.mark.parametrize("place", [{}, {PREFIX + "place.index": np.zeros(9, np.uint8)}], ids=["none", "another"])
def test_a_checkpoint_without_a_place_that_fits_is_walked_to(tmp_path, source, monkeypatch, place):
    train(recipe(), tmp_path / "whole", source=source, console=Lines())
    with monkeypatch.context() as patch:
        stop_after(13, patch)
        patch.setattr(Placed, "place", lambda self: place)
        with pytest.raises(Stopped):
            train(recipe(), tmp_path / "run", source=source, console=Lines())
    train(recipe(), tmp_path / "run", source=source, console=Lines())
    assert (tmp_path / "run" / "log.csv").read_bytes() == (tmp_path / "whole" / "log.csv").read_bytes()


@pytest.mark.slow
def test_a_stream_that_tensorflow_cannot_save_has_no_place(tmp_path, file):
    held = toy.make_source()
    contents = [record.numpy() for record in tf.data.TFRecordDataset(str(file))]

    def rows():
        return tf.data.Dataset.from_generator(lambda: iter(contents), output_signature=tf.TensorSpec((), tf.string))

    split = stream_split(rows, held.split("train").labels, "train")
    source = dataclasses.replace(held, splits={**held.splits, "train": split})
    train(recipe(epochs=2), tmp_path / "whole", source=source, console=Lines())
    tensors, _ = checkpoint.newest(tmp_path / "whole" / "checkpoints", print)
    assert not [name for name in tensors if name.startswith(PREFIX)]
