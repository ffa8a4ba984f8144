"""Resizing against Pillow, normalisation against its formula."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kcnn.data.preprocess import normalise, prepare, resize, shown, to_channels
from kcnn.recipe import Preprocess

IMAGE = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(12, 10), (30, 20), (61, 90), (30, 41)])
def test_bilinear_is_pillows(size):
    found = resize(tf.constant(IMAGE), Preprocess(size=size)).numpy()
    expected = np.asarray(Image.fromarray(IMAGE).resize(size[::-1], Image.Resampling.BILINEAR), int)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 1  # Pillow computes in integers


def test_a_photo_shrinks_as_pillows(shared_data):
    file = sorted((shared_data / "imagenet_samples" / "images").glob("*"))[0]
    photo = Image.open(file).convert("RGB")
    found = resize(tf.constant(np.asarray(photo)), Preprocess(size=(33, 47))).numpy().astype(int)
    expected = np.asarray(photo.resize((47, 33), Image.Resampling.BILINEAR), int)
    assert np.abs(found - expected).max() <= 1
    plain = tf.image.resize(np.asarray(photo), (33, 47)).numpy()
    assert np.abs(plain - expected).max() > 10  # without the filter it would be another picture


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_the_size_it_has_is_the_identity(interpolation):
    record = Preprocess(size=(30, 41), interpolation=interpolation)
    np.testing.assert_array_equal(resize(tf.constant(IMAGE), record), IMAGE)
    unknown = tf.function(lambda x: resize(x, record), input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)])
    np.testing.assert_array_equal(unknown(IMAGE), IMAGE)


def test_nearest_takes_pixel_centres():
    found = resize(tf.constant(IMAGE[:6, :6]), Preprocess(size=(3, 2), interpolation="nearest"))
    np.testing.assert_array_equal(found, IMAGE[[1, 3, 5]][:, [1, 4]])


def test_a_batch_is_its_images():
    batch = np.stack([IMAGE, IMAGE[::-1]])
    record = Preprocess(size=(8, 8))
    expected = [resize(tf.constant(image), record) for image in batch]
    np.testing.assert_array_equal(resize(tf.constant(batch), record), expected)


def test_normalise_is_its_formula():
    record = Preprocess(scale=1 / 255, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    expected = (IMAGE / 255 - [0.1, 0.2, 0.3]) / [0.5, 1.0, 2.0]
    found = normalise(tf.constant(IMAGE), record)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(normalise(tf.constant(IMAGE, tf.float32), record), expected, atol=1e-6)


def test_one_mean_serves_all_channels():
    # MobileNetV2's record: 0..255 becomes -1..1
    record = Preprocess(scale=1 / 127.5, mean=(1.0,), std=(1.0,))
    found = normalise(tf.constant([[[0, 51, 255]]], tf.uint8), record)
    np.testing.assert_allclose(found, [[[-1, -0.6, 1]]], atol=1e-6)


def test_bgr_reverses_before_mean_and_std():
    record = Preprocess(scale=1.0, mean=(103.0, 116.0, 123.0), std=(1.0,), channel_order="bgr")
    np.testing.assert_allclose(normalise(tf.constant(IMAGE), record), IMAGE[..., ::-1] - [103.0, 116.0, 123.0])


def test_channels_follow_the_record():
    gray = Preprocess(size=(8, 8), channel_order="gray")
    assert prepare(tf.constant(IMAGE), gray).shape == (8, 8, 1)
    np.testing.assert_array_equal(to_channels(tf.constant(IMAGE), gray)[..., 0], Image.fromarray(IMAGE).convert("L"))
    assert prepare(tf.constant(IMAGE[..., :1]), Preprocess(size=(8, 9))).shape == (8, 9, 3)
    repeated = to_channels(tf.constant(IMAGE[..., :1]), Preprocess())
    np.testing.assert_array_equal(repeated, np.repeat(IMAGE[..., :1], 3, axis=2))
    np.testing.assert_array_equal(to_channels(repeated, gray), IMAGE[..., :1])  # there and back: the luma sums to 1


@pytest.mark.parametrize("size", [(6, 5), (17, 26), (40, 30)])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_16_bits_are_resized_without_rounding(size, interpolation):
    record = Preprocess(size=size, interpolation=interpolation, bit_depth=16)
    values = np.random.default_rng(0).integers(0, 1 << 16, (17, 26, 3)) / np.float32(257)
    found = prepare(tf.constant(values, tf.float32), record).numpy()
    assert found.dtype == record.dtype == "float32"
    if interpolation == "nearest" or size == (17, 26):
        assert np.isin(found, values.astype(np.float32)).all()
    else:
        assert np.abs(found - np.rint(found)).max() > 0.4
    spec = tf.TensorSpec((None, None, 3), tf.float32)  # as in a SavedModel, which knows no size
    traced = tf.function(lambda images: prepare(images, record), input_signature=[spec])
    np.testing.assert_array_equal(traced(values.astype(np.float32)), found)


def test_uint8_images_become_floats_where_16_bits_are_kept():
    images = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    found = prepare(tf.constant(images), Preprocess(size=(8, 9), bit_depth=16)).numpy()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, images)


def test_pictures_are_shown_as_uint8():
    np.testing.assert_array_equal(shown(np.float32([0.4, 0.6, 127.5, 254.6])), np.uint8([0, 1, 128, 255]))
    images = np.uint8([3])
    assert shown(images) is images
