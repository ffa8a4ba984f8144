"""Files of strangers: how large, deep and crowded they may be before kcnn reads on.

A file can be small on the disk and huge in memory. Every reader of kcnn asks here first and raises its own typed error.
"""

import contextlib
import gzip
import io
import json
import math
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kcnn.errors import KcnnError

MOST_TEXT = 4 << 20  # bytes of a JSON or label file
DEEPEST = 64  # lists and tables inside each other
MOST_MEMBERS = 5_000  # of an archive
DIRECTORY = 1 << 20  # bytes of an archive's list of members
SPARE = 64 << 20  # bytes that anything may unpack to, whatever its size
RATIO = 8  # of unpacked to packed bytes beyond that: a network's numbers hardly compress
DATA_RATIO = 200  # the same for pictures in arrays, which may be mostly empty; deflate reaches 1032
_END, _END64 = b"PK\x05\x06", b"PK\x06\x07"


def read_bytes(path: Path, error: type[KcnnError], most: int | None = None) -> bytes:
    """Return the content of a regular file that is no longer than `most` bytes and not mostly holes.

    Raises:
        error: it is missing, no file, too long, or cannot be read.
    """
    check_file(path, error, most)
    try:
        return path.read_bytes()
    except OSError as problem:
        raise error(f"cannot read {path}: {problem.strerror}.") from problem


def check_file(path: Path, error: type[KcnnError], most: int | None = None) -> int:
    """Return the size of a file in bytes; errors as `read_bytes`."""
    try:
        facts = path.stat()
    except (OSError, ValueError) as problem:
        raise error(f"cannot read {path}: {getattr(problem, 'strerror', problem)}.") from problem
    if not stat.S_ISREG(facts.st_mode):
        raise error(f"{path} is a folder, pipe or device but must be a plain file.")
    if most is not None and facts.st_size > most:
        raise error(f"{path} has {facts.st_size:,} bytes but at most {most:,} are read; it is not what its name says.")
    if facts.st_size > SPARE and facts.st_size > RATIO * (held := _written(path)) + SPARE:
        raise error(f"{path} claims {facts.st_size:,} bytes but only {held:,} were ever written; copy it again.")
    return facts.st_size


def _written(path: Path) -> int:
    """Return how many bytes of a file are not holes."""
    if not hasattr(os, "SEEK_DATA"):
        return path.stat().st_size
    total = hole = 0
    with open(path, "rb") as file, contextlib.suppress(OSError):  # the system's way to say: no data after here
        while True:
            start = os.lseek(file.fileno(), hole, os.SEEK_DATA)
            hole = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            total += hole - start
    return total


def read_text(path: Path, error: type[KcnnError]) -> str:
    """Return a text file in UTF-8 of at most `MOST_TEXT` bytes; errors as `read_bytes`."""
    try:
        return read_bytes(path, error, MOST_TEXT).decode("utf-8")
    except UnicodeDecodeError as problem:
        reason = f"{problem.reason} at byte {problem.start}"
        raise error(f"{path} is not text in UTF-8 ({reason}); save it as that.") from problem


def parse_json(text: str, where: str, error: type[KcnnError], advice: str = "Copy it again.") -> Any:
    """Return the plain values in `text`, found at `where`.

    Raises:
        error: it is no JSON, too long, or nested deeper than `DEEPEST`; the message ends in `advice`.
    """
    if len(text) > MOST_TEXT:
        raise error(f"{where} has {len(text):,} characters but at most {MOST_TEXT:,} are read. {advice}")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise error(f"{where} is not JSON ({problem}); it may be truncated. {advice}") from problem
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, (list, dict))]:
        depth += 1
        if depth > DEEPEST:
            raise error(f"{where} is nested deeper than {DEEPEST} levels; nothing that kcnn writes is. {advice}")
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return value


def check_links(folder: Path, error: type[KcnnError], names: tuple[str, ...] = ()) -> None:
    """Refuse symbolic links in `folder` that lead out of it: among `names`, or everything below it.

    Raises:
        error: the link and its target are named.
    """
    root = os.path.realpath(folder)
    paths = [folder / name for name in names] if names else _below(folder)
    for path in paths:
        if path.is_symlink() and os.path.commonpath([root, target := os.path.realpath(path)]) != root:
            raise error(f"{path} is a link to {target}, outside its folder; put the file itself there.")


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *names))


def check_zip(path: Path, error: type[KcnnError], ratio: int = RATIO) -> list[zipfile.ZipInfo]:
    """Return the members of the zip archive `path`, which is safe to read member by member.

    Args:
        path: archive, or a file with one behind it.
        error: raised.
        ratio: of unpacked to packed bytes that is refused, beyond `SPARE`.

    Raises:
        error: no zip; too many members or bytes; a name twice, also in other case, or one that leaves the folder; a
            member that is a link, a device or encrypted.
    """
    size = check_file(path, error)
    _check_directory(path, size, error)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError) as problem:
        raise error(f"{path} is not a zip archive, or is damaged ({problem}); fetch it again.") from problem
    if len(members) > MOST_MEMBERS:
        raise error(f"{path} has {len(members):,} members but at most {MOST_MEMBERS:,} are read.")
    seen: set[str] = set()
    for member in members:
        name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise error(f"{path} has a member {name!r}, which leads out of its folder.")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise error(f"{path} has a member {name!r} that is a link or a device.")
        if member.flag_bits & 1:
            raise error(f"{path} has a member {name!r} that is encrypted.")
        if name.casefold() in seen:
            raise error(f"{path} has the member {name!r} twice; readers disagree about which one counts.")
        seen.add(name.casefold())
    check_ratio(path, sum(member.file_size for member in members), size, error, ratio)
    return members


def check_ratio(where: Path | str, unpacked: int, packed: int, error: type[KcnnError], ratio: int = RATIO) -> None:
    """Raise `error` when `packed` bytes claim to hold so many that it is a bomb."""
    if unpacked > ratio * packed + SPARE:
        raise error(
            f"{where} has {packed:,} bytes but would unpack to {unpacked:,}, more than {ratio} times as many; "
            "no honest file does. Nothing was unpacked."
        )


def _check_directory(path: Path, size: int, error: type[KcnnError]) -> None:
    """Refuse an archive whose list of members is so long that reading it alone fills the memory."""
    with open(path, "rb") as file:
        file.seek(max(0, size - (1 << 16) - 64))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise error(f"{path} is not a zip archive, or was cut short; fetch it again.")
    (length,) = struct.unpack("<I", tail[at + 12 : at + 16])
    if length > DIRECTORY or tail[max(0, at - 20) : at].startswith(_END64):
        raise error(f"{path} lists too many members or bytes; kcnn reads at most {MOST_MEMBERS:,} members.")


def gunzip(content: bytes, where: Path, error: type[KcnnError]) -> bytes:
    """Return what gzip has packed into `content` in one piece, which says at its end how much that is.

    Raises:
        error: it is damaged, or would unpack to more than `DATA_RATIO` times as much.
    """
    promised = int.from_bytes(content[-4:], "little")
    most = DATA_RATIO * len(content) + SPARE
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            while promised > most and file.read(1 << 20):  # a bomb, or cut short: find out without keeping anything
                check_ratio(where, file.tell(), len(content), error, DATA_RATIO)
            file.rewind()
            unpacked = file.read(min(promised, most) + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise error(f"{where} is a damaged gzip file ({problem}); fetch it again.") from problem
    if len(unpacked) != promised:
        raise error(f"{where} is a damaged gzip file (it promises {promised:,} bytes); fetch it again.")
    return unpacked


@contextlib.contextmanager
def variables_within(elements: int, message: str, error: type[KcnnError]) -> Iterator[None]:
    """Let no more than `elements` numbers become variables inside the `with`, before any memory is taken for them.

    Raises:
        error: `message` with the number that was asked for.
    """
    import tensorflow as tf

    asked, graph = 0, tf.Graph()

    def limited(following: Any, **options: Any) -> Any:
        nonlocal asked
        value = options["initial_value"]
        with graph.as_default():  # the shape alone: in a graph nothing is computed
            shape = (value() if callable(value) else value).shape
        asked += math.prod(shape)
        if asked > elements:
            raise error(message.format(asked=f"{asked:,}"))
        return following(**options)

    with tf.variable_creator_scope(limited):
        yield
