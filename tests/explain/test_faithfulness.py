"""Deletion, insertion and the pointing game, by arithmetic on a model that counts bright pixels."""

import keras
import numpy as np
import pytest
from keras import layers

from kcnn.errors import ConfigError, ShapeError
from kcnn.explain.core import with_softmax
from kcnn.explain.faithfulness import chance_inside, deletion, insertion, points_inside
from tests.explain import nets


def counting():
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(1, use_bias=False)])
    model.layers[-1].set_weights([np.full((64, 1), 1 / 64)])
    return model


def test_curves_by_hand():
    # 16 of 64 pixels are bright: a perfect map takes them first, so after a quarter of the pixels nothing is left.
    images = np.zeros((1, 8, 8, 1), "float32")
    images[0, 2:6, 2:6] = 1
    right, wrong = images[..., 0], 1 - images[..., 0]
    found = deletion(counting(), images, right, 0, steps=4)
    np.testing.assert_allclose(found.shares, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.scores, [[0.25, 0, 0, 0, 0]])
    assert found.area == pytest.approx([0.125 * 0.25])
    np.testing.assert_allclose(deletion(counting(), images, wrong, 0, steps=4).scores, [[0.25, 0.25, 0.25, 0.25, 0]])
    np.testing.assert_allclose(insertion(counting(), images, right, 0, steps=4).scores, [[0, 0.25, 0.25, 0.25, 0.25]])
    np.testing.assert_allclose(
        insertion(counting(), images, right, 0, steps=4, fill=np.ones((8, 8, 1))).scores, [[1, 1, 0.75, 0.5, 0.25]]
    )


def test_batches_change_nothing():
    images = nets.images()
    maps = np.abs(images).sum(-1)
    whole = deletion(with_softmax(nets.twin()), images, maps, [1, 3], steps=5)
    np.testing.assert_allclose(
        deletion(with_softmax(nets.twin()), images, maps, [1, 3], steps=5, batch_size=1).scores, whole.scores, atol=1e-6
    )
    np.testing.assert_allclose(
        whole.scores[:, 0], keras.ops.softmax(nets.twin()(images)).numpy()[[0, 1], [1, 3]], atol=1e-6
    )


def test_pointing_game_by_hand():
    maps = np.zeros((3, 4, 4))
    maps[0, 1, 2] = maps[1, 3, 3] = maps[2, 0, 0] = 1  # enlarged to 8 x 8: near (3, 5), (7, 7), (0, 0)
    boxes = [[(2, 4, 4, 6)], [(0, 0, 7, 7)], [(5, 5, 8, 8), (0, 0, 2, 2)]]
    assert points_inside(maps, boxes, (8, 8)).tolist() == [True, False, True]
    np.testing.assert_allclose(chance_inside(boxes, (8, 8)), [4 / 64, 49 / 64, 13 / 64])
    np.testing.assert_allclose(chance_inside([[(0, 0, 4, 4), (2, 0, 6, 4)], []], (8, 8)), [24 / 64, 0])
    assert points_inside(maps[:1], [[]], (8, 8)).tolist() == [False]


def test_mistakes():
    with pytest.raises(ConfigError, match="maps are"):
        deletion(counting(), np.zeros((1, 8, 8, 1)), np.zeros((2, 8, 8)), 0)
    with pytest.raises(ShapeError, match="fill is"):
        insertion(counting(), np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8)), 0, fill=np.zeros((3, 3, 1)))
    with pytest.raises(ConfigError, match="fill must be finite"):
        deletion(counting(), np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8)), 0, fill=np.nan)
    with pytest.raises(ConfigError, match="maps must be finite"):
        deletion(counting(), np.zeros((1, 8, 8, 1)), np.full((1, 8, 8), np.nan), 0)
    with pytest.raises(ShapeError, match="boxes of 2 images"):
        points_inside(np.zeros((1, 4, 4)), [[], []], (8, 8))
    with pytest.raises(ConfigError, match="maps must be finite"):
        points_inside(np.full((1, 4, 4), np.nan), [[]], (8, 8))


@pytest.mark.parametrize(
    ("box", "error", "said"),
    [
        ((4, 0, 2, 8), ConfigError, "y1 < y2"),
        ((0, 4, 8, 4), ConfigError, "x1 < x2"),
        ((0, 0, 8, 9), ConfigError, "within the 8 x 8 pixels"),
        ((-3, 0, 8, 8), ConfigError, "within the 8 x 8 pixels"),
        ((0, 0, np.inf, 8), ConfigError, "must be finite"),
        ((0, 0, np.nan, 8), ConfigError, "must be finite"),
        ((0, 0, 8), ShapeError, r"must be \(K, 4\)"),
        ("abcd", ConfigError, "one array of numbers"),
    ],
)
def test_boxes_that_are_none(box, error, said):
    for boxes in ([[(0, 0, 4, 4)], [box]], [[], [box]]):
        with pytest.raises(error, match=f"image 1.*{said}"):
            points_inside(np.zeros((2, 4, 4)), boxes, (8, 8))
        with pytest.raises(error, match=f"image 1.*{said}"):
            chance_inside(boxes, (8, 8))
    assert chance_inside([[(0, 0, 8.4, 8)]], (8, 8)) == [1]  # resized boxes may miss the border by a fraction
