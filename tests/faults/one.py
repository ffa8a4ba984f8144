"""Run one test in this process: `python -m tests.faults.one t02_crash_points 20 FOLDER RESULT.json`."""

import dataclasses
import importlib
import json
import os
import sys
from pathlib import Path


def main(module: str, n: str, work: str, result: str) -> None:
    """Run the test and write its outcome; what it prints goes to stderr."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.dup2(2, 1)
    outcome = importlib.import_module(f"{__package__}.{module}").run(int(n), Path(work))
    Path(result).write_text(json.dumps(dataclasses.asdict(outcome)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
