"""The runner: finds the tests, keeps them apart, and tells a failure by its exit code. The slow test runs them all."""

import json
import os
import re
import subprocess
import sys

import pytest

from faults import record, runner
from faults.forks import spread

pytestmark = pytest.mark.spread


def row(**given):
    return {"test": "T0", "fault": "nothing", "passed": True, "kcnn": "3 of 3", "baseline": "", "seconds": 0.1, **given}


def test_every_file_is_a_test_with_a_name_and_a_fault():
    known = runner.tests()
    assert {"T1", "T2", "T3", "T5", "T7", "T18"} <= known.keys()
    assert known["T1"].name == "t01_kill.py"
    assert runner.fault(known["T1"]) == "Kill -9 at a random time, again and again, until the run is done"
    for file in known.values():
        assert "def run(n: int, work: Path) -> Outcome:" in file.read_text()


def test_every_promise_names_its_test_and_every_test_its_promise():
    said = (runner.ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").partition("<!-- end")[0]
    rows = [line.split("|") for line in said.splitlines() if line.startswith("| ")][1:]
    assert {len(cells) for cells in rows} == {8}  # promise, test, figure, baseline, n, date, between bars
    named = [re.findall(r"\bT\d+\b|tests/[\w/]+\.py", cells[2]) for cells in rows]
    assert all(named), rows
    assert all(cells[3].strip() for cells in rows), "a promise without a figure"
    everything = {name for names in named for name in names}
    files = {name for name in everything if name.endswith(".py")}
    assert everything - files == runner.tests().keys()
    assert [name for name in files if not (runner.ROOT / name).is_file()] == []


def test_a_failure_is_the_exit_code_and_is_in_the_file(tmp_path, monkeypatch, capsys):
    rows = {"T1": row(test="T1"), "T7": row(test="T7", passed=False, kcnn="1 silent load", baseline="2 of 5 lost")}
    monkeypatch.setattr(runner, "run", lambda name, n, keep: rows[name] | {"n": n})
    document = tmp_path / "record.md"
    table = "| promise | test | figure | usual | n | date |\n|---|---|---|---|---|---|\n"
    table += (
        "| never lost | T1 | old | | 1 | then |\n| no less | T1 | as above | | | |\n| found | T7, `a.py` | | | | |\n"
    )
    document.write_text(
        f"Before\n<!-- written by python -m tests.faults --record -->\n{table}<!-- end of the record -->\nAfter\n"
    )
    assert runner.main(["T7", "--n", "9", "--record", str(document)]) == 1
    capsys.readouterr()
    assert runner.main(["T1", "--n", "4", "--record", str(document)]) == 0
    assert "all 1 passed" in capsys.readouterr().out
    lines = document.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("Before", "After")
    assert lines[4].startswith("| never lost | T1 | 3 of 3 |  | 4 |")
    assert lines[5] == "| no less | T1 | as above | | | |"
    assert lines[6].startswith("| found | T7, `a.py` | **failed**: 1 silent load | 2 of 5 lost | 9 |")
    with pytest.raises(ValueError, match="no promise that names T9"):
        record.write(document, [row(test="T9", n=1)], runner.surroundings())
    assert runner.main(["T1", "T7", "--n", "4", "--json", str(tmp_path / "out.json")]) == 1
    shown = capsys.readouterr().out
    assert "FAILED: 1 silent load" in shown
    assert "2 of 5 lost" in shown
    assert "failed: T7" in shown
    assert [test["test"] for test in json.loads((tmp_path / "out.json").read_text())["tests"]] == ["T1", "T7"]


@pytest.mark.parametrize("wrong", [["T99"], ["--n", "0"]])
def test_a_wrong_call_is_refused(wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        runner.main(wrong)
    assert caught.value.code == 2
    assert wrong[-1] in capsys.readouterr().err


def test_a_test_that_crashes_has_failed(tmp_path, monkeypatch):
    (tmp_path / "t98_crash.py").write_text('"""Nothing is there."""')
    monkeypatch.setattr(runner, "tests", lambda: {"T98": tmp_path / "t98_crash.py"})
    found = runner.run("T98", 1)
    assert not found["passed"]
    assert "ended with 1" in found["kcnn"]


def test_repetitions_that_are_kept_are_not_done_again(tmp_path):
    done = tmp_path / "done"

    def work(i):
        with open(done, "a") as file:
            file.write(f"{i}\n")
        return {"square": i * i}

    assert spread(3, work, tmp_path / "kcnn") == [{"square": 0}, {"square": 1}, {"square": 4}]
    assert spread(5, work, tmp_path / "kcnn")[4] == {"square": 16}
    assert sorted(done.read_text().split()) == ["0", "1", "2", "3", "4"]


def test_what_is_kept_goes_on_and_is_of_one_kcnn(tmp_path, monkeypatch, capsys):
    code = (
        "from .forks import spread\nfrom .outcome import Outcome\n\n\ndef run(n, work):\n"
        "    (work / 'scratch').mkdir()\n    rows = spread(n, lambda i: {'n': n}, work / 'kcnn')\n"
        "    return Outcome(criterion='', passed=True, kcnn=' '.join(str(row['n']) for row in rows))\n"
    )
    (tmp_path / "tests" / "faults").mkdir(parents=True)
    for file in runner.HERE.glob("[!t]*.py"):
        (tmp_path / "tests" / "faults" / file.name).write_text(file.read_text())
    (tmp_path / "tests" / "faults" / "t98_count.py").write_text(f'"""Count."""\n{code}')
    (tmp_path / "kcnn").symlink_to(runner.ROOT / "kcnn")
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    monkeypatch.setattr(runner, "HERE", tmp_path / "tests" / "faults")
    for n, shown in ((2, "2 2"), (3, "2 2 3")):
        assert runner.main(["T98", "--n", str(n), "--keep", str(tmp_path / "kept")]) == 0
        assert f"  {shown}  " in capsys.readouterr().out
    (tmp_path / "tests" / "faults" / "t98_count.py").write_text(f'"""Count otherwise."""\n{code}')
    with pytest.raises(SystemExit):
        runner.main(["T98", "--n", "3", "--keep", str(tmp_path / "kept")])
    assert "of other sources or versions" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", runner.tests())
def test_each_fault(name):
    command = [sys.executable, "-m", "tests.faults", name, "--n", "20"]
    done = subprocess.run(
        command, cwd=runner.ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""}
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-5000:]}"
    assert "all 1 passed" in done.stdout
