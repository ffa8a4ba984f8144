"""Drawn scenes: the same everywhere, every view of one scene fits the others, and the source is as others are."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import kcnn
from kcnn.data import SOURCES, open_source, pipeline, shapes
from kcnn.data.shapes.draw import draw
from kcnn.data.shapes.scene import COLOURS, KINDS, Backdrop, Draws, Scene, Thing, compose, mix
from kcnn.errors import ConfigError, DataError
from kcnn.recipe import Data, Preprocess

PLAIN = Backdrop(pattern="plain", colours=((100, 100, 100), (100, 100, 100)), period=0.2, turn=(1.0, 0.0), seed=0)


def one(kind, turn=(1.0, 0.0), radius=0.25):
    return Thing(kind=kind, colour="red", rgb=(200, 0, 0), x=0.5, y=0.5, radius=radius, turn=turn)


def drawn(*things, size=400):
    return draw(Scene(extent=(1.0, 1.0), backdrop=PLAIN, things=things), size, size)


def test_random_numbers_are_those_of_splitmix64():
    """The first outputs of the generator with seed 1234567, as its authors' program prints them."""
    step, state = 0x9E3779B97F4A7C15, 1234567
    found = [mix(state + step * number) for number in range(1, 4)]
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    draws = Draws(3, 1, 4)
    sample = np.array([draws.uniform() for _ in range(4000)])
    assert sample.min() >= 0
    assert sample.max() < 1
    assert sample.mean() == pytest.approx(0.5, abs=0.02)
    turns = np.array([Draws(0, 0, i).turn() for i in range(500)])
    np.testing.assert_allclose((turns**2).sum(axis=1), 1)
    assert np.abs(turns.mean(axis=0)).max() < 0.1


def test_every_machine_draws_the_same():
    """Recorded from this code, to notice any change: scenes of the data set must never move."""
    found = hashlib.sha256()
    for index in range(20):
        picture = shapes.picture(index, size=(48, 64), seed=5)
        for part in (picture.image, picture.mask, picture.masks, picture.boxes, picture.classes):
            found.update(part.tobytes())
        found.update(" ".join(picture.captions).encode())
    assert found.hexdigest() == "3b67ec6c5b28c71497099a66d74a9b62ce9a6c46e56127e785cf42c6300df1fa"


# Areas by geometry, as shares of radius squared.
AREAS = {
    "circle": np.pi,
    "square": 2.0,
    "triangle": 3 * 3**0.5 / 4,
    "ring": np.pi * (1 - 0.56**2),
    "cross": 4 * 0.66 * (0.94 - 0.33) + 0.66**2,
    "arrow": 1.0 * 0.56 + 0.95 * 1.5 / 2,
    "star": 5 * 0.44 * np.sin(np.pi / 5),  # inner corners at 0.44
}


@pytest.mark.parametrize("kind", KINDS)
def test_areas_are_those_of_geometry(kind):
    picture = drawn(one(kind, turn=(0.6, 0.8)))
    area = picture.mask.astype(bool).sum() / 100**2
    if kind == "crescent":  # the disc less its overlap with the bite (lens of circles 1 and 0.78, 0.48 apart)
        big, small, apart = 1.0, 0.78, 0.48
        first = (apart**2 + big**2 - small**2) / (2 * apart)
        second = apart - first
        lens = big**2 * np.arccos(first / big) - first * np.sqrt(big**2 - first**2)
        lens += small**2 * np.arccos(second / small) - second * np.sqrt(small**2 - second**2)
        assert area == pytest.approx(np.pi - lens, rel=0.01)
    else:
        assert area == pytest.approx(AREAS[kind], rel=0.01)
    assert picture.classes.tolist() == [1 + KINDS.index(kind)]
    outside = picture.mask == 0
    far = np.hypot(*np.meshgrid(*[np.arange(400) - 199.5] * 2)) > 101
    assert outside[far].all()


def test_edges_are_smooth():
    """On the side of the light, free of shadow, red follows the share of a pixel that the circle covers."""
    picture = drawn(one("circle"), size=40)
    x, y = np.meshgrid(*[np.arange(40) - 19.5] * 2)
    distance = np.hypot(x, y) - 10
    rim = (np.abs(distance) < 0.7) & (x < -3) & (y < -3)
    cover = np.clip(0.5 - distance[rim], 0, 1)
    assert np.corrcoef(cover, picture.image[rim][:, 0])[0, 1] > 0.97
    assert np.corrcoef(cover > 0.5, picture.image[rim][:, 0])[0, 1] < 0.95  # not what a hard edge would give
    np.testing.assert_array_equal(picture.mask > 0, distance < 0)


def test_turning_is_clockwise():
    """An arrow points right; turned by a quarter, down."""
    right, down = (drawn(one("arrow", turn)).boxes[0] for turn in ((1.0, 0.0), (0.0, 1.0)))
    assert right[2] == pytest.approx(300, abs=1)
    assert right[0] == pytest.approx(105, abs=1)
    assert down[3] == pytest.approx(300, abs=1)


def test_the_last_thing_lies_on_top():
    big, small = one("square"), one("circle", radius=0.1)
    picture = drawn(big, small)
    assert picture.mask[200, 200] == 1 + KINDS.index("circle")
    assert picture.masks[0, 200, 200] == 0
    assert picture.boxes[0].tolist() == [129, 129, 271, 271]
    hidden = drawn(small, big)
    assert hidden.classes.tolist() == [1 + KINDS.index("square")]  # what is not to be seen has no box
    assert hidden.masks.shape == (1, 400, 400)


@pytest.mark.parametrize("size", [8, 33, (20, 50), (90, 30)])
def test_the_views_of_a_scene_agree(size):
    for index in range(25):
        picture = shapes.picture(index, size=size)
        height, width = picture.mask.shape
        assert picture.image.shape == (height, width, 3)
        count = len(picture.classes)
        assert picture.masks.shape == (count, height, width)
        assert picture.boxes.shape == (count, 4)
        assert picture.masks.sum(axis=0, dtype=int).max(initial=0) <= 1
        together = (picture.masks * picture.classes[:, None, None]).sum(axis=0)
        np.testing.assert_array_equal(together, picture.mask)
        for mask, (x1, y1, x2, y2) in zip(picture.masks, picture.boxes.astype(int), strict=True):
            assert mask[y1:y2, x1:x2].sum() == mask.sum() > 0
            assert mask[y1:y2, [x1, x2 - 1]].any(axis=0).all()
            assert mask[[y1, y2 - 1], x1:x2].any(axis=1).all()


def test_no_thing_is_hidden_and_all_occur():
    kinds, colours, patterns, counts = set(), set(), set(), set()
    for index in range(150):
        scene = compose(0, 0, index)
        picture = draw(scene, 48, 48)
        assert len(picture.classes) == len(scene.things) >= 1
        for thing, mask in zip(scene.things, picture.masks, strict=True):
            alone = draw(Scene(extent=(1.0, 1.0), backdrop=PLAIN, things=(thing,)), 48, 48).masks
            assert mask.sum() > 0.25 * alone.sum()
        kinds |= {thing.kind for thing in scene.things}
        colours |= {thing.colour for thing in scene.things}
        patterns.add(scene.backdrop.pattern)
        counts.add(len(scene.things))
    assert kinds == set(KINDS)
    assert colours == set(COLOURS)
    assert len(patterns) == 5
    assert counts == {1, 2, 3, 4, 5, 6}


def test_a_larger_picture_shows_the_same_scene():
    small, large = (shapes.picture(3, size=size) for size in (32, 256))
    assert small.captions == large.captions
    np.testing.assert_allclose(small.boxes * 8, large.boxes, atol=12)


def test_captions_say_what_is_there():
    left = Thing(kind="star", colour="red", rgb=(200, 0, 0), x=0.2, y=0.5, radius=0.2, turn=(1.0, 0.0))
    right = Thing(kind="ring", colour="orange", rgb=(200, 0, 0), x=0.7, y=0.5, radius=0.12, turn=(1.0, 0.0))
    third = Thing(kind="arrow", colour="blue", rgb=(0, 0, 200), x=0.5, y=0.9, radius=0.08, turn=(1.0, 0.0))
    scene = Scene(extent=(1.0, 1.0), backdrop=PLAIN, things=(third, right, left))
    assert scene.captions == (
        "A large red star, an orange ring and a small blue arrow on a plain background.",
        "A large red star is to the left of an orange ring.",
    )
    assert Scene(extent=(1.0, 1.0), backdrop=PLAIN, things=(left, third)).captions[1] == (
        "A large red star is to the left of a small blue arrow."
    ).replace("to the left of", "above")
    assert Scene(extent=(1.0, 1.0), backdrop=PLAIN, things=(right,)).captions == (
        "An orange ring on a plain background.",
    )


def test_the_source_is_as_others():
    source = open_source("shapes")
    assert source.info.splits == {"train": 800, "validation": 100, "test": 200}
    assert source.info.image_shape == (64, 64, 3)
    assert source.info.classes == ("background", *KINDS)
    assert len(source.info.palette) == 9
    part = open_source(Data(source="shapes", limit=6)).split("test")
    images, masks = next(iter(pipeline.evaluation(part, Preprocess(size=(64, 64)), 6, raw=True)))
    expected = shapes.picture(200 // 6, "test")  # limit takes evenly spread ones: 0, 33, 66, ...
    np.testing.assert_array_equal(images[1], expected.image)
    np.testing.assert_array_equal(masks[1], expected.mask)
    example = part.read(tf.constant(1, tf.int64))
    np.testing.assert_array_equal(example["boxes"], expected.boxes)
    np.testing.assert_array_equal(example["masks"], expected.masks)
    np.testing.assert_array_equal(example["classes"], expected.classes)
    assert [text.decode() for text in example["captions"].numpy()] == list(expected.captions)


def test_a_picture_is_drawn_once_and_only_when_asked_for(monkeypatch):
    calls = []
    real = shapes._drawn
    monkeypatch.setattr(shapes, "_drawn", lambda *key: calls.append(key) or real(*key))
    part = open_source("shapes:size=16,count=8").split("train")
    assert not calls
    for _ in range(2):
        list(pipeline.training(part, Preprocess(size=(16, 16)), batch_size=3, seed=0, epochs=1))
    assert sorted(key[2] for key in calls) == list(range(8))
    monkeypatch.setattr(shapes, "KEPT", 0)
    calls.clear()
    assert len(list(pipeline.evaluation(part, Preprocess(size=(16, 16)), 8))) == 1
    assert len(calls) == 8


def test_sizes_and_counts_by_name():
    source = open_source("shapes:size=24x40,count=40,seed=7")
    assert source.info.splits == {"train": 40, "validation": 5, "test": 10}
    assert source.info.image_shape == (24, 40, 3)
    example = source.split("train").read(np.int64(2))
    np.testing.assert_array_equal(example["image"], shapes.picture(2, size=(24, 40), seed=7).image)
    assert "shapes" in SOURCES.names()
    images, masks = next(iter(kcnn.load("shapes:size=16,count=4", batch_size=4)))
    assert (images.shape, masks.shape) == ((4, 16, 16, 3), (4, 16, 16))


def test_seeds_and_splits_differ():
    pictures = [shapes.picture(0, split, 16, seed).image for split in shapes.SPLITS for seed in (0, 1)]
    assert len({picture.tobytes() for picture in pictures}) == 6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shapes:size=4", "size is 4 but must be 8..4096"),
        ("shapes:size=99999", "size is 99999"),
        ("shapes:count=0", "train is 0 but must be 1"),
        ("shapes:seed=9999999999", r"seed is 9999999999 but must lie in 0\.\.2\*\*32-1"),
        ("shapes:colour=red", "has 'colour=red' but takes size=128"),
        ("shapes:size=big", "has 'size=big'"),
        ("shapes:size=8x8x8", "has 'size=8x8x8'"),
    ],
)
def test_what_cannot_be_drawn(name, message):
    with pytest.raises(ConfigError, match=message):
        open_source(name)


def test_no_such_picture():
    with pytest.raises(ConfigError, match="train, validation, test and numbers from 0"):
        shapes.picture(-1)
    with pytest.raises(ConfigError, match="'dev'"):
        shapes.picture(0, "dev")


def test_classification_says_what_it_lacks():
    from kcnn.recipe import Recipe
    from kcnn.tasks.classification.dataset import check_labels

    with pytest.raises(DataError, match="has no labels to learn"):
        check_labels(Recipe(name="x"), open_source("shapes").info)


def test_drawing_needs_no_tensorflow():
    code = "import sys; from kcnn.data import shapes; shapes.picture(0); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_colours_stand_out_from_the_ground():
    """The mean of each thing differs from that of the background by 25 gray levels in one channel at least."""
    for index in range(40):
        picture = shapes.picture(index, size=96)
        ground = picture.image[picture.mask == 0].astype(float)
        for mask in picture.masks:
            inside = picture.image[mask.astype(bool)].astype(float)
            assert np.abs(inside.mean(axis=0) - ground.mean(axis=0)).max() > 25
