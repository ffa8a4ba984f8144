"""The pictures of a segmentation report: what they show is read back from the figure."""

import numpy as np

from kcnn.data.source import Info
from kcnn.tasks.segmentation.figures import gallery, iou_by_size

INFO = Info(name="x", splits={}, classes=("sky", "road", "car"), palette=((0, 0, 240), (120, 120, 120), (240, 0, 0)))


def test_the_gallery_shows_image_truth_and_answer():
    image = np.full((4, 6, 3), 100, np.uint8)
    true, found = np.zeros((4, 6), np.uint8), np.full((4, 6), 2, np.uint8)
    figure = gallery([("a.png", image, true, found, 0.25)], INFO, "worst")
    shown = [axes.images[0].get_array()[0, 0].tolist() for axes in figure.axes if axes.images]
    assert shown == [[100, 100, 100], [45, 45, 177], [177, 45, 45]]  # 0.45 * 100 + 0.55 * 240
    titles = [axes.get_title() for axes in figure.axes if axes.images]
    assert titles == ["image", "true", "predicted, mean IoU 25%"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sky", "car"]  # road is in neither


def test_large_images_are_thinned_out():
    image, mask = np.zeros((100, 1000, 3), np.uint8), np.zeros((100, 1000), np.uint8)
    figure = gallery([("a.png", image, mask, mask, 1.0)], INFO, "large")
    assert {axes.images[0].get_array().shape for axes in figure.axes if axes.images} == {(34, 334, 3)}  # every third


def test_iou_against_size_has_a_point_an_image_and_medians():
    """Twelve images, two to each sixth: the medians lie between their sides and between their scores."""
    sides = np.arange(10, 130, 10)
    scores = np.linspace(0, 0.55, 12)
    order = np.random.default_rng(0).permutation(12)
    axes = iou_by_size(sides[order] ** 2, scores[order], "by size").axes[0]
    points, medians = axes.lines
    np.testing.assert_allclose(points.get_xydata(), np.stack([sides, scores], axis=1)[order])
    np.testing.assert_allclose(medians.get_xdata(), [15, 35, 55, 75, 95, 115])
    np.testing.assert_allclose(medians.get_ydata(), scores.reshape(6, 2).mean(axis=1))


def test_few_images_of_different_sizes():
    axes = iou_by_size(np.array([100, 400]), np.array([0.5, 1.0]), "two").axes[0]
    assert axes.lines[1].get_xdata().tolist() == [10, 20]
