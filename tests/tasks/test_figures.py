"""The pictures: what they show is read back from the figure, not guessed from pixels."""

import numpy as np
import pytest
from PIL import Image

from kcnn.data.source import Info
from kcnn.tasks import figures


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_small_confusion_matrix_shows_counts_and_names():
    figure = figures.confusion_matrix(np.array([[5, 1], [0, 4]]), ("cat", "dog"), "pets test: 90% right")
    axes = figure.axes[0]
    assert texts(axes) == ["5", "1", "4"]  # a zero stays empty
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[5 / 6, 1 / 6], [0, 1]])
    assert figure.get_suptitle() == "pets test: 90% right"


@pytest.mark.parametrize("count", [26, 100, pytest.param(1000, marks=pytest.mark.slow)])
def test_large_confusion_matrix_lists_the_worst_pairs(count, tmp_path):
    matrix = 10 * np.eye(count, dtype=int)
    matrix[3, 7], matrix[9, 2] = 6, 8
    figure = figures.confusion_matrix(matrix, [f"class {i}" for i in range(count)], "many")
    large, pairs = figure.axes
    assert not texts(large)
    assert texts(pairs) == ["class 9 taken for class 2: 8", "class 3 taken for class 7: 6"]
    assert len(large.get_yticklabels()) <= figures.NAMES_UP_TO
    figures.save(figure, tmp_path / "large.png")
    assert max(Image.open(tmp_path / "large.png").size) <= 2400


def test_confusion_matrix_with_an_absent_class_or_a_single_one(tmp_path):
    figures.save(figures.confusion_matrix(np.array([[3]]), ("only",), "one"), tmp_path / "one.png")
    figure = figures.confusion_matrix(np.array([[2, 0], [0, 0]]), ("a", "absent"), "two")
    assert np.isfinite(figure.axes[0].images[0].get_array()).all()


def test_image_grid_takes_any_sizes_and_at_most_sixteen(tmp_path):
    images = [np.zeros((5 + i, 40, 1 + 2 * (i % 2)), np.uint8) for i in range(20)]
    figure = figures.image_grid(images, [f"image {i}" for i in range(20)], "grid")
    assert [axes.get_xlabel() for axes in figure.axes] == [f"image {i}" for i in range(16)]
    single = figures.image_grid(images[:1], ["one"], "single", ["#c23b3b"])
    figures.save(single, tmp_path / "single.png")
    assert single.axes[0].xaxis.label.get_color() == "#c23b3b"


def test_save_leaves_matplotlibs_state_alone(tmp_path):
    import matplotlib.pyplot as plt

    figures.save(figures.image_grid([np.zeros((2, 2, 3), np.uint8)], ["x"], "t"), tmp_path / "x.png")
    assert plt.get_fignums() == []


def test_the_legend_of_masks_names_what_they_show():
    info = Info(name="x", splits={}, classes=tuple(f"c{i}" for i in range(50)))
    masks = [np.arange(50, dtype=np.uint8), np.arange(10, 50, dtype=np.uint8)]  # 0..9 in one pixel, the others in two
    figure = figures.Figure(layout="constrained")
    figures.name_colours(figure, masks, info)
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [f"c{i}" for i in range(10, 50)]  # 40 at most
    assert legend.get_patches()[5].get_facecolor()[:3] == pytest.approx((192 / 255, 128 / 255, 128 / 255))  # VOC's 15th
    figures.name_colours(figure, [np.array([[3, 255]], np.uint8)], info)
    assert [text.get_text() for text in figure.legends[1].get_texts()] == ["c3", "ignored"]
