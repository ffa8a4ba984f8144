"""LiteRT files as bytes: reading the model's flatbuffer, and the archive of small files behind it."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

from kcnn import guard
from kcnn.errors import ExportError

IDENTIFIER = b"TFL3"
MOST_BYTES = 2 << 30  # a flatbuffer's offsets reach no further


def read_model(file: Path) -> Any:
    """Return the model in `file` as an `ai_edge_litert.schema_py_generated.ModelT`.

    Raises:
        ExportError: `file` is no LiteRT file, or ends too early.
        FileNotFoundError: there is no such file.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = check(file)
    try:
        return schema.ModelT.InitFromPackedBuf(content, 0)
    except Exception as error:  # offsets that lead nowhere fail in whatever way the bytes there suggest
        raise ExportError(broken(file)) from error


def check(file: Path) -> bytes:
    """Return the content of `file`, which begins like a LiteRT file; errors as `read_model`."""
    with open(file, "rb") as start:
        content = start.read(8)
    if content[4:8] != IDENTIFIER:
        raise ExportError(
            f"{file} is not a LiteRT model: bytes 4..8 are {content[4:8]!r} but must be {IDENTIFIER!r}. "
            "Give a run, a bundle or a .tflite that kcnn wrote; weights (.keras, .h5, .safetensors) go into a "
            "network: kcnn.build(NAME, weights=FILE), or kcnn train --weights=FILE."
        )
    return guard.read_bytes(file, ExportError, MOST_BYTES)


def broken(file: Path) -> str:
    """Return what to say about a LiteRT file with a good beginning that cannot be read."""
    return f"{file} ({file.stat().st_size} bytes) is damaged or was cut short; copy or export it again."


def pack_model(model: Any) -> bytes:
    """Return the flatbuffer of a `ModelT`, in which equal vectors of numbers are kept once.

    An int8 network has a zero point of 8 bytes for every channel, all of them 0: a tenth of MobileNetV2's file.
    """
    import flatbuffers

    class Sharing(flatbuffers.Builder):  # type: ignore[misc]
        """A builder that points to an equal vector where it has written one."""

        def __init__(self) -> None:
            super().__init__(1024)
            self.kept: dict[tuple[str, bytes], int] = {}

        def CreateNumpyVector(self, x: Any) -> int:
            key = (x.dtype.str, x.tobytes())
            if key not in self.kept:
                self.kept[key] = super().CreateNumpyVector(x)
            return self.kept[key]

    builder = Sharing()
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def append_files(content: bytes, files: dict[str, str]) -> bytes:
    """Return `content` with a zip archive of `files` (name -> text) behind it, uncompressed and without dates.

    LiteRT reads from the front and zip from the back, so the result is both; MediaPipe reads stored files only.
    """
    both = io.BytesIO(content)
    with zipfile.ZipFile(both, "a", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text.encode("utf-8"))
    return both.getvalue()


def appended_files(file: Path) -> dict[str, str]:
    """Return name -> text of the archive behind a LiteRT file; empty when there is none.

    Raises:
        ExportError: the archive is unsafe, see `kcnn.guard.check_zip`, or larger than notes and labels are.
    """
    if not zipfile.is_zipfile(file):
        return {}
    members = guard.check_zip(file, ExportError)
    if (size := sum(member.file_size for member in members)) > guard.MOST_TEXT:
        raise ExportError(f"{file}: the archive behind the model has {size:,} bytes, which no labels need.")
    try:
        with zipfile.ZipFile(file) as archive:
            return {member.filename: archive.read(member).decode("utf-8") for member in members}
    except (zipfile.BadZipFile, UnicodeDecodeError, OSError, NotImplementedError, zlib.error) as error:
        raise ExportError(f"{broken(file)} The archive of labels behind the model: {error}.") from error
