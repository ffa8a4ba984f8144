"""Every typed error has its entry in docs/errors.md, with the exit code it gives."""

import ast
import re
from pathlib import Path

import pytest

from kcnn import errors

ROOT = Path(__file__).parents[1]


def error_classes(package: Path) -> dict[str, int]:
    """Return each class below KcnnError in the source of `package`, with its exit code; nothing is imported."""
    classes = {}
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
                classes[node.name] = (bases, node)
    found: dict[str, int] = {"KcnnError": errors.KcnnError.exit_code}
    while new := [n for n, (bases, _) in classes.items() if n not in found and {*bases} & {*found}]:
        for name in new:
            bases, node = classes[name]
            code = next(found[base] for base in bases if base in found)
            for statement in node.body:
                if isinstance(statement, ast.Assign) and statement.targets[0].id == "exit_code":
                    code = ast.literal_eval(statement.value)
            found[name] = code
    return found


def entries() -> dict[str, str]:
    parts = re.split(r"(?m)^### (\w+)\n", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


CLASSES = error_classes(ROOT / "kcnn")


def test_the_walk_finds_classes_outside_of_errors_py():
    assert {"NotFinite", "Interrupted", "ResourceError", "UnknownNameError"} <= set(CLASSES)
    assert CLASSES["NotFinite"] == 2
    assert CLASSES["CheckpointError"] == 3


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_an_error_has_its_entry(name):
    text = entries().get(name)
    assert text is not None, f"docs/errors.md has no entry '### {name}'"
    code = "130 after Ctrl-C, 143 after SIGTERM" if name == "Interrupted" else CLASSES[name]
    assert text.strip().startswith(f"Exit code {code}")
    assert "*Do:*" in text or name == "KcnnError"


def test_no_entry_is_of_a_class_that_is_gone():
    assert set(entries()) == set(CLASSES)


def test_a_class_without_entry_would_be_seen(tmp_path):
    (tmp_path / "a.py").write_text("class Base(KcnnError):\n    exit_code = 3\n")
    (tmp_path / "b.py").write_text("class Leaf(a.Base):\n    pass\n")
    assert error_classes(tmp_path) == {"KcnnError": 2, "Base": 3, "Leaf": 3}
