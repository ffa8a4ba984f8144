"""Decoded pixels against Pillow, kind by kind."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
import tensorflow as tf
from faults.pictures import ARITHMETIC
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


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(pixels, bits, kind, *, interlaced=False, extra=b""):
    """Write a PNG by hand (PNG 3, sections 8 and 11): uint (H, W, C) below 2**bits; `kind` 0 is gray, 2 RGB."""
    starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    passes = [pixels[y::dy, x::dx] for y, x, dy, dx in starts] if interlaced else [pixels]
    rows = b""
    for part in passes:
        for row in part.reshape(len(part), -1) if part.size else ():
            digits = (row.astype(int)[:, None] >> np.arange(bits)[::-1]) & 1
            rows += b"\0" + np.packbits(digits.astype(np.uint8)).tobytes()
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], bits, kind, 0, 0, interlaced)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


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


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_baseline_and_progressive_equal_pillow(progressive, subsampling, shared_data):
    file = sorted((shared_data / "flowers_mini" / "train" / "roses").glob("*.jpg"))[0]
    photo = Image.open(file).convert("RGB").crop((0, 0, 101, 83))  # odd: half a chroma sample at the edges
    contents = encoded(photo, "JPEG", quality=80, progressive=progressive, subsampling=subsampling)
    assert bool(opened(contents).info.get("progressive")) is progressive
    np.testing.assert_array_equal(decode(contents), np.asarray(opened(contents)))


def test_gray_jpeg():
    contents = encoded(Image.fromarray(GRAY), "JPEG")
    expected = np.asarray(opened(contents))
    assert expected.ndim == 2
    np.testing.assert_array_equal(decode(contents), np.repeat(expected[..., None], 3, 2))
    np.testing.assert_array_equal(decode(contents, 1)[..., 0], expected)


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


def test_orientation_by_its_definition():
    # EXIF 2.3, table 6: 6 is "row 0 on the right, column 0 on top", so the picture is turned a quarter to the right
    exif = Image.Exif()
    exif[0x0112] = 6
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(COLOUR), "PNG", exif=exif)), np.rot90(COLOUR, -1))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_changes_nothing(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    contents = encoded(Image.fromarray(COLOUR), kind, exif=exif)
    np.testing.assert_array_equal(decode(contents), np.asarray(opened(contents)))


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
    "16-bit RGB PNG, high byte": (png(COLOUR.astype(int) * 256 + COLOUR[::-1], 16, 2), COLOUR),
    "2-bit PNG": (png(GRAY[..., None] // 64, 2, 0), np.repeat((GRAY // 64 * 85)[..., None], 3, 2)),
    "4-bit PNG": (png(GRAY[..., None] // 16, 4, 0), np.repeat((GRAY // 16 * 17)[..., None], 3, 2)),
    "interlaced PNG": (png(COLOUR, 8, 2, interlaced=True), COLOUR),
    "palette PNG, an alpha per colour": (
        encoded(PALETTE, "PNG", transparency=bytes(range(0, 252, 36))), np.asarray(PALETTE.convert("RGB"))
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


def test_transparent_pixels_of_a_gif_are_black():
    contents = encoded(PALETTE, "GIF", transparency=2)
    expected = np.where((np.asarray(PALETTE) == 2)[..., None], 0, np.asarray(PALETTE.convert("RGB")))
    np.testing.assert_array_equal(decode(contents), expected)


def bmp32(masks):
    header = struct.pack("<IiiHHIIiiII", 56, 26, 17, 1, 32, 3, 0, 0, 0, 0, 0)
    pixels = np.dstack([COLOUR, ALPHA])[::-1].tobytes()
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 70) + header + struct.pack("<IIII", *masks) + pixels


def test_bmp_with_masks_of_its_own():
    contents = bmp32((0xFF, 0xFF00, 0xFF0000, 0xFF000000))  # red is the first byte, where it is the third elsewhere
    np.testing.assert_array_equal(np.asarray(opened(contents).convert("RGB")), COLOUR)
    np.testing.assert_array_equal(decode(contents), COLOUR)
    with pytest.raises(tf.errors.InvalidArgumentError, match="masks"):
        decode(bmp32((0x3FF, 0xFFC00, 0x3FF00000, 0)))  # ten bits a colour


def test_bmp_top_row_first():
    bottom_up = encoded(Image.fromarray(COLOUR), "BMP")
    rows = np.frombuffer(bottom_up[54:], np.uint8).reshape(17, -1)[::-1].tobytes()
    contents = bottom_up[:22] + struct.pack("<i", -17) + bottom_up[26:54] + rows
    np.testing.assert_array_equal(decode(contents), COLOUR)


def test_cmyk_as_pillow_prints_it():
    contents = encoded(Image.fromarray(COLOUR).convert("CMYK"), "JPEG")
    assert opened(contents).mode == "CMYK"
    difference = np.abs(decode(contents).numpy().astype(int) - np.asarray(opened(contents).convert("RGB")))
    assert difference.max() <= 1  # (255-C)(255-K)/255, rounded here and there


def test_ycck_as_pillow_prints_it():
    # Pillow writes CMYK alone; Adobe's APP14 marker with transform 2 says that the same four planes are YCCK
    contents = encoded(Image.fromarray(COLOUR).convert("CMYK"), "JPEG")
    at = contents.index(b"Adobe") + 11
    assert contents[at] == 0
    ycck = contents[:at] + b"\2" + contents[at + 1 :]
    expected = np.asarray(opened(ycck).convert("RGB"), int)
    assert np.abs(expected - np.asarray(opened(contents).convert("RGB"))).max() > 50  # another picture altogether
    assert np.abs(decode(ycck).numpy() - expected).max() <= 1


def test_arithmetic_coding():
    contents = ARITHMETIC
    assert b"\xff\xc9" in contents  # the frame's marker, ITU T.81, table B.1
    np.testing.assert_array_equal(decode(contents), np.asarray(opened(contents)))


def animation(frames, size=(40, 30), **options):
    pictures = [Image.fromarray(np.full(size[::-1], 9 * i, np.uint8)) for i in range(frames)]
    return encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:], **options)


def test_only_the_first_frame_of_an_animation_is_unpacked():
    contents = animation(5, comment=b"a comment" * 60, loop=0)
    first = np.asarray(opened(contents).convert("RGB"))
    np.testing.assert_array_equal(decode(contents), first)
    alone = encoded(Image.fromarray(GRAY), "GIF")
    for rest in (b"", b",", b"," + bytes(40), b"no block", alone[800:]):
        np.testing.assert_array_equal(decode(alone[:-1] + rest), np.repeat(GRAY[..., None], 3, 2))
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(alone[:-20])


@pytest.mark.parametrize("progressive", [False, True])
def test_half_a_jpeg_is_refused_quickly(progressive, shared_data):
    file = sorted((shared_data / "flowers_mini" / "train" / "roses").glob("*.jpg"))[0]
    whole = encoded(Image.open(file), "JPEG", progressive=progressive)
    start = time.perf_counter()
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(whole[: len(whole) // 2])
    assert time.perf_counter() - start < 5


@pytest.mark.timeout(60)
@pytest.mark.parametrize("length", [0xFFFFFFF4, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000])
def test_a_chunk_of_nonsense_length_does_not_hang(length):
    # 0xFFFFFFF4 is -12 as int32, just the size of an empty chunk: a naive walk would stand still
    contents = png(COLOUR, 8, 2, extra=struct.pack(">I", length) + b"abCd" + bytes(40))
    graph = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)])
    for function in (decode, graph):
        with pytest.raises(tf.errors.InvalidArgumentError):
            function(tf.constant(contents))


@pytest.mark.parametrize(
    "contents",
    [b"", b"\xff\xd8\xff", b"BM", b"\x89PNG", b"a text named .jpg", KINDS["RGBA PNG"][0][:200], b"GIF89a",
     encoded(Image.fromarray(COLOUR), "JPEG")[:300], KINDS["BMP"][0][:600]],
    ids=["empty", "jpeg magic", "bmp magic", "png magic", "text", "cut PNG", "cut GIF", "cut JPEG", "cut BMP"],
)  # fmt: skip
def test_what_is_no_image_is_an_invalid_argument(contents):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(contents)


def test_only_gray_and_rgb_are_made():
    with pytest.raises(ConfigError, match="4 channels"):
        decode(KINDS["BMP"][0], 4)
    with pytest.raises(ConfigError, match="of 2"):
        set_channels(tf.zeros((3, 3, 2), tf.uint8), 3)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_of_gray_are_kept_exactly(channels, traced):
    # every value there is; TensorFlow's graphs multiply by 1 / 257 where eager calls divide
    values = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256, 1)
    function = tf.function(decode) if traced else decode
    found = function(tf.io.encode_png(values), channels, 16).numpy()
    assert found.shape == (256, 256, channels)
    np.testing.assert_array_equal(found[..., :1], (values / 257).astype(np.float32))
    np.testing.assert_array_equal(np.rint(found * 257), np.repeat(values, channels, 2))


def test_16_bits_of_colour_are_kept_exactly():
    values = np.random.default_rng(0).integers(0, 1 << 16, (17, 26, 3), dtype=np.uint16)
    found = decode(tf.io.encode_png(values), 3, 16).numpy()
    np.testing.assert_array_equal(np.rint(found * 257), values)
    np.testing.assert_array_equal(decode(tf.io.encode_png(values)), values >> 8)  # and without, as ever
    luma = values.astype(float) @ (19595, 38470, 7471) / 65536 / 257
    np.testing.assert_allclose(decode(tf.io.encode_png(values), 1, 16)[..., 0], luma, rtol=2e-7)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bits_stand_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    values = COLOUR.astype(int) * 256 + COLOUR[::-1]
    contents = png(values, 16, 2, extra=chunk(b"eXIf", block))
    plain = decode(encoded(Image.fromarray(COLOUR), "PNG", exif=exif)).numpy()
    found = np.rint(257 * decode(contents, 3, 16).numpy()).astype(int)
    np.testing.assert_array_equal(found >> 8, plain)
    np.testing.assert_array_equal(np.sort(found.ravel()), np.sort(values.ravel()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "contents",
    [*(KINDS[name][0] for name in KINDS if "16-bit" not in name), encoded(Image.fromarray(COLOUR), "JPEG")],
    ids=[*(name for name in KINDS if "16-bit" not in name), "JPEG"],
)
def test_files_of_8_bits_are_the_same_with_16(contents, channels):
    shallow, deep = decode(contents, channels).numpy(), decode(contents, channels, 16).numpy()
    assert deep.dtype == np.float32
    coloured = channels == 1 and np.ptp(decode(contents).numpy().astype(int), axis=-1).any()
    np.testing.assert_allclose(deep, shallow, rtol=0, atol=0.5 if coloured else 0)  # luma is not rounded


def test_only_8_and_16_bits_are_kept():
    with pytest.raises(ConfigError, match="bit_depth is 12"):
        decode(KINDS["BMP"][0], 3, 12)
