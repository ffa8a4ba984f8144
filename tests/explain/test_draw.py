"""Pictures: exact pixels of small ones."""

import numpy as np
import pytest

from kcnn.errors import ConfigError, ShapeError
from kcnn.explain import draw


def test_images_must_be_as_they_were_before_preprocessing():
    np.testing.assert_array_equal(draw.pixels(np.full((1, 2, 2, 1), 7.4)), np.full((1, 2, 2, 3), 7, "uint8"))
    for values in (np.full((1, 2, 2, 3), -0.5), np.full((1, 2, 2, 3), 256.0), np.full((1, 2, 2, 3), np.nan)):
        with pytest.raises(ConfigError, match=r"must lie in 0\.\.255"):
            draw.pixels(values)
    with pytest.raises(ShapeError, match="1 or 3"):
        draw.pixels(np.zeros((2, 2, 4)))


def test_an_overlay_is_a_mix():
    images = np.full((1, 4, 4, 3), 100, "uint8")
    maps = np.array([[[0.0, 1.0], [0.0, 1.0]]])
    np.testing.assert_array_equal(draw.overlay(images, maps, 0), images)
    whole = draw.overlay(images, maps, 1)
    np.testing.assert_array_equal(whole[0, :, 0], np.broadcast_to(whole[0, 0, 0], (4, 3)))
    assert whole[0, 0, 0, 2] > whole[0, 0, 0, 0]  # low is blue
    assert whole[0, 0, 3, 0] > whole[0, 0, 3, 2]  # high is red
    half = draw.overlay(images, maps, 0.5).astype(float)
    np.testing.assert_allclose(half, (images + whole.astype(float)) / 2, atol=0.5)
    with pytest.raises(ShapeError, match="one for each of the images"):
        draw.overlay(images, np.zeros((2, 2, 2)))
    with pytest.raises(ConfigError, match="strength is 2"):
        draw.overlay(images, maps, 2)


def test_zero_is_gray_in_a_signed_picture():
    values = np.zeros((2, 1, 3, 1))
    values[0, 0, :, 0] = [-2, 0, 2]
    found = draw.signed(values)
    assert found.shape == (2, 1, 3, 3)
    assert found[0, 0, :, 0].tolist() == [1, 128, 255]
    assert (found[1] == 128).all()


def test_a_grid_is_read_like_a_page():
    tiles = np.stack([np.full((2, 3, 3), value, "uint8") for value in (10, 20, 30)])
    sheet = draw.grid(tiles, 2, gap=1)
    assert sheet.shape == (1 + 2 * 3, 1 + 2 * 4, 3)
    assert [sheet[1, 1, 0], sheet[1, 5, 0], sheet[4, 1, 0]] == [10, 20, 30]
    assert sheet[4, 5, 0] == sheet[0, 0, 0] == draw.LINE
    assert draw.grid(tiles, 2, gap=1, zoom=2).shape == (1 + 2 * 5, 1 + 2 * 7, 3)
    with pytest.raises(ShapeError, match="tiles are"):
        draw.grid(np.zeros((0, 2, 2)))


def test_kernels_of_colour_are_one_tile_each():
    values = np.zeros((3, 3, 3, 5))
    assert draw.kernels(values, zoom=1).shape == draw.grid(np.zeros((5, 3, 3))).shape
    pairs = draw.kernels(np.zeros((3, 3, 4, 2)), zoom=1)
    assert pairs.shape == draw.grid(np.zeros((8, 3, 3)), 4).shape
    assert draw.feature_maps(np.zeros((6, 6, 9)), most=4).shape == draw.grid(np.zeros((4, 6, 6))).shape


def test_a_sheet_has_a_place_for_every_picture():
    picture = np.zeros((4, 4, 3), "uint8")
    figure = draw.sheet([[picture] * 3, [picture] * 2], [["a", "b", "c"], ["d", "e"]], ["one", "two"])
    assert len(figure.axes) == 6
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 1, 1, 0]
    assert draw.row([picture], ["x"]).axes[0].get_title() == "x"


def test_rows_of_a_sheet_are_as_high_as_their_pictures():
    flat, high = np.zeros((4, 8, 3), "uint8"), np.zeros((8, 4, 3), "uint8")
    figure = draw.sheet([[flat], [high]], [["a"], ["b"]], ["one", "two"])
    heights = figure.axes[0].get_gridspec().get_height_ratios()
    assert heights[1] - heights[0] == pytest.approx(2.3 * (2 - 0.5))
