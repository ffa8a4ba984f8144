"""Image files of every kind, made with Pillow or byte by byte: what kcnn decodes, and what it names and leaves out."""

import base64
import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, features

HEIGHT, WIDTH = 34, 52
_Y, _X = np.mgrid[:HEIGHT, :WIDTH]
COLOUR = np.dstack([_X * 255 // WIDTH, _Y * 255 // HEIGHT, (_X * _Y) % 256]).astype(np.uint8)
GRAY = (_X * 7 + _Y * 3).astype(np.uint8)
ALPHA = (_Y * 5).astype(np.uint8)
ARITHMETIC = base64.b85decode(  # libjpeg-turbo's `cjpeg -arithmetic` of a gradient of 17 x 26; Pillow cannot write one
    "|JeWF01!$>Nk#wx0RR9200961|JwjV01XKW3knDg3knMk4h;_zAQcl55)&sJ9v2`kDKRiEDJ?8BI!Zn>HbyrrEkIX6ModmpQ&KWMT47pHU`kO"
    "^PygEhLjevB4iga*CKVMXPc<zyPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPf!2J01*fP5dazk0U`hb5di}c"
    "0sqVZ3IGrg1pyEd1^?Or3<CiG0ucid06zf#0H4;%?JS={i)^5Z=x=!;WW)va{{V9NSS%_fVqEwa@AHKU`KbFP<b?85_-S))mFz_3%WwVOw8`15"
    "N%}~+fC+fZa^B&r|Je"
)


@dataclass(frozen=True)
class Good:
    """A file that is decoded: its bytes, the uint8 (H, W, 3) that it must become, and by how much it may differ.

    `deep` is what it holds, uint16 (H, W, 3), where that is more than 8 bits.
    """

    name: str
    contents: bytes
    pixels: np.ndarray
    tolerance: int = 0
    deep: np.ndarray | None = None


@dataclass(frozen=True)
class Bad:
    """A file that is left out: how to make it at a path (or its bytes), and a pattern of the reason given.

    `plain` is False for what is no ordinary file, on which a reader that does not look first would hang.
    """

    name: str
    make: bytes | Callable[[Path], None]
    reason: str
    plain: bool = True


def encoded(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    """Return `image` in the format `kind`, as Pillow writes it."""
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def seen(contents: bytes) -> np.ndarray:
    """Return the first frame, upright, as Pillow has it: uint8 (H, W, 3)."""
    with Image.open(io.BytesIO(contents)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG (ISO 15948, 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples: np.ndarray, bits: int, colour: int, *, extra: bytes = b"", interlaced: bool = False) -> bytes:
    """Write integers (H, W, C) as a PNG of `bits` a sample, colour type `colour` (ISO 15948, 11.2.2)."""
    height, width = samples.shape[:2]
    passes = [samples[y0::dy, x0::dx] for x0, y0, dx, dy in _ADAM7] if interlaced else [samples]
    rows = b"".join(b"\0" + _packed(row.ravel(), bits) for part in passes if part.size for row in part)
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def _packed(row: np.ndarray, bits: int) -> bytes:
    if bits == 16:
        return row.astype(">u2").tobytes()
    if bits == 8:
        return row.astype(np.uint8).tobytes()
    values = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, -bits:]
    return np.packbits(values.ravel()).tobytes()


def gif(size: tuple[int, int], frames: int) -> bytes:
    """Return an animation of equal frames of (height, width); Pillow would leave repeated ones out."""
    one = encoded(np.zeros(size, np.uint8), "GIF")
    at = 13 + 3 * (2 << (one[10] & 7))
    return one[:at] + one[at:-1] * frames + b";"


def jpeg_saying(contents: bytes, *, marker: int = 0xC0, bits: int = 8, size: tuple[int, int] | None = None) -> bytes:
    """Return a baseline JPEG whose frame header says something else."""
    at = contents.index(b"\xff\xc0") + 1
    height, width = size or struct.unpack(">HH", contents[at + 4 : at + 8])
    said = bytes([marker]) + contents[at + 1 : at + 3] + struct.pack(">BHH", bits, height, width)
    return contents[:at] + said + contents[at + 8 :]


def _turned(orientation: int) -> np.ndarray:
    """Return how COLOUR must be stored for `orientation` to make it upright (EXIF 2.3, table 6)."""
    if orientation in (5, 6, 7, 8):
        stored = COLOUR.transpose(1, 0, 2)
        return {5: stored, 6: stored[::-1], 7: stored[::-1, ::-1], 8: stored[:, ::-1]}[orientation]
    return {1: COLOUR, 2: COLOUR[:, ::-1], 3: COLOUR[::-1, ::-1], 4: COLOUR[::-1]}[orientation]


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def good() -> list[Good]:
    """Return the files that kcnn decodes, with what they must become: Pillow's pixels, or the ones written."""
    return [*_jpegs(), *_pngs(), *_others()]


def _jpegs() -> list[Good]:
    cmyk = encoded(Image.fromarray(COLOUR).convert("CMYK"), "JPEG")
    at = cmyk.index(b"Adobe") + 11
    kinds = {
        "plain": encoded(COLOUR, "JPEG"),
        "gray": encoded(GRAY, "JPEG"),
        "progressive": encoded(COLOUR, "JPEG", progressive=True),
        "no_subsampling": encoded(COLOUR, "JPEG", subsampling=0, quality=100),
        "restart_marks": encoded(COLOUR, "JPEG", restart_marker_rows=1),
        "arithmetic": ARITHMETIC,
        "cmyk": cmyk,
        "ycck": cmyk[:at] + b"\2" + cmyk[at + 1 :],  # Adobe's mark says which: ITU T.872, 6.5.3
        "huge_icc": encoded(COLOUR, "JPEG", icc_profile=bytes(2_000_000)),
        "long_comment": encoded(COLOUR, "JPEG", comment=b"x" * 65_000),
        "bytes_behind": encoded(COLOUR, "JPEG") + b"junk" * 100,
        "one_pixel": encoded(COLOUR[:1, :1], "JPEG"),
        **{f"exif_{o}": encoded(np.ascontiguousarray(_turned(o)), "JPEG", exif=_exif(o)) for o in range(1, 9)},
        "exif_nonsense": encoded(COLOUR, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    }
    loose = {"cmyk": 1, "ycck": 1}  # (255-C)(255-K)/255, rounded here and there
    files = [Good(f"jpeg_{name}.jpg", data, seen(data), loose.get(name, 0)) for name, data in kinds.items()]
    plain = kinds["plain"]
    odd = os.fsdecode(b"jpeg_caf\xe9_not_utf8.jpg")
    return [
        *files,
        Good("jpeg_named.png", plain, seen(plain)),
        Good("jpeg_UPPER.JPEG", plain, seen(plain)),
        Good(odd, plain, seen(plain)),
        Good(f"jpeg_{'long' * 55}.jpg", plain, seen(plain)),
        Good("jpeg_löng\nname 猫 %s.jpg", plain, seen(plain)),
    ]


def _pngs() -> list[Good]:
    palette = Image.fromarray(COLOUR).quantize(7)
    looked_up = np.asarray(palette.convert("RGB"))
    gray = np.repeat(GRAY[..., None], 3, 2)
    bomb = zlib.compress(bytes(50_000_000), 9)
    moving = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1])]
    kinds = {
        "plain": (encoded(COLOUR, "PNG"), COLOUR),
        "gray": (encoded(GRAY, "PNG"), gray),
        "gray_alpha": (encoded(np.dstack([GRAY, ALPHA]), "PNG"), gray),
        "rgba": (encoded(np.dstack([COLOUR, ALPHA]), "PNG"), COLOUR),
        "palette": (encoded(palette, "PNG"), looked_up),
        "palette_transparent": (encoded(palette, "PNG", transparency=2), looked_up),
        "palette_alphas": (encoded(palette, "PNG", transparency=bytes(range(0, 252, 36))), looked_up),
        "1_bit": (encoded(GRAY > 128, "PNG"), (gray > 128) * np.uint8(255)),
        "2_bit": (png(GRAY[..., None] // 64, 2, 0), gray // 64 * 85),
        "4_bit": (png(GRAY[..., None] // 16, 4, 0), gray // 16 * 17),
        "interlaced": (png(COLOUR, 8, 2, interlaced=True), COLOUR),
        "animated": (encoded(moving[0], "PNG", save_all=True, append_images=moving[1:]), COLOUR),
        "text_bomb": (png(COLOUR, 8, 2, extra=chunk(b"zTXt", b"a\0\0" + bomb)), COLOUR),
        "icc_bomb": (png(COLOUR, 8, 2, extra=chunk(b"iCCP", b"a\0\0" + bomb)), COLOUR),
        **{f"exif_{o}": (encoded(np.ascontiguousarray(_turned(o)), "PNG", exif=_exif(o)), COLOUR) for o in range(1, 9)},
    }
    files = [Good(f"png_{name}.png", *found) for name, found in kinds.items()]
    return [*files, Good("png_named.jpg", *kinds["plain"]), *_deep_pngs()]


def _deep_pngs() -> list[Good]:
    """Return PNGs of 16 bits; their low bytes are not their high ones, so that no stretched 8 bits pass for them."""
    colour = COLOUR.astype(int) * 256 + COLOUR[::-1]
    gray, alpha = GRAY[..., None].astype(int) * 256 + ALPHA[..., None], ALPHA[..., None].astype(int) * 256 + 77
    turned = _turned(6).astype(int) * 256
    every = np.arange(1 << 16).reshape(256, 256, 1)
    kinds = {
        "gray": (png(gray, 16, 0), gray),
        "rgb": (png(colour, 16, 2), colour),
        "gray_alpha": (png(np.dstack([gray, alpha]), 16, 4), gray),
        "rgba": (png(np.dstack([colour, alpha]), 16, 6), colour),
        "interlaced": (png(colour, 16, 2, interlaced=True), colour),
        "every_value": (png(every, 16, 0), every),
        "exif_6": (png(turned + 9, 16, 2, extra=chunk(b"eXIf", _exif(6).tobytes()[6:])), COLOUR.astype(int) * 256 + 9),
    }
    full = {name: (data, np.broadcast_to(values, (*values.shape[:2], 3))) for name, (data, values) in kinds.items()}
    return [
        Good(f"png_16_bit_{name}.png", data, (values >> 8).astype(np.uint8), deep=values.astype(np.uint16))
        for name, (data, values) in full.items()
    ]


def _others() -> list[Good]:
    palette = Image.fromarray(COLOUR).quantize(7)
    looked_up = np.asarray(palette.convert("RGB"))
    holes = np.where((np.asarray(palette) == 2)[..., None], 0, looked_up).astype(np.uint8)
    kinds = {
        "gif_plain.gif": (encoded(palette, "GIF"), looked_up),
        "gif_animated.gif": (encoded(palette, "GIF", save_all=True, append_images=[palette.rotate(180)]), looked_up),
        "gif_transparent.gif": (encoded(palette, "GIF", transparency=2), holes),
        "gif_10000_small_frames.gif": (gif((28, 28), 10_000), np.zeros((28, 28, 3), np.uint8)),
        "gif_damaged_second_frame.gif": (encoded(palette, "GIF")[:-1] + b"," + bytes(40), looked_up),
        "bmp_plain.bmp": (encoded(COLOUR, "BMP"), COLOUR),
        "bmp_gray.bmp": (encoded(GRAY, "BMP"), np.repeat(GRAY[..., None], 3, 2)),
        "bmp_palette.bmp": (encoded(palette, "BMP"), looked_up),
        "bmp_alpha.bmp": (encoded(np.dstack([COLOUR, ALPHA]), "BMP"), COLOUR),
        "bmp_top_down.bmp": (_top_down(encoded(COLOUR, "BMP")), COLOUR),
    }
    return [Good(name, *found) for name, found in kinds.items()]


def _top_down(bmp: bytes) -> bytes:
    rows = np.frombuffer(bmp[54:], np.uint8).reshape(HEIGHT, -1)[::-1].tobytes()
    return bmp[:22] + struct.pack("<i", -HEIGHT) + bmp[26:54] + rows


def bad() -> list[Bad]:
    """Return the files that kcnn leaves out, with the reason it must give."""
    jpeg, lossless = encoded(COLOUR, "JPEG"), encoded(COLOUR, "PNG")
    palette = encoded(Image.fromarray(COLOUR).quantize(7), "GIF")
    cuts = [
        Bad(f"cut_{percent}_percent.{ending}", data[: len(data) * percent // 100], "cut short|ends inside its header")
        for ending, data in (("jpg", jpeg), ("png", lossless), ("gif", palette))
        for percent in (10, 50, 95)
    ]
    bmp = encoded(COLOUR, "BMP")
    flipped = bytearray(lossless)
    flipped[len(flipped) // 2] ^= 0x55
    contents = {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"a note, not a photo", "it is text"),
        "page.jpg": (b"<!DOCTYPE html><html>404</html>", "web page"),
        "drawing.png": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        "zeros.png": (bytes(500), "nothing but zero bytes"),
        "noise.jpg": (np.random.default_rng(0).bytes(900), "it is no JPEG, PNG, GIF or BMP"),
        "lfs.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        "tiff.tif": (encoded(COLOUR, "TIFF"), "TIFF"),
        "heic.heic": (b"\0\0\0\x18ftypheic" + bytes(200), "HEIC"),
        "heic_named.jpg": (b"\0\0\0\x18ftypheix" + bytes(200), "HEIC"),
        "avif.avif": (b"\0\0\0\x1cftypavif" + bytes(200), "AVIF"),
        "jpeg2000.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200), "JPEG 2000"),
        "jpeg_xl.jxl": (b"\xff\x0a" + bytes(200), "JPEG XL"),
        "icon.png": (encoded(COLOUR, "ICO"), "icon"),
        "photoshop.jpg": (b"8BPS\0\1" + bytes(200), "Photoshop"),
        "video.gif": (b"\0\0\0\x18ftypmp42" + bytes(200), "video"),
        "archive.jpg": (b"PK\3\4" + bytes(200), "ZIP"),
        "jpeg_lossless.jpg": (jpeg_saying(jpeg, marker=0xC3), "lossless"),
        "jpeg_12_bit.jpg": (jpeg_saying(jpeg, marker=0xC1, bits=12), "12 bits"),
        "jpeg_no_end_mark.jpg": (jpeg[:-2], "cut short"),
        "jpeg_65535.jpg": (jpeg_saying(jpeg, size=(65_535, 65_535)), "65,535 x 65,535 pixels"),
        "jpeg_13000.jpg": (jpeg_saying(jpeg, size=(13_000, 13_000)), "bytes cannot hold"),
        "png_bit_flipped.png": (bytes(flipped), "damaged PNG"),
        "png_50000.png": (_header_only(50_000, 50_000), "50,000 x 50,000 pixels"),
        "png_no_pixels.png": (_header_only(0, 5), "0 x 5 pixels"),
        "gif_no_frame.gif": (palette[:13] + b";", "GIF"),
        "gif_bomb.gif": (gif((1000, 1000), 200), "frames hold 200,000,000 pixels"),
        "bmp_compressed.bmp": (bmp[:30] + struct.pack("<I", 1) + bmp[34:], "damaged BMP: .*compressed"),
        "bmp_cut.bmp": (bmp[: len(bmp) // 2], "damaged BMP"),
    }
    if features.check("webp"):
        moving = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1])]
        contents["webp.webp"] = (encoded(COLOUR, "WEBP"), "WebP")
        contents["webp_named.jpg"] = (encoded(COLOUR, "WEBP"), "WebP")
        contents["webp_animated.webp"] = (encoded(moving[0], "WEBP", save_all=True, append_images=moving[1:]), "WebP")
    return [*cuts, *(Bad(name, data, reason) for name, (data, reason) in contents.items()), *_no_files()]


def _header_only(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))


def _no_files() -> list[Bad]:
    def sparse(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate((1 << 30) + 1)

    def forbidden(path: Path) -> None:
        path.write_bytes(encoded(COLOUR, "PNG"))
        path.chmod(0)

    found = [
        Bad("link_to_itself.jpg", lambda path: path.symlink_to(path.name), "cannot be opened: Too many levels"),
        Bad("link_to_nothing.jpg", lambda path: path.symlink_to("nowhere.jpg"), "cannot be opened: No such file"),
        Bad("pipe.jpg", os.mkfifo, "pipe, socket or device", plain=False),
        Bad("endless.jpg", lambda path: path.symlink_to("/dev/zero"), "pipe, socket or device", plain=False),
        Bad("huge.jpg", sparse, r"1,073,741,825 bytes", plain=False),
    ]
    if os.geteuid():  # nothing is forbidden to root
        found.append(Bad("forbidden.png", forbidden, "cannot be opened: Permission denied"))
    return found


def write(folder: Path, *, plain: bool = False) -> tuple[list[Good], list[Bad]]:
    """Make the corpus in `folder`/good and `folder`/bad; with `plain`, ordinary files alone."""
    goods, bads = good(), [one for one in bad() if one.plain or not plain]
    for name in ("good", "bad"):
        (folder / name).mkdir(parents=True)
    for one in goods:
        (folder / "good" / one.name).write_bytes(one.contents)
    for one in bads:
        path = folder / "bad" / one.name
        path.write_bytes(one.make) if isinstance(one.make, bytes) else one.make(path)
    return goods, bads
