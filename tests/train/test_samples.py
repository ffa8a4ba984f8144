"""The picture of the first batch: pixels as they were, names as the targets say."""

import numpy as np
import pytest
from PIL import Image

from kcnn.data.source import Info
from kcnn.recipe import Preprocess
from kcnn.tasks import figures
from kcnn.train.samples import _titles, draw_samples, pixels


def info(*classes, palette=()):
    return Info(name="made", splits={}, classes=classes, palette=palette)


@pytest.mark.parametrize(("order", "channels"), [("gray", 1), ("rgb", 3), ("bgr", 3)])
def test_normalisation_is_undone(order, channels):
    record = Preprocess(size=(4, 5), mean=(0.3,) * channels, std=(0.2,) * channels, channel_order=order)
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, channels), np.uint8)
    shown = images[..., ::-1] if order == "bgr" else images
    inputs = (images.astype(np.float32) * record.scale - np.float32(0.3)) / np.float32(0.2)
    np.testing.assert_array_equal(pixels(inputs, record), np.broadcast_to(shown, (2, 4, 5, 3)))


def test_titles():
    classes = ("cat", "dog", "owl")
    assert _titles(np.array([2, 0]), classes) == ["owl", "cat"]
    shares = np.array([[0.95, 0.025, 0.025], [0.4, 0.6, 0.0]])  # smoothed; mixed
    assert _titles(shares, classes) == ["cat", "dog 0.60"]
    assert _titles(np.zeros((2, 7, 7)), classes) == ["", ""]


def test_the_grid(tmp_path):
    record = Preprocess(size=(8, 8), mean=(0.0,), std=(1.0,), channel_order="gray")
    batch = np.ones((11, 8, 8, 1), np.float32), np.zeros(11, np.int32)
    draw_samples(tmp_path / "grid.png", batch, record, info("a"), count=10)
    picture = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB"))
    assert picture.shape[1] > 3 * picture.shape[0]  # eight columns, two rows
    assert (picture == 255).mean() > 0.5


def test_masks_colour_the_images(tmp_path, monkeypatch):
    record = Preprocess(size=(8, 8), mean=(0.0,), std=(1.0,), channel_order="gray")
    masks = np.zeros((2, 8, 8), np.uint8)
    masks[:, 4:] = 1
    facts = info("sky", "road", palette=((0, 0, 240), (240, 0, 0)))
    legends = []
    named = figures.name_colours
    monkeypatch.setattr(
        figures,
        "name_colours",
        lambda figure, *rest: (
            named(figure, *rest),
            legends.append([text.get_text() for text in figure.legends[0].get_texts()]),
        ),
    )
    draw_samples(tmp_path / "grid.png", (np.zeros((2, 8, 8, 1), np.float32), masks), record, facts)
    assert legends == [["sky", "road"]]
    picture = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB")).reshape(-1, 3)
    assert {(0, 0, 240), (240, 0, 0)} <= {tuple(pixel) for pixel in np.unique(picture, axis=0).tolist()}  # in full
    colours, counts = np.unique(picture, axis=0, return_counts=True)
    largest = {tuple(colour.tolist()) for colour in colours[np.argsort(-counts)[:3]]}
    assert largest == {(255, 255, 255), (0, 0, 132), (132, 0, 0)}  # 0.55 of 240 over black
