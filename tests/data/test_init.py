"""`kcnn.load` and `kcnn.open_source` as a user meets them."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import kcnn
from kcnn.errors import ConfigError, DataError, UnknownNameError
from kcnn.recipe import Data


def labels(dataset):
    return np.concatenate([y for _, y in dataset.as_numpy_iterator()]).tolist()


def test_load_gives_a_plain_finite_dataset():
    train = kcnn.load("digits", batch_size=100)
    assert isinstance(train, tf.data.Dataset)
    assert train.cardinality() == 15
    batches = list(train.as_numpy_iterator())
    assert sum(len(y) for _, y in batches) == 1442
    images, ids = batches[0]
    assert images.shape == (100, 8, 8, 1)
    assert images.dtype == np.float32
    assert ids.dtype == np.int32
    assert {images.min(), images.max()} == {0.0, 1.0}


def test_the_pixels_and_the_promised_types():
    test = kcnn.load("digits", split="test", batch_size=100)
    images, ids = test.element_spec
    assert images.shape.as_list() == [None, 8, 8, 1]
    assert (images.dtype, ids.dtype, ids.shape.as_list()) == (tf.float32, tf.int32, [None])
    assert test.cardinality() == 4
    found = np.concatenate([x for x, _ in test.as_numpy_iterator()])
    stored = kcnn.open_source("digits").split("test").arrays["image"]
    np.testing.assert_allclose(found, stored / 255, atol=1e-7)
    train = kcnn.load("digits", channels=3).element_spec
    assert train[0].shape.as_list() == [None, 8, 8, 3]
    assert train[1] == ids


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"channels": 2}, "channels is 2"),
        ({"image_size": 28}, "image_size is 28"),
        ({"image_size": (28, 0)}, r"\(28, 0\)"),
    ],
)
def test_options_that_cannot_work(options, message):
    with pytest.raises(ConfigError, match=message):
        kcnn.load("digits", **options)


def test_train_is_reshuffled_and_the_seed_repeats_it():
    train = kcnn.load("digits", seed=1)
    first, second = labels(train), labels(train)
    assert first != second
    assert sorted(first) == sorted(second)
    again = kcnn.load("digits", seed=1)
    assert [labels(again), labels(again)] == [first, second]
    assert labels(kcnn.load("digits", seed=2)) != first


def test_test_stays_in_order():
    expected = kcnn.open_source("digits").split("test").labels.tolist()
    assert labels(kcnn.load("digits", split="test")) == expected
    assert labels(kcnn.load("digits", split="test", shuffle=True)) != expected


def test_sizes_and_channels(shared_data):
    images, _ = next(iter(kcnn.load("digits", image_size=(28, 20), channels=3)))
    assert images.shape == (32, 28, 20, 3)
    folder = str(shared_data / "flowers_mini")
    images, _ = next(iter(kcnn.load(folder, image_size=(40, 30), batch_size=4)))
    assert images.shape == (4, 40, 30, 3)
    with pytest.raises(ConfigError, match="pass image_size"):
        kcnn.load(folder)


def test_a_model_of_ones_own_fits_it():
    import keras

    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    history = model.fit(kcnn.load("digits"), epochs=3, verbose=0).history
    assert history["accuracy"][-1] > 0.5  # chance is 0.1


@pytest.mark.parametrize(
    ("name", "split", "error", "message"),
    [
        ("digit", "train", UnknownNameError, "Did you mean 'digits'"),
        ("digits", "validation", UnknownNameError, "Known: test, train"),
        ("./nowhere", "train", DataError, "does not exist"),
    ],
)
def test_mistakes_are_explained(name, split, error, message):
    with pytest.raises(error, match=message):
        kcnn.load(name, split=split)


def test_validation_and_limit_of_a_recipe():
    source = kcnn.open_source(Data(source="digits", validation=0.2, limit=50))
    assert source.info.splits == {"train": 50, "validation": 50, "test": 50}
    assert set(source.split("validation").labels) == set(range(10))


def test_importing_and_listing_sources_needs_no_tensorflow():
    code = "import sys; from kcnn.data import SOURCES; print(SOURCES.names(), 'tensorflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "digits" in found.stdout
    assert found.stdout.strip().endswith("False")


def test_a_source_from_outside(monkeypatch):
    monkeypatch.setattr(kcnn.data.SOURCES, "_builtins", dict(kcnn.data.SOURCES._builtins))
    kcnn.data.SOURCES.add("more_digits", "kcnn.data.arrays:open_digits")
    assert kcnn.open_source("more_digits").info.name == "digits"


def test_pixels_of_pretrained_weights():
    record = kcnn.Preprocess(size=(12, 14), scale=1.0, mean=(127.0,), std=(128.0,))
    images, _ = next(iter(kcnn.load("digits", split="test", batch_size=4, preprocess=record)))
    assert images.shape == (4, 12, 14, 3)
    plain, _ = next(iter(kcnn.load("digits", split="test", batch_size=4, image_size=(12, 14), channels=3)))
    np.testing.assert_allclose(images, (plain * 255 - 127) / 128, atol=1e-5)
    with pytest.raises(ConfigError, match="leave out image_size"):
        kcnn.load("digits", image_size=(12, 14), preprocess=record)


def test_load_keeps_16_bits_where_asked(tmp_path):
    values = (128 * 256 + np.arange(4 * 6 * 5).reshape(4, 6, 5, 1)).astype(np.uint16)
    for index, pixels in enumerate(values):
        file = tmp_path / "train" / ("dim", "lit")[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(tf.io.encode_png(pixels).numpy())
    plain = {"name": str(tmp_path), "shuffle": False, "image_size": (6, 5), "channels": 1}
    record = kcnn.recipe.Preprocess(size=(6, 5), mean=(0.0,), std=(1.0,), channel_order="gray")
    deep = [
        kcnn.load(**plain, bit_depth=16),
        kcnn.load(str(tmp_path), shuffle=False, preprocess=record, bit_depth=16),
        kcnn.load(str(tmp_path), shuffle=False, preprocess=dataclasses.replace(record, bit_depth=16)),
    ]
    for dataset in deep:
        images = np.concatenate([images for images, _ in dataset.as_numpy_iterator()])
        np.testing.assert_array_equal(np.rint(images * 65535), values[[0, 2, 1, 3]])
    flat = np.concatenate([images for images, _ in kcnn.load(**plain).as_numpy_iterator()])
    assert np.unique(flat).tolist() == [np.float32(128) / np.float32(255)]
    with pytest.raises(ConfigError, match="bit_depth is 12"):
        kcnn.load(**plain, bit_depth=12)
    with pytest.raises(ConfigError, match="bit_depth is 12"):
        kcnn.open_source(Data(source=str(tmp_path), validation=0), 12)
