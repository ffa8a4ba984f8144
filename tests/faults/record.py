"""The table of docs/reliability.md: a promise, its test, and the figures of the test's last run."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_BEGIN, _END = "<!-- written by python -m tests.faults --record -->", "<!-- end of the record -->"


def write(file: Path, rows: Sequence[dict[str, Any]], about: dict[str, Any]) -> None:
    """Put the figures of `rows` beside the promises of `file`; lines of other tests stay as they are.

    A test's figures stand in the first line that names it; promises and names of tests are written by hand.

    Raises:
        ValueError: the file has no place for a record, or no promise that names a test.
    """
    before, begin, rest = file.read_text(encoding="utf-8").partition(_BEGIN)
    old, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{file} has no lines {_BEGIN} and {_END}")
    lines = [line for line in old.splitlines() if line.startswith("|")]
    places: dict[str, int] = {}
    for i, line in enumerate(lines):
        if named := re.search(r"\bT\d+\b", _cells(line)[1]):
            places.setdefault(named[0], i)
    for row in rows:
        if row["test"] not in places:
            raise ValueError(f"{file} has no promise that names {row['test']}")
        place = places[row["test"]]
        kcnn = row["kcnn"] if row["passed"] else f"**failed**: {row['kcnn']}"
        figures = [str(cell).replace("|", "/") for cell in (kcnn, row["baseline"], row["n"], about["date"])]
        lines[place] = f"| {' | '.join([*_cells(lines[place])[:2], *figures])} |"
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    stack = f"python {about['python']}, {packages}; {about['cpus']} cpus, {about['platform']}."
    text = "\n".join([*lines, "", f"The latest with {stack}"])
    file.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
