"""Faults on purpose: make the n-th call that reaches the disk fail, or the last one before a kill."""

import os
from pathlib import Path

from kcnn import atomic

CALLS = ("open", "mkdir", "fsync", "rename", "replace")


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs, clean-up neither."""


class Faults:
    """Counts the calls that reach the disk, and fails number `at`."""

    def __init__(self, monkeypatch, at=None, error=None):
        self.count, self.at, self.error = 0, at, error
        for name in CALLS:
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))
        monkeypatch.setattr("builtins.open", self.wrap(open))
        if error is None:  # killed: no clean-up
            monkeypatch.setattr(atomic.shutil, "rmtree", lambda *a, **k: None)
            monkeypatch.setattr(Path, "unlink", lambda *a, **k: None)

    def wrap(self, call):
        def counted(*arguments, **options):
            self.count += 1
            if self.count == self.at:
                raise OSError(self.error, os.strerror(self.error)) if self.error else Killed
            return call(*arguments, **options)

        return counted
