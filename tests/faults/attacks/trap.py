"""Where hostile files are opened: a forked child with little memory, a canary, a listener, and a stopwatch."""

import dataclasses
import functools
import os
import resource
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from ..forks import Child, Shared

ROOM = 1 << 30  # bytes of address space beyond what the idle process has
MOST_MEMORY = 256 << 20  # bytes over idle
MOST_SECONDS = 10.0  # of processor, beyond start
HANGS = 120.0  # seconds by the clock
LEAKED, FULL = 77, 78  # exit codes: a secret of this machine came out of the file; the memory was not enough


@dataclasses.dataclass(frozen=True)
class Seen:
    """What opening one file did.

    Attributes:
        code: exit code of the child, minus the signal's number where it was killed, None where it hung.
        words: what the child printed, its end.
        touched: the payload ran: the canary, or anything beside it, was there afterwards.
        connections: to the listener, or tried to anywhere.
        memory: bytes at most over the idle process, without pages of files, looked at every 5 ms.
        seconds: of processor.
    """

    code: int | None
    words: str
    touched: bool
    connections: int
    memory: int
    seconds: float

    @property
    def harm(self) -> str:
        """What went wrong in one word, "" for nothing."""
        if self.touched:
            return "executed"
        if self.connections:
            return "connected"
        if self.code == LEAKED:
            return "leaked"
        if self.memory > MOST_MEMORY or self.code == FULL:
            return "memory"
        if self.code is None or self.seconds > MOST_SECONDS:
            return "hung"
        return "crashed" if self.code < 0 else ""


class Trap:
    """The surroundings of all trials.

    Attributes:
        canary: file that payloads make.
        secret: file of numbers and words that must not come out.
        url: of the listener on loopback.
    """

    def __init__(self, place: Path):
        self.place = place
        self.canary, self.secret = place / "cage" / "canary", place / "secret.txt"
        self.secret.write_text("SECRETWORD\n" * 4000)
        self._count = Shared(1)
        self.clear()
        server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        self._listener = Child(lambda: self._listen(server), place / "listener.log")
        server.close()

    def _listen(self, server: socket.socket) -> None:
        while True:
            connection, _ = server.accept()
            self._count[0] += 1
            connection.close()

    def close(self) -> None:
        """End the listener."""
        self._listener.send()
        self._listener.wait()

    def see(self, action: Callable[[], int | None]) -> Seen:
        """Run `action` in a child; its result is the exit code."""
        self.clear()
        before, log = self._count[0], self.place / "trial.log"
        log.unlink(missing_ok=True)
        idle = _memory(os.getpid())
        child = Child(lambda: self._confined(action), log)
        usage, code, memory = _reap(child.pid)
        return Seen(
            code=code,
            words=log.read_text(errors="replace")[-4000:],
            touched=any(self.canary.parent.iterdir()),
            connections=self._count[0] - before,
            memory=max(0, memory - idle),
            seconds=usage.ru_utime + usage.ru_stime,
        )

    def clear(self) -> None:
        """Empty the cage."""
        shutil.rmtree(self.canary.parent, ignore_errors=True)
        self.canary.parent.mkdir()

    def _confined(self, action: Callable[[], int | None]) -> int | None:
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + ROOM,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(self.place)
        own = ("127.0.0.1", int(self.url.rstrip("/").rpartition(":")[2]))

        def watch(event: str, arguments: tuple) -> None:
            elsewhere = event == "socket.connect" and arguments[1] != own
            if event == "socket.getaddrinfo" or elsewhere:
                self._count[0] += 1

        sys.addaudithook(watch)
        return action()


Door = Callable[[Path], int]
Trials = tuple[dict[str, Path], dict[str, Seen], dict[tuple[str, str], Seen], dict[str, Seen]]


def open_each(
    work: Path,
    make: Callable[[Path, Trap], tuple[dict[str, Path], dict[str, Path]]],
    doors_of: Callable[[Path], dict[str, Door]],
    baseline: Callable[[Path, Trap], int],
) -> Trials:
    """Open each hostile file once by each door, each door's honest file, and each hostile file by the baseline.

    Args:
        work: folder for all files.
        make: folder and trap -> (words -> hostile file, door -> honest file).
        doors_of: picture -> doors.
        baseline: what other programs do with a file.

    Returns: the hostile files, and what was seen: of doors by honest files, of (words, door), of words by the baseline.
    """
    import keras  # noqa: F401  before the forks
    import tensorflow as tf  # noqa: F401

    import kcnn.cli.main
    import kcnn.export.runner
    import kcnn.tasks.classification  # noqa: F401

    trap = Trap(work)
    try:
        files, controls = make(work, trap)
        doors = doors_of(work / "image.png")
        opened = {name: trap.see(functools.partial(door, controls[name])) for name, door in doors.items()}
        seen = {
            (words, name): trap.see(functools.partial(door, path))
            for words, path in files.items()
            for name, door in doors.items()
        }
        plain = {words: trap.see(functools.partial(baseline, path, trap)) for words, path in files.items()}
    finally:
        trap.close()
    return files, opened, seen, plain


def attempt(action: Callable[[], object]) -> int:
    """Return how a call of kcnn ended: 0, the exit code of a typed error, 1 with a traceback for any other."""
    from kcnn.errors import KcnnError

    try:
        action()
    except KcnnError as error:
        print(f"{type(error).__name__}: {str(error)[:1500]}")
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _memory(pid: int) -> int:
    """Return the bytes of a process that no file backs; 0 when it has ended."""
    _, resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[:3]
    return (int(resident) - int(shared)) * resource.getpagesize()


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _reap(pid: int) -> tuple[resource.struct_rusage, int | None, int]:
    until, most = time.monotonic() + HANGS, 0
    while time.monotonic() < until:
        most = max(most, _memory(pid))
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return usage, os.waitstatus_to_exitcode(status), most
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    return os.wait4(pid, 0)[2], None, most
