"""Images of any size: tiles without seams, several looks, formats that give class maps."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kcnn.errors import ConfigError, DataError
from kcnn.recipe import Preprocess
from kcnn.tasks.segmentation.config import SegmentationConfig
from kcnn.tasks.segmentation.inference import largest, look, spans, whole
from kcnn.tasks.task import raw_outputs

RECORD = Preprocess(size=(16, 16), mean=(0.0,), std=(1.0,))
REACH = 3  # pixels to each side that three 3x3 convolutions see


@pytest.fixture(scope="module")
def network():
    """Three 3x3 convolutions with random weights, for tiles and for any size."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(n, 3, padding="same", activation=a) for n, a in ((6, "relu"), (6, "relu"), (4, None))]
    anywhere = keras.Sequential([keras.Input((None, None, 3)), *layers])
    tile = keras.Input((*RECORD.size, 3))
    return keras.Model(tile, anywhere(tile)), anywhere


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (50, 37, 3), np.uint8)


def by_brightness(images):
    """A "network" of two classes that looks at one pixel only: class 1 is bright."""
    bright = images.mean(axis=-1, dtype="float32") / 255
    return np.stack([np.full_like(bright, 0.5), bright], axis=-1)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 40), st.floats(0, 0.9))
def test_tiles_cover_every_pixel_once(extent, tile, overlap):
    extent = max(extent, tile)
    found = list(spans(extent, tile, overlap))
    assert [i for span in found for i in range(span.first, span.end)] == list(range(extent))
    for span in found:
        assert 0 <= span.start <= span.first
        assert span.end <= span.start + tile <= extent
    for left, right in itertools.pairwise(found):
        assert left.start + tile - right.start >= int(tile * overlap)  # they share what was asked for
        assert abs((left.start + tile - left.end) - (right.first - right.start)) <= 1  # and cut it in the middle


def test_tiles_equal_the_whole_image_where_the_receptive_field_permits(network, image):
    """Tiles share at least 8 pixels, so each pixel taken lies 3 or more from a seam; REACH is 3."""
    tiled, anywhere = network
    run = raw_outputs(tiled, RECORD)
    at_once = anywhere(image[None] / np.float32(255)).numpy()[0]
    found = look(run, image, RECORD.size, 0.5, lambda logits: logits)
    np.testing.assert_allclose(found, at_once, atol=1e-5)
    seam = look(run, image, RECORD.size, 0.0, lambda logits: logits)
    assert np.abs(seam - at_once).max() > 1e-2  # without overlap the borders of tiles show


def test_the_answer_is_the_largest_logit_of_the_image_at_its_own_size(network, image):
    tiled, anywhere = network
    found = whole(raw_outputs(tiled, RECORD), image, RECORD, SegmentationConfig(inference="tiles"))["class_map"]
    assert (found.dtype, found.shape) == (np.uint8, (50, 37))
    expected = anywhere(image[None] / np.float32(255)).numpy()[0].argmax(-1)
    assert (found == expected).mean() > 0.999  # rounding may decide a tie


@pytest.mark.parametrize("size", [(1, 1), (3000, 20), (20, 3000), (16, 16), (7, 100)])
@pytest.mark.parametrize("config", [{}, {"inference": "tiles"}, {"scales": (0.5, 1.0, 1.7), "mirror": True}])
def test_any_size_comes_back_in_its_own_pixels(size, config):
    image = np.zeros((*size, 3), np.uint8)
    image[:, size[1] // 2 :] = 255
    found = whole(by_brightness, image, RECORD, SegmentationConfig(**config))["class_map"]
    assert found.shape == size
    if config.get("inference") == "tiles":
        np.testing.assert_array_equal(found, image[..., 0] > 127)


def test_looks_are_averaged_as_probabilities():
    """Means of probabilities are 0.301, 0.224, 0.475: class 2. Means of their logarithms would choose class 1."""
    plain, mirrored = np.log([[0.6, 0.4 - 1e-6, 1e-6], [0.002, 0.048, 0.95]])
    assert (plain + mirrored).argmax() == 1

    def run(images):
        dark = images[:, :, :1, :1] < 128  # the first column tells the image from its mirror image
        return np.broadcast_to(np.where(dark, plain, mirrored), (*images.shape[:3], 3)).astype("float32")

    image = np.zeros((16, 16, 3), np.uint8)
    image[:, 8:] = 255
    found = whole(run, image, RECORD, SegmentationConfig(mirror=True))["class_map"]
    np.testing.assert_array_equal(found, 2)


def test_the_mirrored_answer_is_turned_back():
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, 10:] = 255
    found = whole(by_brightness, image, RECORD, SegmentationConfig(mirror=True))["class_map"]
    np.testing.assert_array_equal(found, image[..., 0] > 127)


def test_scores_of_several_sizes_are_enlarged_and_summed():
    one = np.zeros((2, 2, 2), np.float32)
    one[..., 1] = [[1, 0], [0, 0]]
    two = np.full((4, 4, 2), 0.3, np.float32)
    found = largest([one, two], (4, 4))
    assert found[0, 0] == 1
    assert found[3, 3] == 0  # of equal scores the first class wins
    expected = tf.image.resize(one[..., 1:], (4, 4), antialias=True).numpy()[..., 0] > 0
    np.testing.assert_array_equal(found, expected)


def test_formats_that_give_class_maps():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)

    def exported(images):
        return {"class_map": by_brightness(images).argmax(-1).astype("uint8")}

    tiles = SegmentationConfig(inference="tiles")
    expected = whole(by_brightness, image, RECORD, tiles)["class_map"]
    np.testing.assert_array_equal(whole(exported, image, RECORD, tiles)["class_map"], expected)
    assert whole(exported, image, RECORD, SegmentationConfig())["class_map"].shape == (40, 50)
    with pytest.raises(ConfigError, match="--use=keras"):
        whole(exported, image, RECORD, SegmentationConfig(mirror=True))


def test_gray_records_take_colour_images():
    record = Preprocess(size=(8, 8), channel_order="gray")
    seen = []
    whole(lambda images: seen.append(images.shape) or by_brightness(images), np.zeros((9, 9, 3), np.uint8), record,
          SegmentationConfig())  # fmt: skip
    assert seen == [(1, 8, 8, 1)]


def test_answers_that_are_not_finite():
    with pytest.raises(DataError, match="not finite"):
        whole(
            lambda images: by_brightness(images) * np.nan, np.zeros((4, 4, 3), np.uint8), RECORD, SegmentationConfig()
        )
