"""What the page computes for its pictures, against independent NumPy and SciPy."""

import itertools
import json

import numpy as np
import pytest
from scipy import ndimage

pytestmark = [pytest.mark.slow]
CHANCE = np.random.default_rng(0)


def ask(page, call, *arguments):
    """Return what the page's function gives for plain values."""
    return page.run(f"kcnn.{call}(...{json.dumps(arguments)})")


def boxes(count):
    corners = CHANCE.uniform(0, 5, (count, 2))
    return [
        {"x": x, "y": y, "w": w, "h": h}
        for (x, y), (w, h) in zip(corners.tolist(), CHANCE.uniform(0.5, 4, (count, 2)).tolist(), strict=True)
    ]


def overlap(a, b):
    wide = max(0, min(a["x"] + a["w"], b["x"] + b["w"]) - max(a["x"], b["x"]))
    high = max(0, min(a["y"] + a["h"], b["y"] + b["h"]) - max(a["y"], b["y"]))
    return wide * high / (a["w"] * a["h"] + b["w"] * b["h"] - wide * high)


def test_maps_equal_scipy(page):
    names = page.run("Object.keys(kcnn.filters.KERNELS)")
    image = CHANCE.integers(0, 256, (11, 9))
    for name in names:
        kernel = np.array(page.run(f"kcnn.filters.KERNELS.{name}.weights"))
        edge = kernel.shape[0] // 2
        inner = (slice(edge, -edge), slice(edge, -edge))
        found = ask(page, "filters.correlate", image.tolist(), kernel.tolist(), 3, 7)
        assert np.allclose(found, ndimage.correlate(image.astype(float), kernel)[inner] / 3 + 7)
        turned = ask(page, "filters.flipped", kernel.tolist())
        found = ask(page, "filters.correlate", image.tolist(), turned)
        assert np.allclose(found, ndimage.convolve(image.astype(float), kernel)[inner])
        window = ask(page, "filters.windowAt", image.tolist(), kernel.tolist(), 2, 1)
        assert window["sum"] == (image[2 : 2 + len(kernel), 1 : 1 + len(kernel)] * kernel).sum()


def test_pixels_survive_the_address(page):
    pixels = CHANCE.integers(0, 256, (16, 16)).tolist()
    assert ask(page, "filters.fromHex", ask(page, "filters.toHex", pixels)) == pixels
    assert ask(page, "filters.fromHex", "abc") is None


def test_overlap_of_boxes(page):
    drawn = boxes(40)
    for a, b in itertools.pairwise(drawn):
        assert ask(page, "geometry.iou", a, b)["iou"] == pytest.approx(overlap(a, b))
    assert ask(page, "geometry.iou", {"x": 0, "y": 0, "w": 1, "h": 1}, {"x": 2, "y": 2, "w": 1, "h": 1})["iou"] == 0


@pytest.mark.parametrize("threshold", [0, 0.3, 0.5, 1])
def test_suppression_keeps_the_greedy_choice(page, threshold):
    drawn = [box | {"score": float(score)} for box, score in zip(boxes(25), CHANCE.uniform(0, 1, 25), strict=True)]
    kept = []
    for index in sorted(range(25), key=lambda i: -drawn[i]["score"]):
        if all(overlap(drawn[index], drawn[other]) <= threshold for other in kept):
            kept.append(index)
    assert [step["best"] for step in ask(page, "geometry.suppress", drawn, threshold)] == kept


def test_values_between_the_cells_equal_scipy(page):
    image = CHANCE.uniform(0, 9, (8, 6))
    for x, y in CHANCE.uniform(-0.5, 8.5, (40, 2)):
        wanted = ndimage.map_coordinates(image, [[y - 0.5], [x - 0.5]], order=1, mode="nearest")[0]
        assert ask(page, "geometry.bilinear", image.tolist(), x, y) == pytest.approx(wanted)


def test_align_averages_and_pool_takes_the_largest(page):
    image = CHANCE.uniform(0, 9, (8, 8))
    ramp = np.tile(np.arange(8) + 0.5, (8, 1))
    box = {"x": 1.4, "y": 1.7, "w": 4.5, "h": 3.6}
    # On a ramp the average of a bin is the value at its middle.
    aligned = [cell["value"] for cell in ask(page, "geometry.roiAlign", ramp.tolist(), box, 3)]
    assert aligned == pytest.approx([1.4 + 4.5 * (i + 0.5) / 3 for i in range(3)] * 3)
    # Rounded by hand: columns 1..6 (5.9), rows 2..5 (5.3); two bins of 2.5 columns, widened to whole cells.
    pooled = ask(page, "geometry.roiPool", image.tolist(), box, 2)
    assert pooled["box"] == {"x": 1, "y": 2, "w": 5, "h": 3}
    rows, columns = [(2, 4), (3, 5)], [(1, 4), (3, 6)]
    wanted = [image[top:bottom, left:right].max() for top, bottom in rows for left, right in columns]
    assert [cell["value"] for cell in pooled["cells"]] == pytest.approx(wanted)


def test_pool_jumps_and_align_glides(page):
    image = CHANCE.uniform(0, 9, (8, 8)).tolist()
    moved = [{"x": 1 + step / 100, "y": 2, "w": 3, "h": 3} for step in range(101)]
    align = [ask(page, "geometry.roiAlign", image, box, 2)[0]["value"] for box in moved]
    pool = [ask(page, "geometry.roiPool", image, box, 2)["cells"][0]["value"] for box in moved]
    assert np.abs(np.diff(align)).max() < 0.1  # at most the slope between cells, 9, times a hundredth of a cell
    assert len(set(pool)) <= 2


def test_a_cell_of_yolo_becomes_a_box(page):
    found = ask(page, "geometry.decodeCell", 7, 3, 2, {"x": 0.6, "y": 0.4, "w": 0.45, "h": 0.6})
    assert found == pytest.approx({"x": 2.6 / 7 - 0.225, "y": 3.4 / 7 - 0.3, "w": 0.45, "h": 0.6})


def test_three_ways_back_from_pooled_values(page):
    image = CHANCE.permutation(16).reshape(4, 4) + 1
    blocks = image.reshape(2, 2, 2, 2).max((1, 3))
    assert ask(page, "unpooling.unpool", image.tolist(), "nearest") == blocks.repeat(2, 0).repeat(2, 1).tolist()
    nails = np.array(ask(page, "unpooling.unpool", image.tolist(), "nails"))
    assert nails[::2, ::2].tolist() == blocks.tolist()
    assert nails.sum() == blocks.sum()
    back = np.array(ask(page, "unpooling.unpool", image.tolist(), "switches"))
    assert np.array_equal(back, np.where(np.isin(image, blocks), image, 0))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_patches_add_up_to_the_transposed_convolution(page, stride):
    values, kernel = [3, 1, 4, 1], [1, 2, 5]
    spread = np.zeros((len(values) - 1) * stride + 1)
    spread[::stride] = values
    assert ask(page, "unpooling.overlapAdd", values, kernel, stride)["sum"] == np.convolve(spread, kernel).tolist()
