"""Files and folders that appear whole or not at all: written aside, synced, renamed."""

import contextlib
import errno
import glob
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from kcnn.errors import KcnnError, ResourceError

_REFUSED = {
    errno.ENOSPC: "no space is left on its disk",
    errno.EDQUOT: "the quota of its disk is used up",
    errno.EFBIG: "it would exceed the largest file allowed",
    errno.EROFS: "its disk is read-only",
    errno.EIO: "its disk reports an input/output error",
    errno.EACCES: "there is no permission to write there",
    errno.EPERM: "there is no permission to write there",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
}
SPELLED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # libraries have their own classes for these


@contextlib.contextmanager
def folder(target: Path) -> Iterator[Path]:
    """Yield a fresh folder beside `target`; on success it becomes `target`, on failure it is removed.

    Everything in it is synced to disk before the rename, so a crash leaves the old state or the new one.

    Raises:
        ResourceError: the disk is full, broken or read-only; nothing is left behind.
        FileExistsError: `target` exists already.
    """
    aside = target.with_name(f"{target.name}.tmp-{os.getpid()}")
    with _explained(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            clear_leftovers(target.parent)
            aside.mkdir()
            yield aside
            for path in sorted(aside.rglob("*")):
                _sync(path)
            _sync(aside)
            if target.exists():
                raise FileExistsError(errno.EEXIST, "already exists", str(target))
            os.rename(aside, target)
            _sync(target.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def discard(target: Path) -> None:
    """Remove a folder so that it is gone at once: a crash on the way leaves nothing that looks like a whole one.

    Raises:
        ResourceError: the disk is broken or read-only.
    """
    with _explained(target):
        aside = target.with_name(f"{target.name}.tmp-{os.getpid()}")
        os.rename(target, aside)
        try:
            shutil.rmtree(aside)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def clear_leftovers(place: Path, name: str = "*") -> None:
    """Remove what killed processes of this machine left half-written in the folder `place`; of one `name` or of all."""
    for left in place.glob(f"{name}.tmp-*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and (int(pid) == os.getpid() or not _alive(int(pid))):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def write_bytes(target: Path, content: bytes) -> None:
    """Replace the file `target` by `content` in one step.

    Raises:
        ResourceError: the disk is full, broken or read-only; the old file is untouched.
    """
    aside = target.with_name(f"{target.name}.tmp-{os.getpid()}")
    with _explained(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            clear_leftovers(target.parent, glob.escape(target.name))
            with open(aside, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, target)
            _sync(target.parent)
        finally:
            aside.unlink(missing_ok=True)


def write_text(target: Path, content: str) -> None:
    """Replace the text file `target` (UTF-8) in one step; errors as `write_bytes`."""
    write_bytes(target, content.encode("utf-8"))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        yield
    except KcnnError:
        raise
    except Exception as error:
        reason = _refusal(error, target.parent)
        if not reason:
            raise
        raise ResourceError(
            f"cannot write {target}: {reason}. Nothing half-written was left; "
            "mend that, or choose another place, and run the same command again."
        ) from error


def _refusal(error: Exception, place: Path) -> str:
    """Say why nothing can be written below `place`, "" where `error` is of another kind or about another place."""
    if not isinstance(error, OSError):
        return next((_REFUSED[number] for number in SPELLED if os.strerror(number) in str(error)), "")
    about = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes, os.PathLike)) else ""
    elsewhere = about and not Path(about).is_relative_to(place) and os.path.isabs(about) == place.is_absolute()
    return "" if elsewhere or error.errno is None else _REFUSED.get(error.errno, "")
