"""Augmentation against naive NumPy, Pillow, and its one promise: an example's fate depends on its key alone."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from kcnn.data import augment, mix, order, randaugment
from kcnn.errors import ConfigError


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 12, 10, 3), dtype=np.uint8)


def keys_of(count, epoch=0):
    return order.keys(tf.range(count, dtype=tf.int64), seed=3, epoch=epoch)


FUNCTIONS = {
    "crop": lambda x, k: augment.crop(x, k, 3),
    "flip": augment.flip,
    "erase": lambda x, k: augment.erase(x, k, 0.9),
    "colour": lambda x, k: augment.colour(x, k, 0.5),
    "randaugment": lambda x, k: randaugment.randaugment(x, k, 2, 9.0),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_an_example_fares_the_same_in_any_batch(function, images):
    whole = function(tf.constant(images), keys_of(6)).numpy()
    again = function(tf.constant(images), keys_of(6)).numpy()
    turned = function(tf.constant(images[::-1].copy()), keys_of(6)[::-1]).numpy()[::-1]
    alone = np.concatenate([function(tf.constant(images[i : i + 1]), keys_of(6)[i : i + 1]) for i in range(6)])
    other = function(tf.constant(images), keys_of(6, epoch=1)).numpy()
    assert whole.dtype == np.uint8
    assert whole.shape == images.shape
    for same in (again, turned, alone):
        np.testing.assert_array_equal(whole, same)
    assert (whole != images).any()
    assert (whole != other).any()


@pytest.mark.parametrize(
    "function",
    [
        lambda x, k: augment.crop(x, k, 0),
        lambda x, k: augment.erase(x, k, 0.0),
        lambda x, k: augment.colour(x, k, 0.0),
        lambda x, k: randaugment.randaugment(x, k, 0, 9.0),
    ],
    ids=["crop", "erase", "colour", "randaugment"],
)
def test_strength_zero_is_the_identity(function, images):
    np.testing.assert_array_equal(function(tf.constant(images), keys_of(6)), images)


def test_crop_is_a_window_of_the_mirrored_image(images):
    cropped = augment.crop(tf.constant(images), keys_of(6), 3).numpy()
    for image, found in zip(images, cropped, strict=True):
        padded = np.pad(image, ((3, 3), (3, 3), (0, 0)), mode="reflect")
        windows = [padded[y : y + 12, x : x + 10] for y in range(7) for x in range(7)]
        assert any(np.array_equal(found, window) for window in windows)


def test_every_shift_is_about_as_likely():
    count = 4900
    image = np.arange(49, dtype=np.uint8).reshape(1, 7, 7, 1)
    corners = augment.crop(tf.repeat(image, count, axis=0), keys_of(count), 1).numpy()[:, 3, 3, 0]
    found = np.bincount(corners)[[16, 17, 18, 23, 24, 25, 30, 31, 32]]
    # 9 shifts, 544 expected each, standard deviation 22
    assert found.sum() == count
    assert np.abs(found - count / 9).max() < 5 * 22


def test_flip_mirrors_about_half(images):
    many = np.repeat(images[:1], 1000, axis=0)
    flipped = augment.flip(tf.constant(many), keys_of(1000)).numpy()
    mirrored = (flipped == images[0, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (flipped == images[0]).all(axis=(1, 2, 3))).all()
    assert 420 < mirrored.sum() < 580  # 500 expected, standard deviation 16


def test_erase_fills_one_rectangle_with_the_mean(images):
    erased = augment.erase(tf.constant(images), keys_of(6), 1.0).numpy()
    for image, found in zip(images, erased, strict=True):
        mean = np.round(image.astype(float).mean(axis=(0, 1)))
        rows, columns = np.nonzero((found != image).any(axis=2))
        window = found[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert np.abs(window - mean).max() <= 1


def test_erase_takes_its_share_of_images():
    many = np.random.default_rng(1).integers(0, 256, (1000, 16, 16, 1), dtype=np.uint8)
    changed = (augment.erase(tf.constant(many), keys_of(1000), 0.3).numpy() != many).any(axis=(1, 2, 3)).sum()
    assert 230 < changed < 370  # 300 expected, standard deviation 14


def test_colour_as_pillow_enhances(images):
    images = 96 + images // 4  # nothing is clipped on the way: Pillow clips after every step
    factors = 1 + 0.5 * (2 * order.uniform(keys_of(6), order.Stream.COLOUR, (3,)).numpy() - 1)
    found = augment.colour(tf.constant(images), keys_of(6), 0.5).numpy()
    for image, (brightness, contrast, saturation), result in zip(images, factors, found, strict=True):
        expected = Image.fromarray(image)
        for enhance, factor in (
            (ImageEnhance.Brightness, brightness),
            (ImageEnhance.Contrast, contrast),
            (ImageEnhance.Color, saturation),
        ):
            expected = enhance(expected).enhance(factor)
        difference = np.abs(np.asarray(expected, int) - result)
        assert difference.max() <= 3  # and rounds down after every step


@pytest.mark.parametrize(
    ("name", "signed", "expected"),
    [
        ("autocontrast", 0.9, ImageOps.autocontrast),
        ("equalize", 0.9, ImageOps.equalize),
        ("solarize", 0.5, lambda image: ImageOps.solarize(image, 128)),
        ("posterize", 1.0, lambda image: ImageOps.posterize(image, 4)),
        ("brightness", -0.5, lambda image: ImageEnhance.Brightness(image).enhance(0.55)),
        ("contrast", 0.5, lambda image: ImageEnhance.Contrast(image).enhance(1.45)),
        ("color", 0.5, lambda image: ImageEnhance.Color(image).enhance(1.45)),
    ],
)
def test_randaugment_operations_as_pillow(name, signed, expected, shared_data):
    path = sorted((shared_data / "flowers_mini" / "train" / "tulips").glob("*.jpg"))[0]
    photo = Image.open(path).resize((60, 50))
    found = randaugment.OPERATIONS[name](tf.constant(np.asarray(photo, np.float32)), tf.constant(signed))
    difference = np.abs(augment.to_pixels(found).numpy().astype(int) - np.asarray(expected(photo), int))
    assert difference.max() <= 1


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"])
def test_randaugment_geometry_fixes_the_centre_and_inverts(name):
    image = np.full((41, 41, 1), 128, np.float32)
    image[18:23, 18:23] = 255
    function = randaugment.OPERATIONS[name]
    there = function(tf.constant(image), tf.constant(0.5)).numpy()
    back = function(tf.constant(there), tf.constant(-0.5)).numpy()
    rows, columns, _ = np.nonzero(there > 200)
    moved = {"translate_x": (0, -0.225 * 41), "translate_y": (-0.225 * 41, 0)}.get(name, (0, 0))
    assert np.abs(np.array([rows.mean() - 20, columns.mean() - 20]) - moved).max() < 0.6
    assert np.abs(back - image).mean() < 1.5


def test_mixup_blends_images_and_targets_alike():
    x = tf.constant(np.eye(4, dtype=np.float32).reshape(4, 2, 2, 1))
    y = tf.eye(4)
    mixed, targets = mix.mixup(x, y, keys_of(4), 1.0)
    np.testing.assert_allclose(tf.reshape(mixed, (4, 4)), targets, atol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(targets, axis=1), 1, atol=1e-6)
    assert ((targets.numpy() > 0).sum(axis=1) == 2).all()


def test_cutmix_targets_count_the_pixels():
    x = tf.reshape(tf.range(5, dtype=tf.float32), (5, 1, 1, 1)) * tf.ones((5, 20, 16, 1))
    mixed, targets = mix.cutmix(x, tf.eye(5), keys_of(5), 1.0)
    for i in range(5):
        own = float(np.mean(mixed[i] == i))
        assert targets[i, i].numpy() == pytest.approx(own, abs=1e-6)
        assert targets[i, (i + 1) % 5].numpy() == pytest.approx(1 - own, abs=1e-6)
        assert set(np.unique(mixed[i])) <= {i, (i + 1) % 5}


def test_mix_takes_one_of_the_two_at_even_odds():
    x = tf.reshape(tf.range(400, dtype=tf.float32), (400, 1, 1, 1)) * tf.ones((400, 8, 8, 1))
    mixed = mix.mix(x, tf.eye(400), keys_of(400), 1.0, 1.0)[0].numpy().reshape(400, -1)
    blended = (mixed == mixed[:, :1]).all(axis=1)
    assert 100 < blended.sum() < 300
    np.testing.assert_array_equal(mix.mix(x, tf.eye(400), keys_of(400), 0.0, 0.0)[0], x)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_beta_has_its_mean_and_variance(alpha):
    drawn = tf.function(mix.beta)(keys_of(4000), order.Stream.MIXUP, alpha).numpy()
    # Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1))
    assert drawn.mean() == pytest.approx(0.5, abs=0.03)
    assert drawn.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.08)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_floats_are_moved_and_never_rounded():
    images = tf.constant(np.random.default_rng(0).uniform(0, 255, (4, 12, 10, 3)), tf.float32)
    keys = order.keys(tf.range(4, dtype=tf.int64), seed=0, epoch=tf.constant(0))
    for moved in (augment.crop(images, keys, 2), augment.flip(images, keys)):
        assert moved.dtype == tf.float32
        assert np.isin(moved.numpy(), images.numpy()).all()
    erased, coloured = augment.erase(images, keys, 1.0).numpy(), augment.colour(images, keys, 0.3).numpy()
    for found in (erased[erased != images.numpy()], coloured):
        assert found.dtype == np.float32
        assert np.abs(found - np.rint(found)).max() > 0.1
        assert found.min() >= 0
        assert found.max() <= 255
    whole = augment.colour(tf.cast(images, tf.uint8), keys, 0.3)
    np.testing.assert_allclose(whole, augment.colour(tf.floor(images), keys, 0.3), atol=0.501)


def test_randaugment_is_refused_for_floats():
    images = tf.zeros((2, 8, 8, 3))
    keys = order.keys(tf.range(2, dtype=tf.int64), seed=0, epoch=tf.constant(0))
    assert randaugment.randaugment(images, keys, 0, 5.0) is images
    with pytest.raises(ConfigError, match=r"preprocess\.bit_depth=8"):
        randaugment.randaugment(images, keys, 2, 5.0)
