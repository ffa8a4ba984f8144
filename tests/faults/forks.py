"""Children to kill: forked from a parent that has imported TensorFlow but not started it, so that each is cheap."""

import json
import mmap
import os
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kcnn import atomic

RESULTS = ".results"  # how the folders end that hold what was done


class Shared:
    """A few whole numbers that survive the child that wrote them."""

    def __init__(self, count: int):
        self._memory = mmap.mmap(-1, 8 * count)

    def __getitem__(self, index: int) -> int:
        return struct.unpack_from("q", self._memory, 8 * index)[0]

    def __setitem__(self, index: int, value: int) -> None:
        struct.pack_into("q", self._memory, 8 * index, value)


class Child:
    """A forked process that runs `action` and ends with the exit code it returns.

    Args:
        action: called in the child; what it returns is the exit code, None is 0, an exception 1.
        log: where the child's stdout and stderr go, at the end of the file.
    """

    def __init__(self, action: Callable[[], int | None], log: Path):
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        try:
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(file, 1)
            os.dup2(file, 2)
            code = action() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def send(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; nothing happens to a child that has ended."""
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Return the exit code, minus the signal's number after a kill, None while it runs; not after it was told."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def wait(self, seconds: float = 600.0) -> int | None:
        """Return the exit code as `poll`, None when it still runs after so many seconds."""
        until = time.monotonic() + seconds
        while (code := self.poll()) is None and time.monotonic() < until:
            time.sleep(0.005)
        return code

    def finish(self, seconds: float = 600.0) -> int:
        """Return the exit code; kill a child that takes longer."""
        code = self.wait(seconds)
        if code is None:
            self.send()
            code = self.wait()
        return code


def spread(jobs: int, work: Callable[[int], dict[str, Any]], folder: Path, processes: int = 2) -> list[dict[str, Any]]:
    """Return `work(0)` ... `work(jobs - 1)`, done by several forked processes; each result is plain values.

    Each is written beside `folder`, which is theirs to work in; those that an earlier call wrote are not done again.

    Raises:
        RuntimeError: a process failed; its traceback is on stderr.
    """
    results = [folder.with_name(folder.name + RESULTS) / f"{i}.json" for i in range(jobs)]

    def share(first: int) -> None:
        for i in range(first, jobs, processes):
            if not results[i].is_file():
                atomic.write_text(results[i], json.dumps(work(i)))

    children = [Child(lambda first=first: share(first), Path("/dev/stderr")) for first in range(min(processes, jobs))]
    codes = [child.finish(36000) for child in children]
    if any(codes):
        raise RuntimeError("a worker failed; its traceback is above")
    return [json.loads(result.read_text(encoding="utf-8")) for result in results]
