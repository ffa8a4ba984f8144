"""Consoles that remember."""


class Lines:
    """A console that keeps what it is told."""

    is_terminal = False

    def __init__(self):
        self.notes, self.warnings = [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)

    @property
    def text(self):
        return "\n".join([*self.notes, *self.warnings])
