"""What one test found."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """One row of the table.

    Attributes:
        criterion: what must hold for kcnn, in one line.
        passed: whether it did.
        kcnn: what was measured, in a few words with counts, as "20 of 20 identical, 43 kills".
        baseline: the same for plain Keras (name what it was), or "" where nothing compares.
        figures: the numbers behind the words, as plain values for `--json`.
    """

    criterion: str
    passed: bool
    kcnn: str
    baseline: str = ""
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)
