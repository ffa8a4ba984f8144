"""Consoles that remember."""

import contextlib


class Lines:
    """A console that keeps what it is told."""

    is_terminal = False

    def __init__(self):
        self.notes, self.warnings = [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)

    @contextlib.contextmanager
    def progress(self, total, label):
        self.notes.append(f"{label} ({total}) ...")
        yield self

    def advance(self, count=1):
        pass

    @property
    def text(self):
        return "\n".join([*self.notes, *self.warnings])
