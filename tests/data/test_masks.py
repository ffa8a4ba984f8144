"""Masks as files: what a pixel stores, what it means, and what a batch holds."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kcnn.data import masks, pipeline
from kcnn.data.masks import IGNORE, Coding
from kcnn.data.splits import mask_array_split, mask_split
from kcnn.recipe import Preprocess


def png(pixels, palette=None, mode=None, **options):
    picture = Image.fromarray(pixels, mode) if mode else Image.fromarray(pixels)
    if palette is not None:
        picture = picture.convert("L")
        picture = Image.frombytes("P", picture.size, picture.tobytes())
        picture.putpalette(palette)
    stream = io.BytesIO()
    picture.save(stream, "PNG", **options)
    return stream.getvalue()


def bare_png(rows, depth, kind):
    """Write a PNG by hand: `rows` are bytes of one line each, `depth` bits a sample, `kind` its colour type."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    width = len(rows[0]) * 8 // depth
    header = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(range(90, 90 + 3 * min(16, 2**depth)))) if kind == 3 else b""
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def indices(contents):
    return masks.indices(tf.constant(contents)).numpy()


@pytest.fixture
def ids():
    return np.random.default_rng(0).integers(0, 256, (9, 13), dtype=np.uint8)


def test_palette_indices_are_not_colours(ids):
    palette = np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8).tolist()
    np.testing.assert_array_equal(indices(png(ids, palette)), ids)
    transparent = png(ids, palette, transparency=bytes(range(256)))
    np.testing.assert_array_equal(indices(transparent), ids)
    two = png(ids % 2, palette, transparency=bytes((0, 255)))  # as many entries as a gray image's own transparency has
    np.testing.assert_array_equal(indices(two), ids % 2)


@pytest.mark.parametrize("kind", [0, 3], ids=["gray", "palette"])
@pytest.mark.parametrize(
    ("depth", "row", "expected"),
    [(1, b"\xa5", [1, 0, 1, 0, 0, 1, 0, 1]), (2, b"\x1b", [0, 1, 2, 3]), (4, b"\x0f\x92", [0, 15, 9, 2])],
)
def test_few_bits_are_not_stretched(kind, depth, row, expected):
    contents = bare_png([row, row], depth, kind)
    if kind == 3:  # Pillow gives indices of palettes, but stretches gray
        np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(contents))), [expected] * 2)
    np.testing.assert_array_equal(indices(contents), [expected] * 2)


def test_gray_of_any_other_form(ids):
    np.testing.assert_array_equal(indices(png(ids)), ids)
    np.testing.assert_array_equal(indices(png(ids.astype(np.uint16))), ids)
    with_alpha = np.stack([ids, 255 - ids], axis=-1)
    np.testing.assert_array_equal(indices(png(with_alpha, mode="LA")), ids)


def test_real_voc_masks_are_as_pillow_reads_them(shared_data):
    read = tf.function(masks.indices, input_signature=[tf.TensorSpec((), tf.string)])
    files = sorted((shared_data / "voc_mini" / "SegmentationClass").glob("*.png"))
    assert len(files) == 74  # README of the data
    for file in files[::5]:
        np.testing.assert_array_equal(read(file.read_bytes()), np.array(Image.open(file)))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "."),
        (b"no image at all, only text", "no PNG"),
        (png(np.zeros((2, 2, 3), np.uint8)), "colours, not ids"),
        (png(np.full((2, 2), 300, np.uint16)), "above 255"),
        (png(np.zeros((40, 40), np.uint8))[:60], "."),
    ],
)
def test_what_is_no_mask(contents, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        indices(contents)


def test_values_become_classes():
    coding = Coding({0: 1, 7: 0, 9: IGNORE})
    found = coding.read(tf.constant(png(np.array([[0, 7], [9, 255]], np.uint8)))).numpy()
    np.testing.assert_array_equal(found, [[1, 0], [IGNORE, IGNORE]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="values that no class has"):
        coding.read(tf.constant(png(np.array([[0, 8]], np.uint8))))


def test_colours_become_classes():
    coding = Coding({0: 0, 1: 1}, {(0, 0, 0): 0, (255, 128, 1): 1, (0, 0, 1): IGNORE})
    colours = np.array([[(0, 0, 0), (255, 128, 1), (0, 0, 1)]], np.uint8)
    expected = [[0, 1, IGNORE]]
    np.testing.assert_array_equal(coding.read(tf.constant(png(colours))), expected)
    palette = [0, 0, 1, 255, 128, 1, 0, 0, 0]  # in another order than the classes: colours count
    drawn = png(np.array([[2, 1, 0]], np.uint8), palette)
    np.testing.assert_array_equal(coding.read(tf.constant(drawn)), expected)
    np.testing.assert_array_equal(coding.read(tf.constant(png(np.array([[1, 0, 255]], np.uint8)))), [[1, 0, IGNORE]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="values that no class has"):
        coding.read(tf.constant(png(colours + 2)))


def test_the_usual_palette():
    """The first colours of VOC's development kit, as its masks carry them."""
    expected = ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128))
    assert masks.default_palette(7) == expected
    assert masks.default_palette(9)[8] == (64, 0, 0)
    assert len(set(masks.default_palette(256))) == 256


def test_real_voc_masks_carry_the_usual_palette(shared_data):
    palette = Image.open(next((shared_data / "voc_mini" / "SegmentationClass").glob("*.png"))).getpalette()
    assert np.array(palette).reshape(-1, 3)[:21].tolist() == [list(colour) for colour in masks.default_palette(21)]


def test_resizing_takes_the_nearest_pixel():
    mask = np.arange(16, dtype=np.uint8).reshape(4, 4)
    np.testing.assert_array_equal(masks.resize_mask(tf.constant(mask), (8, 8)), mask.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(masks.resize_mask(tf.constant(mask[None]), (4, 4))[0], mask)
    third = np.arange(9, dtype=np.uint8).reshape(3, 3).repeat(3, 0).repeat(3, 1)
    np.testing.assert_array_equal(masks.resize_mask(tf.constant(third), (3, 3)), np.arange(9).reshape(3, 3))


@pytest.fixture
def halves(tmp_path):
    """Pictures whose red is ten times the class of the pixel, as files and in memory."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 5, (7, 6, 8), dtype=np.uint8)
    drawn[:, 0, 0] = IGNORE
    colours = np.repeat(drawn[..., None] // 5 * 50 + drawn[..., None] % 5 * 10, 3, axis=-1).astype(np.uint8)
    files = [(str(tmp_path / f"{i}.png"), str(tmp_path / f"{i}_mask.png")) for i in range(7)]
    for (image, mask), pixels, ids in zip(files, colours, drawn, strict=True):
        Image.fromarray(pixels).save(image)
        Image.fromarray(ids).save(mask)
    on_disk = mask_split([pair[0] for pair in files], [pair[1] for pair in files], Coding.of_ids(5))
    return {"files": on_disk, "arrays": mask_array_split(colours, drawn, "train")}, colours, drawn


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["files", "arrays"])
def test_batches_hold_masks_beside_images(halves, kind):
    splits, colours, drawn = halves
    split, record = splits[kind], Preprocess(size=(6, 8))
    assert split.labels.shape == (7, 0)
    found = list(pipeline.evaluation(split, record, 3, raw=True).as_numpy_iterator())
    np.testing.assert_array_equal(np.concatenate([images for images, _ in found]), colours)
    np.testing.assert_array_equal(np.concatenate([ids for _, ids in found]), drawn)
    kept = split.without({0, 3})
    assert kept.masks == tuple(split.masks[i] for i in (1, 2, 4, 5, 6) if split.masks)
    images, ids = next(iter(pipeline.evaluation(kept, record, 5, raw=True)))
    np.testing.assert_array_equal(ids, drawn[[1, 2, 4, 5, 6]])
    np.testing.assert_array_equal(images, colours[[1, 2, 4, 5, 6]])


@pytest.mark.parametrize("kind", ["files", "arrays"])
def test_training_resizes_both_and_keeps_ids(halves, kind):
    record = Preprocess(size=(12, 16), interpolation="nearest", scale=1.0, mean=(0.0,), std=(1.0,))
    batches = pipeline.training(halves[0][kind], record, batch_size=4, seed=0, epochs=1)
    for images, ids in batches.as_numpy_iterator():
        assert ids.dtype == np.uint8
        assert ids.shape == images.shape[:3]
        known = ids != IGNORE
        np.testing.assert_array_equal(images[known][:, 0], ids[known] * 10.0)
        assert set(np.unique(ids)) == {0, 1, 2, 3, 4, IGNORE}


def test_a_pair_of_different_sizes_stops_the_stream(halves, tmp_path):
    split = halves[0]["files"]
    Image.new("L", (8, 7)).save(split.masks[2])
    with pytest.raises(tf.errors.InvalidArgumentError, match="differ in size"):
        list(pipeline.evaluation(split, Preprocess(size=(6, 8)), 7))


def test_masked_images_keep_16_bits(tmp_path):
    values = (128 * 256 + np.arange(48 * 3).reshape(6, 8, 3)).astype(np.uint16)
    (tmp_path / "image.png").write_bytes(tf.io.encode_png(values).numpy())
    (tmp_path / "mask.png").write_bytes(tf.io.encode_png(np.ones((6, 8, 1), np.uint8)).numpy())
    split = mask_split([str(tmp_path / "image.png")], [str(tmp_path / "mask.png")], Coding({0: 0, 1: 1}))
    assert np.unique(split.read(tf.constant(0, tf.int64))["image"]).tolist() == [128]
    example = split.at_depth(16).read(tf.constant(0, tf.int64))
    np.testing.assert_array_equal(np.rint(257 * example["image"].numpy()), values)
    assert np.unique(example["mask"]).tolist() == [1]
