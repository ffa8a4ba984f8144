"""Ctrl-C and SIGTERM of the program: the first is an exception, a second Ctrl-C ends it where it stands."""

import contextlib
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn

_APART = 0.1  # seconds between two Ctrl-C of a person; a program that sends one to a group may deliver it twice
_SHOW_CURSOR = b"\x1b[?25h"


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised like Ctrl-C so that half-written files are cleared on the way out."""


class Stop:
    """A handler that raises, and remembers in `caught` that it did: a library may swallow the exception."""

    def __init__(self, error: type[KeyboardInterrupt]):
        self._error = error
        self.caught = 0

    def __call__(self, number: int, frame: Any) -> NoReturn:
        """Raise."""
        self.caught = number
        raise self._error


def listen() -> None:
    """Handle both signals from now on, in the main thread; one that is ignored stays ignored.

    Python's own handlers wait for TensorFlow to return from a step, so the second Ctrl-C is answered by a thread. It
    ends the process at once, as a kill would: all files appear whole or not at all.
    """
    for number, error in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, Stop(error))
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    threading.Thread(target=_watch, args=(ours,), daemon=True, name="stop").start()


def _watch(pipe: int) -> None:
    first = 0.0
    while number := os.read(pipe, 1):
        now = time.monotonic()
        if number[0] not in (signal.SIGINT, signal.SIGTERM):
            continue
        if first and number[0] == signal.SIGINT and now - first > _APART:
            _end(128 + number[0])
        first = first or now


def _end(code: int) -> NoReturn:
    with contextlib.suppress(OSError, ValueError):
        if sys.__stderr__ is not None and sys.__stderr__.isatty():
            os.write(sys.__stderr__.fileno(), _SHOW_CURSOR)
    os._exit(code)
