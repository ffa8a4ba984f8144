"""Headers and the scan: every kind of bad file is found, named and explained, and nothing is touched."""

import dataclasses
import hashlib
import io
import os
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kcnn.data import open_source
from kcnn.data.headers import MAX_PIXELS, check_header, is_cut_short
from kcnn.data.splits import array_split, encoded_split, file_split
from kcnn.data.verify import examine, scan
from kcnn.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def encoded(kind, image=PIXELS, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def tree_digest(folder):
    """Return path -> (bytes, modification time) of everything below `folder`."""
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_headers_tell_kind_and_size(kind):
    header = check_header(encoded(kind))
    assert (header.kind, header.width, header.height) == (kind, 20, 12)


@pytest.mark.parametrize("options", [{"progressive": True}, {"exif": b"Exif\0\0" + bytes(60_000)}, {"quality": 1}])
def test_jpeg_sizes_behind_other_segments(options):
    header = check_header(encoded("JPEG", **options))
    assert (header.width, header.height) == (20, 12)


def test_headers_of_real_photos_equal_pillows(shared_data):
    for file in sorted((shared_data / "imagenet_samples" / "images").iterdir()):
        header = check_header(file.read_bytes())
        with Image.open(file) as image:
            assert (header.width, header.height) == image.size, file


BAD = {
    "empty.jpg": (b"", r"empty \(0 bytes\)"),
    "text.jpg": (b"this is a note, not a photo", "it is text"),
    "page.jpg": (b"<!DOCTYPE html><html>404</html>", "web page"),
    "webp.jpg": (encoded("WEBP"), "WebP image"),
    "real.webp": (encoded("WEBP"), "WebP image"),
    "photo.tiff": (encoded("TIFF"), "TIFF image"),
    "zeros.png": (bytes(500), "nothing but zero bytes"),
    "cut.jpg": (encoded("JPEG")[:500], r"cut short \(500 bytes\)"),
    "cut.png": (encoded("PNG")[:300], "cut short"),
    "head.png": (encoded("PNG")[:12], "ends inside its header"),
    "bomb.png": (png_header(50_000, 50_000), "50,000 x 50,000 pixels"),
    "flat.png": (png_header(0, 5), "0 x 5 pixels"),
}


def write(folder, good=20):
    for index in range(good):
        (folder / "cat").mkdir(parents=True, exist_ok=True)
        image = PIXELS.copy()
        image[0, 0] = index
        (folder / "cat" / f"good{index:02}.png").write_bytes(encoded("PNG", image))
    for name, (content, _) in BAD.items():
        (folder / "cat" / name).write_bytes(content)


def test_every_bad_file_is_named_and_explained(tmp_path):
    write(tmp_path)
    (tmp_path / "cat" / "loop.jpg").symlink_to("loop.jpg")
    before = tree_digest(tmp_path)
    split = open_source(str(tmp_path)).split("train")
    whole = open_source(str(tmp_path))
    parts = [whole.split(name) for name in whole.splits]
    found = {os.path.basename(e.name): e.reason for part in parts for e in scan(part, 0.9)}
    for name, (_, message) in BAD.items():
        assert re.search(message, found.pop(name)), name
    assert "cannot be opened" in found.pop("loop.jpg")
    assert not found
    assert tree_digest(tmp_path) == before
    bad = scan(split, 0.9)
    assert [example.index for example in bad] == sorted(example.index for example in bad)
    assert all(split.names(example.index) == example.name for example in bad)


def test_the_budget_stops_and_names_the_first(tmp_path):
    write(tmp_path)
    files = sorted(str(path) for path in (tmp_path / "cat").iterdir())
    split = file_split(files, np.zeros(len(files), np.int32))
    assert len(scan(split, len(BAD) / len(files))) == len(BAD)
    with pytest.raises(DataError, match=r"12 of 32 images cannot be read.*bomb\.png.*and 9 more"):
        scan(split, (len(BAD) - 1) / len(files))


def test_all_bad_is_never_within_budget(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="1 of 1"):
        scan(file_split([str(tmp_path / "a.jpg")], np.zeros(1, np.int32)), 1.0)


def test_good_images_of_every_kind_pass():
    contents = [encoded(kind) for kind in ("JPEG", "PNG", "GIF", "BMP")]
    seen = []
    split = encoded_split(contents * 20, np.zeros(80, np.int32), "made")
    assert scan(split, 0.0, seen.append) == []
    assert sum(seen) == 80
    found = list(examine(split))
    assert [example.kind for example in found[:4]] == ["JPEG", "PNG", "GIF", "BMP"]
    assert {example.size for example in found} == {(12, 20)}


def test_equal_pixels_have_equal_digests():
    images = np.stack([PIXELS, PIXELS[::-1], PIXELS])
    arrays = array_split(images, np.zeros(3, np.int32), "made")
    files = encoded_split([encoded("PNG"), encoded("BMP"), encoded("JPEG")], np.zeros(3, np.int32), "made")
    digests = [e.digest for split in (arrays, files) for e in examine(split, digests=True)]
    assert digests[0] == digests[2] == digests[3] == digests[4]
    assert len(set(digests)) == 3


def test_arrays_cost_nothing():
    def refuse(index):
        raise AssertionError("read")

    split = array_split(np.zeros((3, 2, 2, 1), np.uint8), np.zeros(3, np.int32), "made")
    assert scan(split.__class__(**{**vars(split), "read": refuse}), 0.0) == []


def test_the_size_limit_is_exact():
    assert check_header(png_header(MAX_PIXELS, 1)).width == MAX_PIXELS
    with pytest.raises(DataError, match="more than the"):
        check_header(png_header(MAX_PIXELS + 1, 1))


def gif(size, frames):
    """Return an animation of equal frames, without the time that Pillow takes to compare them."""
    one = encoded("GIF", np.zeros(size, np.uint8))
    at = 13 + 3 * (2 << (one[10] & 7))
    return one[:at] + one[at:-1] * frames + b";"


def test_frames_count_together():
    assert check_header(gif((28, 28), 10_000)).height == 28
    with pytest.raises(DataError, match="frames hold 200,000,000 pixels"):
        check_header(gif((1000, 1000), 200))
    assert check_header(gif((1000, 1000), 3)[:-900]).width == 1000  # cut off: the decoder's business


@pytest.mark.parametrize(
    ("marker", "bits", "message"), [(0xC3, 8, "lossless"), (0xC5, 8, "hierarchical"), (0xC1, 12, "12 bits")]
)
def test_jpegs_that_no_decoder_here_reads(marker, bits, message):
    contents = encoded("JPEG")
    at = contents.index(b"\xff\xc0") + 1
    with pytest.raises(DataError, match=message):
        check_header(contents[:at] + bytes([marker]) + contents[at + 1 : at + 3] + bytes([bits]) + contents[at + 4 :])


def test_a_jpeg_of_more_pixels_than_its_bytes_can_hold():
    contents = encoded("JPEG")
    at = contents.index(b"\xff\xc0") + 5
    with pytest.raises(DataError, match=r"13,000 x 13,000 pixels, which [0-9,]+ bytes cannot hold"):
        check_header(contents[:at] + struct.pack(">HH", 13_000, 13_000) + contents[at + 4 :])
    assert check_header(encoded("JPEG", np.zeros((5800, 5800, 3), np.uint8), quality=1)).width == 5800


def test_what_may_never_end_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate((1 << 30) + 1)
    names = ("pipe.jpg", "endless.jpg", "huge.jpg")
    found = [e.reason for e in examine(file_split([str(tmp_path / n) for n in names], np.zeros(3, np.int32)))]
    assert [("device" in reason, "1,073,741,825 bytes" in reason) for reason in found] == [
        (True, False),
        (True, False),
        (False, True),
    ]


def test_cut_short_is_told_from_damaged():
    assert not is_cut_short("JPEG", encoded("JPEG"))
    assert is_cut_short("JPEG", encoded("JPEG")[:-2])
    assert not is_cut_short("BMP", encoded("BMP")[:60])


def test_sources_that_only_read_are_scanned_through_their_graph():
    contents = [encoded("PNG"), b"damaged", encoded("BMP")]
    split = dataclasses.replace(encoded_split(contents, np.zeros(3, np.int32), "made"), contents=None)
    (bad,) = scan(split, 0.5)
    assert (bad.index, bad.name) == (1, "made[1]")
    assert bad.reason.startswith("cannot be decoded: ")
    assert "\n" not in bad.reason
    assert "{{" not in bad.reason
