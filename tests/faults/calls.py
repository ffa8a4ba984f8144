"""Every call that reaches the disk, counted; one of them is the last before a kill, or fails."""

import contextlib
import errno
import io
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from .forks import Child

KILL = 0  # in place of an error number
NAMES = {KILL: "kill", **errno.errorcode}
_OS = ("open", "write", "fsync", "fdatasync", "ftruncate", "mkdir", "rmdir", "rename", "replace", "link", "unlink")
_NEEDS_ROOM = ("open", "write", "mkdir", "link", "fsync")


class Faults(contextlib.AbstractContextManager):
    """While entered, counts the calls of Python that reach the disk, and lets number `at` fail.

    Counted are open ("read" where it is to read), write, fsync, mkdir, rename, replace, unlink and their like, of `os`
    and of file objects; a buffered file counts when its buffer is written out. A failing write has written one half.

    Args:
        at: which call, from 1; 0 lets all pass.
        fault: an error number that the call raises as OSError, or `KILL`: the process ends there by SIGKILL.
        below: count only calls that name a path below this folder, or an open file.
        lasting: from there on, every call that needs room on the disk fails too.

    Attributes:
        calls: names of the calls so far, in order.
    """

    def __init__(self, at: int = 0, fault: int = KILL, below: Path | None = None, lasting: bool = False):
        self.calls: list[str] = []
        self._at, self._fault, self._lasting = at, fault, lasting
        self._below = str(below) if below else ""
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Faults":
        for name in _OS:
            self._stack.enter_context(mock.patch.object(os, name, self._wrapped(name, getattr(os, name))))
        opener = self._opener(io.open)
        self._stack.enter_context(mock.patch.object(io, "open", opener))
        self._stack.enter_context(mock.patch("builtins.open", opener))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def reached(self, name: str, before: Callable[[], object] = lambda: None) -> None:
        """Count one call; where it is the one, do what happens `before` the fault, then the fault."""
        self.calls.append(name)
        if len(self.calls) == self._at or (self._lasting and len(self.calls) > self._at > 0 and name in _NEEDS_ROOM):
            before()
            if self._fault == KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(self._fault, os.strerror(self._fault))

    def _counts(self, place: Any) -> bool:
        return isinstance(place, int) or str(place).startswith(self._below)

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(place: Any, *arguments: Any, **options: Any) -> Any:
            if self._counts(place) or "dir_fd" in options:
                reading = name == "open" and not arguments[0] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
                half = arguments[0][: len(arguments[0]) // 2] if name == "write" else b""
                self.reached("read" if reading else name, lambda: call(place, half) if half else None)
            return call(place, *arguments, **options)

        return counted

    def _opener(self, real: Callable[..., Any]) -> Callable[..., Any]:
        faults = self

        class Raw(io.FileIO):
            def write(self, content: Any) -> int:
                view = memoryview(content)
                faults.reached("write", lambda: super(Raw, self).write(view[: len(view) // 2]))
                return super().write(content)

            def truncate(self, size: int | None = None) -> int:
                faults.reached("truncate")
                return super().truncate(size)

        def opened(file: Any, mode: str = "r", buffering: int = -1, *text: Any, **options: Any) -> Any:
            if isinstance(file, int) or not faults._counts(os.fspath(file)):
                return real(file, mode, buffering, *text, **options)
            writing = set(mode) & set("wax+")
            faults.reached("open" if writing else "read")
            if not writing:
                return real(file, mode, buffering, *text, **options)
            raw = Raw(file, mode.replace("b", "").replace("t", ""))
            if "b" in mode and buffering == 0:
                return raw
            buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **options)

        return opened


def count(action: Callable[[], object], below: Path | None = None) -> list[str]:
    """Return the names of the calls that `action` makes."""
    with Faults(below=below) as faults:
        action()
    return faults.calls


def killed(action: Callable[[], object], at: int, below: Path | None = None) -> bool:
    """Run `action` in a forked process that is killed at its call number `at`; return whether it was."""

    def doomed() -> None:
        with Faults(at, KILL, below):
            action()

    code = Child(doomed, Path("/dev/stderr")).finish()
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"call {at} ended the process with {code}; the traceback is on stderr")
    return code != 0


@contextlib.contextmanager
def failing(at: int, number: int, below: Path | None = None, lasting: bool = False) -> Iterator[Faults]:
    """Let call number `at` of the block raise OSError of this error number; as `Faults`."""
    with Faults(at, number, below, lasting) as faults:
        yield faults
