"""What a file is, told from its first bytes, before any decoder touches it."""

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kcnn.errors import DataError

MAX_PIXELS = 178_956_970
"""More are refused: as RGB they pass 2**29 bytes, TensorFlow's own limit and twice the one Pillow warns at."""

MAX_BYTES = 1 << 30
"""Larger files are refused unread: `MAX_PIXELS` of four bytes, uncompressed, are fewer."""

_PLENTY = 1 << 23  # pixels
_CONVERT = "convert it to PNG or JPEG"
_FOREIGN = (  # (offset, magic, what it is, what to do)
    (8, b"WEBP", "a WebP image", _CONVERT),
    (0, b"II*\0", "a TIFF image", _CONVERT),
    (0, b"MM\0*", "a TIFF image", _CONVERT),
    (0, b"II+\0", "a BigTIFF image", _CONVERT),
    (0, b"MM\0+", "a BigTIFF image", _CONVERT),
    (4, b"ftypavif", "an AVIF image", _CONVERT),
    (4, b"ftypavis", "an AVIF image", _CONVERT),
    (4, b"ftyphei", "a HEIC image", _CONVERT),
    (4, b"ftyphev", "a HEIC image", _CONVERT),
    (4, b"ftypmif1", "a HEIF image", _CONVERT),
    (4, b"ftypmsf1", "a HEIF image", _CONVERT),
    (4, b"ftyp", "a video (MP4)", "take single frames out of it as JPEG or PNG"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image", _CONVERT),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image", _CONVERT),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image", _CONVERT),
    (0, b"\xff\x0a", "a JPEG XL image", _CONVERT),
    (0, b"8BPS", "a Photoshop document", _CONVERT),
    (0, b"\0\0\1\0", "an icon (ICO)", _CONVERT),
    (0, b"%PDF", "a PDF document", "take the images out of it"),
    (0, b"PK\3\4", "a ZIP archive", "unpack it"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it"),
    (0, b"\x93NUMPY", "a NumPy array", "save it as PNG, or the data set as .npz"),
    (0, b"\x89HDF", "an HDF5 file", "take the images out of it"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the image", "run `git lfs pull`"),
)
_NO_SIZE = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length: TEM, RST0..7, SOI
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # of C0..CF those that open no frame: DHT, JPG, DAC
_READ_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})  # sequential and progressive, Huffman or arithmetic


@dataclass(frozen=True)
class Header:
    """What an image file says of itself: "JPEG", "PNG", "GIF" or "BMP", and its stored size in pixels."""

    kind: str
    width: int
    height: int


def check_header(contents: bytes) -> Header:
    """Read the header of an encoded image without decoding it.

    Args:
        contents: the whole file.

    Returns: kind and size as stored, EXIF orientation not applied.

    Raises:
        DataError: no bytes, no JPEG, PNG, GIF or BMP image (the message says what it looks like and what to
            do), a lossless, hierarchical or 12-bit JPEG, or more than `MAX_PIXELS` pixels, of a GIF in all its frames,
            or far more than the bytes of a JPEG can hold.
    """
    if not contents:
        raise DataError("the file is empty (0 bytes); fetch it again or remove it")
    if contents.startswith(b"\xff\xd8\xff"):
        kind, size = "JPEG", _jpeg_size(contents)
    elif contents.startswith(b"\x89PNG\r\n\x1a\n"):
        kind, size = "PNG", _unpack(">II", contents, 16)
    elif contents.startswith((b"GIF87a", b"GIF89a")):
        kind, size = "GIF", _unpack("<HH", contents, 6)
    elif contents.startswith(b"BM") and len(contents) > 26 and contents[15:18] == b"\0\0\0":
        kind, size = "BMP", _unpack("<HH" if contents[14] == 12 else "<ii", contents, 18)
    else:
        raise DataError(_foreign(contents))
    if size is None:
        raise DataError(f"{kind} that ends inside its header ({len(contents):,} bytes); fetch it again")
    width, height = size[0], abs(size[1])  # a BMP stored top down has a negative height
    if width <= 0 or height <= 0:
        raise DataError(f"{kind} whose header says {width} x {height} pixels; fetch it again")
    _refuse_bombs(kind, width, height, contents)
    return Header(kind, width, height)


def _refuse_bombs(kind: str, width: int, height: int, contents: bytes) -> None:
    """Raise DataError where the header asks for more pixels than are decoded, or than the file can hold."""
    stated = f"{kind} whose header says {width:,} x {height:,} pixels"
    if width * height > MAX_PIXELS:
        raise DataError(f"{stated}, more than the {MAX_PIXELS:,} that are decoded; make it smaller")
    if kind == "GIF" and (pixels := _gif_pixels(contents)) > MAX_PIXELS:
        raise DataError(
            f"GIF whose frames hold {pixels:,} pixels, more than {MAX_PIXELS:,}; take single ones out of it"
        )
    if kind == "JPEG" and width * height > can_hold(len(contents)):
        raise DataError(f"{stated}, which {len(contents):,} bytes cannot hold; fetch it again")


def can_hold(size: Any) -> Any:
    """Return the pixels that a JPEG of `size` bytes may claim: a bit for 8 x 8 of them is the least that codes spend.

    `size` may be a tensor. Small images cost too little to be doubted.
    """
    return 2048 * size + _PLENTY


def read_file(path: Path | str, most: int = MAX_BYTES) -> bytes:
    """Return the bytes of a file; pipes and devices, which may never end, are not opened.

    Raises:
        OSError: as `open`.
        DataError: it is no ordinary file, or holds more than `most` bytes.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise DataError("it is a pipe, socket or device, not a file; remove it")
    if found.st_size > most:
        raise DataError(f"the file has {found.st_size:,} bytes, more than the {most:,} that are read; remove it")
    return Path(path).read_bytes()


def is_cut_short(kind: str, contents: bytes) -> bool:
    """Tell whether a JPEG, PNG or GIF lacks the mark that ends it."""
    tail = contents[-4096:]  # some writers pad behind the end
    ends = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b";"}
    return kind in ends and ends[kind] not in tail


def _jpeg_size(contents: bytes) -> tuple[int, int] | None:
    """Return (width, height) from the first frame header; like libjpeg, pass over what is no marker.

    Raises:
        DataError: a kind of JPEG that is not decoded.
    """
    at = 2
    while (at := contents.find(b"\xff", at)) >= 0:
        while contents[at : at + 1] == b"\xff":
            at += 1
        marker = contents[at : at + 1]
        if not marker or marker == b"\xda":  # pixels begin and no frame was declared
            return None
        at += 1
        if marker == b"\0" or marker[0] in _NO_SIZE:
            continue
        if 0xC0 <= marker[0] <= 0xCF and marker[0] not in _NO_FRAME:
            found = _unpack(">BHH", contents, at + 2)
            if found and (marker[0] not in _READ_FRAMES or found[0] != 8):
                what = f"of {found[0]} bits" if marker[0] in _READ_FRAMES else "that is lossless or hierarchical"
                raise DataError(f"it is a JPEG {what}, which is not read; convert it to PNG, or to a usual JPEG")
            return found and (found[2], found[1])
        length = _unpack(">H", contents, at)
        if length is None:
            return None
        at += max(2, length[0])
    return None


def _gif_pixels(contents: bytes) -> int:
    """Return the pixels of all frames as their headers state them, without unpacking any; 0 where the file ends early.

    Blocks as in the GIF89a specification, sections 18 to 26.
    """
    at, pixels = 13 + _gif_table(contents, 10), 0
    while at < len(contents) and contents[at] in (0x21, 0x2C):
        if contents[at] == 0x21:
            at += 2
        else:
            width, height = _unpack("<HH", contents, at + 5) or (0, 0)
            pixels += width * height
            at += 11 + _gif_table(contents, at + 9)
        while at < len(contents) and contents[at]:
            at += 1 + contents[at]
        at += 1
    return pixels


def _gif_table(contents: bytes, at: int) -> int:
    """Return the bytes of the colour table that the flags at `at` announce."""
    flags = contents[at] if at < len(contents) else 0
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0


def _unpack(form: str, contents: bytes, at: int) -> tuple[int, ...] | None:
    fits = at + struct.calcsize(form) <= len(contents)
    return struct.unpack_from(form, contents, at) if fits else None


def _foreign(contents: bytes) -> str:
    for offset, magic, what, todo in _FOREIGN:
        if contents[offset : offset + len(magic)] == magic:
            return f"it is {what}, not JPEG, PNG, GIF or BMP; {todo}"
    start = contents[:1024]
    if not any(start):
        return f"it holds nothing but zero bytes ({len(contents):,}); fetch it again or remove it"
    text = _as_text(start)
    if text is None:
        return f"it is no JPEG, PNG, GIF or BMP (it starts with {start[:8].hex(' ')}); {_CONVERT}, or remove it"
    opening = text.lstrip().lower()
    if "<svg" in opening:
        return "it is an SVG drawing, not JPEG, PNG, GIF or BMP; render it as PNG"
    if opening.startswith(("<!doctype html", "<html")):
        return "it is a web page, not an image (a failed download?); fetch it again or remove it"
    return f"it is text, not an image ({len(contents):,} bytes); fetch the image again or remove it"


def _as_text(start: bytes) -> str | None:
    """Return `start` as text when it is UTF-8 without control characters, else None."""
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(start) - error.start > 3 or error.start == 0:
            return None
        text = start[: error.start].decode("utf-8")  # a character cut in two at the end
    return text if all(c.isprintable() or c in "\t\r\n\f" for c in text) else None
