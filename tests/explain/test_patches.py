"""Top patches: the planted square is found, cut exactly, in one pass."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.explain.patches import cut, top_patches
from kcnn.ops.receptive_field import unit_box
from tests.explain import nets


def planted():
    """Seven images, each with a square of its own brightness: the brightest are 5, 2 and 6."""
    images = np.zeros((7, 24, 24, 1), "float32")
    brightness = [0.1, 0.2, 0.8, 0.3, 0.4, 0.9, 0.7]
    for number, value in enumerate(brightness):
        images[number, 2 * number + 1 : 2 * number + 5, 3 * number : 3 * number + 4] = value
    return images


def test_the_planted_squares_are_found_and_cut():
    images = planted()
    found = top_patches(nets.blob_net(), images, "square", count=3, batch_size=2)[0]
    assert [patch.image for patch in found] == [5, 2, 6]
    for patch, value in zip(found, (0.9, 0.8, 0.7), strict=True):
        assert patch.value == pytest.approx(16 * value)
        assert patch.box[:2] == (2 * patch.image + 1, 3 * patch.image)
        np.testing.assert_array_equal(patch.pixels, np.full((4, 4, 1), value, "float32"))


def test_a_data_set_is_read_once_in_order():
    reads = []

    def batches():
        for start in range(0, 7, 3):
            reads.append(start)
            yield planted()[start : start + 3], np.zeros(len(planted()[start : start + 3]))

    once = top_patches(nets.blob_net(), batches(), "square", count=2)
    assert reads == [0, 3, 6]
    dataset = tf.data.Dataset.from_tensor_slices(planted()).batch(4)
    again = top_patches(nets.blob_net(), dataset, "square", count=2)
    for one, other in zip(once[0], again[0], strict=True):
        assert (one.image, one.unit, one.value) == (other.image, other.unit, other.value)


def test_boxes_are_those_of_the_receptive_field():
    inputs = keras.Input((20, 20, 2))
    x = layers.Conv2D(3, 3, strides=2, padding="same", name="one")(inputs)
    x = layers.MaxPooling2D(2, name="two")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="up")(x)
    model = keras.Model(inputs, layers.Conv2D(4, 3, padding="same", name="last")(x))
    images = np.random.default_rng(0).standard_normal((6, 20, 20, 2)).astype("float32")
    for layer in ("one", "two", "up", "last"):
        for patches in top_patches(model, images, layer, count=2).values():
            for patch in patches:
                assert patch.box == unit_box(model, layer, patch.unit, image_size=(20, 20))
                np.testing.assert_array_equal(patch.pixels, cut(images[patch.image], patch.box))


def test_it_cuts_images_as_they_were_given():
    images = (planted() * 255).astype("uint8")
    found = top_patches(nets.blob_net(), images, 0, count=1, prepare=lambda batch: batch / 255)[0][0]
    assert found.value == pytest.approx(16 * 0.9, rel=0.01)
    assert found.pixels.dtype == np.uint8
    assert found.pixels.max() == 229


def test_what_lies_outside_is_zero():
    image = np.arange(1, 5, dtype="float32").reshape(2, 2, 1)
    np.testing.assert_array_equal(cut(image, (-1, 1, 1, 3))[..., 0], [[0, 0], [2, 0]])


def test_mistakes():
    model = nets.blob_net()
    with pytest.raises(ConfigError, match="the layer has 1"):
        top_patches(model, planted(), "square", channels=[1])
    with pytest.raises(ConfigError, match="no images"):
        top_patches(model, iter(()), "square")
    with pytest.raises(ShapeError, match="prepare made"):
        top_patches(model, planted()[:, :20, :20], "square", prepare=lambda batch: np.zeros((len(batch), 24, 24, 1)))
    with pytest.raises(UnknownNameError, match="unknown layer"):
        top_patches(model, planted(), "squares")
