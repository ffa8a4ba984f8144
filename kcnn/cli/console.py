"""What the user sees: our lines on stdout, progress and warnings on stderr, everybody else's noise in a log."""

import contextlib
import io
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from rich.console import Console as Rich
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

PLAIN_WIDTH = 120
NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?[%x]?|-|nan|inf")


class Bar:
    """Progress of one long piece of work: a live bar on a terminal, nothing else elsewhere."""

    def __init__(self, live: Progress | None, task: Any = None):
        self._live = live
        self._task = task

    def advance(self, count: int = 1, **fields: str) -> None:
        """Move on by `count` items; `fields` appear as name=value behind the bar."""
        if self._live is not None:
            shown = "  ".join(f"{name} {value}" for name, value in fields.items())
            self._live.update(self._task, advance=count, **({"shown": shown} if fields else {}))


class Console:
    """Prints for people. Programs read stdout, so progress and warnings never go there."""

    def __init__(self) -> None:
        self._noise: IO[bytes] | None = None
        self._logs = False
        self._stderr = sys.stderr
        self._build()

    def _build(self) -> None:
        self._out = _rich(sys.stdout)
        self._err = _rich(self._stderr)

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches: stderr is a terminal."""
        return self._err.is_terminal

    @property
    def live(self) -> Rich:
        """The rich console behind stderr, for a live display; ours alone while libraries are kept quiet."""
        return self._err

    def line(self, text: str = "") -> None:
        """Print one line of text, as it is, to stdout."""
        self._log(text)
        self._out.print(escape(text), soft_wrap=True, highlight=False)

    def note(self, text: str) -> None:
        """Print one line about what is going on to stderr, where it cannot disturb a result on stdout."""
        self._log(text)
        self._err.print(escape(text), soft_wrap=True, highlight=False)

    def warn(self, text: str) -> None:
        """Print one warning line to stderr."""
        self._log(f"warning: {text}")
        self._err.print(f"[yellow]warning:[/] {escape(text)}", soft_wrap=True, highlight=False)

    def error(self, text: str) -> None:
        """Print one error line to stderr."""
        self._log(f"error: {text}")
        self._err.print(f"[red]error:[/] {escape(text)}", soft_wrap=True, highlight=False)

    def json(self, value: Any) -> None:
        """Print plain values as JSON to stdout."""
        print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Print a table to stdout; columns whose every cell looks like a number are right-aligned."""
        table = Table(title=escape(title) or None, title_justify="left", title_style="bold", header_style="bold")
        cells = [[escape(str(cell)) for cell in row] for row in rows]
        for index, column in enumerate(columns):
            numeric = bool(cells) and all(NUMBER.fullmatch(row[index]) for row in cells)
            table.add_column(escape(column), justify="right" if numeric else "left", overflow="fold")
        for row in cells:
            table.add_row(*row)
        self._out.print(table, highlight=False)

    @contextlib.contextmanager
    def progress(self, total: int, label: str) -> Iterator[Bar]:
        """Show how far `total` items have come; elsewhere than on a terminal print one line at the start."""
        if not self.is_terminal:
            self.note(f"{label} ({total}) ...")
            yield Bar(None)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[shown]}"),
        )
        with Progress(*columns, console=self._err, transient=True) as live:
            yield Bar(live, live.add_task(escape(label), total=total, shown=""))

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Send what libraries write to file descriptor 2 into a log (`log_to`), and keep stderr for our lines."""
        try:
            ours = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
        except OSError:  # stderr is closed: there is nothing to protect
            yield
            return
        keep, self._stderr = self._stderr, ours
        with tempfile.TemporaryFile() as noise:
            self._noise = noise
            sys.stderr.flush()
            os.dup2(noise.fileno(), 2)
            self._build()
            try:
                yield
            except BaseException as end:  # told to the user once stderr is theirs again
                self._log(f"{type(end).__name__}: {end}")
                raise
            finally:
                with contextlib.suppress(ValueError, OSError):
                    sys.stderr.flush()
                os.dup2(ours.fileno(), 2)
                self._noise, self._stderr, self._logs = None, keep, False
                self._build()
                ours.close()

    def log_to(self, path: Path) -> None:
        """Collect the noise in the file `path` from now on, with what came before, and our lines with their time."""
        if self._noise is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.write(self.noise())
            file.flush()
            os.dup2(file.fileno(), 2)
        self._logs = True

    def _log(self, text: str) -> None:
        if self._logs:
            with contextlib.suppress(OSError):  # a full disk is no reason to say nothing
                os.write(2, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode("utf-8", "replace"))

    def noise(self) -> bytes:
        """What libraries have written so far while `quiet`, before `log_to`."""
        if self._noise is None:
            return b""
        sys.stderr.flush()
        self._noise.seek(0)
        content = self._noise.read()
        self._noise.seek(0, io.SEEK_END)
        return content


class _Patient(Rich):
    """Goes on in silence when nobody reads any more (`kcnn train ... | head`): the work is worth more than words."""

    def on_broken_pipe(self) -> None:
        """Lead the stream nowhere, where rich would end the program."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


def _rich(stream: Any) -> Rich:
    width = None if stream is not None and stream.isatty() else PLAIN_WIDTH
    return _Patient(file=stream, width=width, highlight=False)
