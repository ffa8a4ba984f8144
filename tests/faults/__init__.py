"""Faults on purpose: each test breaks something a run depends on, and compares kcnn with what people use otherwise.

`python -m tests.faults --n 20` from the repository root runs them all and prints one table;
`python -m tests.faults T2 T7 --n 5 --json FILE` runs some. The exit code is 1 when a criterion fails.
`--record docs/reliability.md` replaces the lines of the tests that ran.

To add a test, add a file `tNN_word.py` here (`t06_arguments.py` is T6). Its docstring's first line says what is
broken; it defines

    def run(n: int, work: Path) -> Outcome: ...

`n` is how often a random fault is repeated (a loop over all cases ignores it), `work` an empty folder that is removed
afterwards. Each file runs in a process of its own, so it may import TensorFlow, fork, or set limits. What it prints
goes to stderr, beside the table. An exception counts as a failure. `Outcome.passed` is the criterion of the test about
kcnn; the baseline is shown, not judged. Imports of this package are relative (`from .outcome import Outcome`): pytest
knows it as `faults`, the runner as `tests.faults`.
"""
