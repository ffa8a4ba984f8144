"""The record in docs/reliability.md: one line a test, replaced when the test is run again."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_BEGIN, _END = "<!-- written by python -m tests.faults --record -->", "<!-- end of the record -->"
_HEAD = ["| test | fault | kcnn | baseline | n | date |", "|---|---|---|---|---|---|"]


def write(file: Path, rows: Sequence[dict[str, Any]], about: dict[str, Any]) -> None:
    """Put `rows` into the record of `file`; lines of other tests stay as they are.

    Raises:
        ValueError: the file has no place for a record.
    """
    before, begin, rest = file.read_text(encoding="utf-8").partition(_BEGIN)
    old, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{file} has no lines {_BEGIN} and {_END}")
    lines = {found[1]: line for line in old.splitlines() if (found := re.match(r"\| (T\d+) \|", line))}
    for row in rows:
        kcnn = row["kcnn"] if row["passed"] else f"**failed**: {row['kcnn']}"
        cells = (row["test"], row["fault"], kcnn, row["baseline"], row["n"], about["date"])
        lines[row["test"]] = f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"
    ordered = [lines[name] for name in sorted(lines, key=lambda name: int(name[1:]))]
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    stack = f"python {about['python']}, {packages}; {about['cpus']} cpus, {about['platform']}."
    text = "\n".join([*_HEAD, *ordered, "", f"The latest with {stack}"])
    file.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")
