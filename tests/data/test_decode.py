"""Decoded pixels against Pillow, kind by kind."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kcnn.data.decode import decode, set_channels
from kcnn.errors import ConfigError

COLOUR = np.random.default_rng(0).integers(0, 256, (17, 26, 3), dtype=np.uint8)
GRAY, ALPHA = COLOUR[..., 0], COLOUR[..., 1]
PALETTE = Image.fromarray(COLOUR).quantize(7)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(contents):
    return Image.open(io.BytesIO(contents))


@pytest.mark.parametrize("channels", [1, 3])
def test_photos_equal_pillow(channels, shared_data):
    files = sorted((shared_data / "imagenet_samples" / "images").glob("*"))[::4]
    files += sorted((shared_data / "flowers_mini" / "test").glob("*/*.jpg"))[::10]
    assert len(files) > 30
    graph = tf.function(lambda c: decode(c, channels), input_signature=[tf.TensorSpec((), tf.string)])
    for file in files:
        with Image.open(file) as image:
            expected = np.asarray(
                ImageOps.exif_transpose(image).convert("RGB").convert("L" if channels == 1 else "RGB")
            )
        found = graph(file.read_bytes()).numpy()
        np.testing.assert_array_equal(found.reshape(expected.shape), expected, err_msg=str(file))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_orientation_stands_upright(kind, orientation, order):
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F] = "a maker before the orientation"
    exif[0x0112] = orientation
    contents = encoded(Image.fromarray(COLOUR), kind, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(opened(contents)).convert("RGB"))
    assert expected.shape[:2] == ((17, 26) if orientation < 5 else (26, 17))
    np.testing.assert_array_equal(decode(contents), expected)


def test_exif_behind_other_segments_is_found():
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = encoded(Image.fromarray(COLOUR), "JPEG", exif=exif, comment=b"first", icc_profile=b"x" * 70_000)
    np.testing.assert_array_equal(decode(contents), np.asarray(ImageOps.exif_transpose(opened(contents))))


@pytest.mark.parametrize(
    "block", [b"", b"MM", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0\x08\0\0\0\x01\0"]
)
def test_nonsense_in_exif_changes_nothing(block):
    plain = encoded(Image.fromarray(COLOUR), "JPEG")
    segment = b"Exif\0\0" + block
    contents = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    np.testing.assert_array_equal(decode(contents), decode(plain))


KINDS = {
    "1-bit PNG": (encoded(Image.fromarray(GRAY > 128), "PNG"), np.repeat((GRAY > 128)[..., None] * 255, 3, 2)),
    "gray PNG": (encoded(Image.fromarray(GRAY), "PNG"), np.repeat(GRAY[..., None], 3, 2)),
    "palette PNG": (encoded(PALETTE, "PNG"), np.asarray(PALETTE.convert("RGB"))),
    "palette PNG with transparency": (encoded(PALETTE, "PNG", transparency=2), np.asarray(PALETTE.convert("RGB"))),
    "gray and alpha PNG": (encoded(Image.fromarray(np.dstack([GRAY, ALPHA])), "PNG"), np.repeat(GRAY[..., None], 3, 2)),
    "RGBA PNG": (encoded(Image.fromarray(np.dstack([COLOUR, ALPHA])), "PNG"), COLOUR),
    "16-bit PNG, high byte": (
        encoded(Image.fromarray(GRAY.astype(np.uint16) * 256 + ALPHA), "PNG"), np.repeat(GRAY[..., None], 3, 2)
    ),
    "GIF": (encoded(PALETTE, "GIF"), np.asarray(PALETTE.convert("RGB"))),
    "animated GIF, first frame": (
        encoded(PALETTE, "GIF", save_all=True, append_images=[PALETTE.rotate(180)]), np.asarray(PALETTE.convert("RGB"))
    ),
    "BMP": (encoded(Image.fromarray(COLOUR), "BMP"), COLOUR),
    "BMP with alpha": (encoded(Image.fromarray(np.dstack([COLOUR, ALPHA])), "BMP"), COLOUR),
    "palette BMP": (encoded(PALETTE, "BMP"), np.asarray(PALETTE.convert("RGB"))),
    "gray BMP": (encoded(Image.fromarray(GRAY), "BMP"), np.repeat(GRAY[..., None], 3, 2)),
}  # fmt: skip


@pytest.mark.parametrize(("contents", "expected"), KINDS.values(), ids=KINDS)
def test_every_kind_as_documented(contents, expected):
    np.testing.assert_array_equal(decode(contents), expected)
    luma = np.asarray(Image.fromarray(expected.astype(np.uint8)).convert("L"))
    np.testing.assert_array_equal(decode(contents, 1)[..., 0], luma)


def test_cmyk_as_pillow_prints_it():
    contents = encoded(Image.fromarray(COLOUR).convert("CMYK"), "JPEG")
    assert opened(contents).mode == "CMYK"
    difference = np.abs(decode(contents).numpy().astype(int) - np.asarray(opened(contents).convert("RGB")))
    assert difference.max() <= 1  # (255-C)(255-K)/255, rounded here and there


@pytest.mark.parametrize(
    "contents",
    [b"", b"\xff\xd8\xff", b"BM", b"\x89PNG", b"a text named .jpg", KINDS["RGBA PNG"][0][:200], b"GIF89a",
     encoded(Image.fromarray(COLOUR), "JPEG")[:300]],
    ids=["empty", "jpeg magic", "bmp magic", "png magic", "text", "cut PNG", "cut GIF", "cut JPEG"],
)  # fmt: skip
def test_what_is_no_image_is_an_invalid_argument(contents):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(contents)


def test_only_gray_and_rgb_are_made():
    with pytest.raises(ConfigError, match="4 channels"):
        decode(KINDS["BMP"][0], 4)
    with pytest.raises(ConfigError, match="of 2"):
        set_channels(tf.zeros((3, 3, 2), tf.uint8), 3)
