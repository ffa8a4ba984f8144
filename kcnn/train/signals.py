"""Ctrl-C and SIGTERM: noted, and answered at the next step boundary."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Self

from kcnn.errors import KcnnError


class Interrupted(KcnnError):
    """Training was stopped from outside and saved; `exit_code` is 130 after Ctrl-C, 143 after SIGTERM."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.number = number
        self.exit_code = 128 + number


class Signals:
    """While entered, `caught` tells the first SIGINT or SIGTERM, 0 for none; SIGINT acts at once from then on.

    SIGTERM may come several times for one wish (`timeout` sends it to the process and to its group), so only SIGINT
    cuts the saving short. One that came before and was lost in a library that catches everything counts too, where the
    handler it met remembers it in an attribute `caught`.
    Does nothing outside the main thread, where Python delivers no signals, nor to a signal that is ignored.
    """

    def __init__(self) -> None:
        self.caught = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(number)
                if handler is not signal.SIG_IGN:
                    self.caught = self.caught or getattr(handler, "caught", 0)
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def answer(self, step: int, folder: Path) -> None:
        """Do nothing unless a signal was caught; call it where `step` of the run in `folder` is on the disk.

        Raises:
            Interrupted: one was.
        """
        if self.caught:
            raise Interrupted(
                f"stopped at step {step}, which is saved in {folder}; give the same command again to go on.",
                self.caught,
            )

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.caught = self.caught or number
        if signal.SIGINT in self._before:
            signal.signal(signal.SIGINT, self._before.pop(signal.SIGINT))
