"""What a wheel holds, and that set-up files keep machines out."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_wheel_names_every_package():
    ours = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "kcnn").rglob("__init__.py")}
    recipes = {f"kcnn.{'.'.join(path.parent.relative_to(ROOT).parts)}" for path in (ROOT / "pipelines").rglob("*.py")}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == ours | recipes


def test_constraints_hold_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text().split("\n")
    assert len(lines) > 40
    assert [line for line in lines if line and not re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9.+]+", line)] == []


def test_every_dependency_is_constrained():
    constrained = {
        re.split("==", line)[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()
    }
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = PROJECT["project"]["dependencies"] + extras["dev"] + extras["tfds"]
    names = {re.split(r"[<>=]", name)[0].lower().replace("_", "-") for name in wanted}
    assert names - constrained == set()
