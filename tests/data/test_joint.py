"""Image and mask move together: a mask made of the image's own colours stays so, whatever is done to both."""

import numpy as np
import pytest
import tensorflow as tf

from kcnn.data import augment, joint, masks, order
from kcnn.errors import ConfigError, ShapeError

GRAY = 10  # step between the gray levels of two classes
B, H, W = 32, 24, 36


def keys(count=B, seed=0):
    return order.keys(tf.range(count, dtype=tf.int64), seed=seed, epoch=0)


@pytest.fixture(scope="module")
def batch():
    """Masks of four rectangles a picture, and the images that colour them."""
    rng = np.random.default_rng(0)
    drawn = np.zeros((B, H, W), np.uint8)
    for mask in drawn:
        for value in range(1, 5):
            y, x = rng.integers(0, H - 8), rng.integers(0, W - 8)
            mask[y : y + 8, x : x + 8] = value
    return np.repeat(drawn[..., None] * GRAY, 3, axis=-1), drawn


def flat(mask):
    """Pixels whose whole neighbourhood has one class: what interpolation between two classes cannot reach."""
    padded = np.pad(mask, [(0, 0), (1, 1), (1, 1)], constant_values=254)
    around = [padded[:, y : y + mask.shape[1], x : x + mask.shape[2]] for y in range(3) for x in range(3)]
    return np.logical_and.reduce([view == mask for view in around])


EXACT = ("flip", "crop", "pad")  # nothing is interpolated
CHANGES = {
    "flip": joint.flip,
    "larger": lambda *pair: joint.scale_crop(*pair, (1.3, 2.0)),
    "smaller": lambda *pair: joint.scale_crop(*pair, (0.5, 0.9)),
    "crop": lambda *pair: joint.scale_crop(*pair, (1.0, 1.0), (16, 20)),
    "pad": lambda *pair: joint.scale_crop(*pair, (1.0, 1.0), (32, 40)),
    "vary": lambda *pair: joint.vary(*pair, scales=(0.5, 2.0), size=(20, 28), mirror=True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_colours_stay_on_their_classes(batch, name):
    images, drawn = (np.asarray(part) for part in tf.function(CHANGES[name])(*batch, keys()))
    assert images.dtype == drawn.dtype == np.uint8
    assert images.shape[:3] == drawn.shape
    sure = (drawn != masks.IGNORE) & (flat(drawn) | (name in EXACT))
    assert sure.mean() > 0.15
    np.testing.assert_array_equal(images[sure], np.repeat(drawn[sure][:, None] * GRAY, 3, axis=1))
    assert (drawn[:, :16, :20] != batch[1][:, :16, :20]).any()


def test_what_comes_in_is_ignored_and_of_the_mean_colour(batch):
    images, drawn = joint.scale_crop(*batch, keys(), (0.5, 0.5))
    outside = drawn.numpy() == masks.IGNORE
    assert outside.mean() == pytest.approx(0.75, abs=0.03)  # half of each side shows the image
    assert not outside.all(axis=(1, 2)).any()
    mean = np.round(batch[0].mean(axis=(1, 2), dtype=np.float64))
    for image, where, expected in zip(images.numpy(), outside, mean, strict=True):
        np.testing.assert_allclose(image[where], np.broadcast_to(expected, image[where].shape), atol=1)
    places = {tuple(np.argwhere(~where)[0]) for where in outside}
    assert len(places) > 16  # each at a place of its own


def test_half_scale_is_the_mean_of_four_pixels():
    """A sample then lies in the middle of four pixels."""
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1) * 10
    images, _ = joint.scale_crop(pixels, pixels[..., 0], keys(1), (0.5, 0.5), (2, 2))
    np.testing.assert_array_equal(images[0, ..., 0], [[25, 45], [105, 125]])  # (0+10+40+50)/4 and so on


def test_double_scale_makes_four_pixels_of_one():
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1) * 16
    images, drawn = joint.scale_crop(pixels, pixels[..., 0], keys(1), (2.0, 2.0), (8, 8))
    np.testing.assert_array_equal(drawn, pixels[..., 0].repeat(2, axis=1).repeat(2, axis=2))
    # 0, 16, 32, 48 at 0.5, 1.5, 2.5, 3.5 pixels, read at 0.25, 0.75 and so on
    np.testing.assert_array_equal(images[0, 0, :, 0], [0, 4, 12, 20, 28, 36, 44, 48])


def test_nothing_to_do_is_the_identity(batch):
    images, drawn = joint.vary(*batch, keys())
    assert images is batch[0]
    assert drawn is batch[1]


def test_flip_and_colour_are_those_of_images_alone(batch):
    pair = joint.colour(*joint.flip(*batch, keys()), keys(), 0.4)
    expected = augment.colour(augment.flip(batch[0], keys()), keys(), 0.4)
    np.testing.assert_array_equal(pair[0], expected)
    assert 0 < (pair[1].numpy() == batch[1]).all(axis=(1, 2)).sum() < B


def test_an_example_does_not_depend_on_its_batch(batch):
    change = CHANGES["vary"]
    whole = change(*batch, keys())
    alone = change(batch[0][5:6], batch[1][5:6], keys()[5:6])
    for a, b in zip(alone, whole, strict=True):
        np.testing.assert_array_equal(a[0], b[5])
    other = change(*batch, keys(seed=1))
    assert (other[1].numpy() != whole[1].numpy()).any()


def test_factors_cover_their_range():
    drawn = np.zeros((400, 64, 64), np.uint8)
    drawn[:, 24:40, 24:40] = 1
    _, found = joint.scale_crop(drawn[..., None], drawn, keys(400), (0.5, 1.0))
    sides = np.sqrt((found.numpy() == 1).sum(axis=(1, 2))) / 16
    assert sides.min() == pytest.approx(0.5, abs=0.04)
    assert sides.max() == pytest.approx(1.0, abs=0.04)
    assert np.median(sides) == pytest.approx(0.5**0.5, abs=0.04)  # even in the logarithm


@pytest.mark.parametrize("scales", [(0, 1), (2, 1), (-1, 1), (1, np.inf), (1,), (1, 2, 3)])
def test_scales_that_cannot_work(batch, scales):
    with pytest.raises(ConfigError, match="0 < least <= largest"):
        joint.scale_crop(*batch, keys(), scales)


@pytest.mark.parametrize("scales", [(1, 1), (0.5, 2)])
def test_masks_of_other_sizes(scales):
    images = np.zeros((2, 8, 8, 3), np.uint8)
    for shape in ((2, 4, 4), (1, 8, 8), (2, 8, 8, 1)):
        with pytest.raises(ShapeError, match=r"must be \(2, 8, 8\)"):
            joint.vary(images, np.zeros(shape, np.uint8), keys(2), scales=scales)


def test_one_pixel_and_a_strip():
    for shape in ((1, 1), (3, 200)):
        drawn = np.ones((2, *shape), np.uint8)
        images, found = joint.vary(drawn[..., None] * 9, drawn, keys(2), scales=(0.5, 2), size=(8, 8), mirror=True)
        assert images.shape == (2, 8, 8, 1)
        assert (found.numpy() == 1).any(axis=(1, 2)).all()


def test_floats_stay_floats():
    images = tf.constant(np.random.default_rng(0).uniform(0, 255, (4, 12, 10, 3)), tf.float32)
    masks = tf.zeros((4, 12, 10), tf.uint8)
    keys = order.keys(tf.range(4, dtype=tf.int64), seed=0, epoch=tf.constant(0))
    moved, _ = joint.vary(images, masks, keys, scales=(0.6, 1.6), mirror=True, strength=0.2)
    assert moved.dtype == tf.float32
    assert np.abs(moved - np.rint(moved)).max() > 0.4
    whole, _ = joint.vary(tf.cast(images, tf.uint8), masks, keys, scales=(0.6, 1.6), mirror=True)
    floats, _ = joint.vary(tf.floor(images), masks, keys, scales=(0.6, 1.6), mirror=True)
    np.testing.assert_allclose(whole, floats, atol=0.501)
