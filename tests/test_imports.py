"""The house keeps its order: imports run downwards, and the light parts stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "kcnn"

# docs/design.md, "Imports": a package may import from strictly lower levels and from itself.
LEVELS = {
    "errors": 0, "guard": 0, "registry": 0, "plain": 0, "recipe": 0, "atomic": 0, "colours": 0, "figure": 0,
    "versions": 0,
    "ops": 1,
    "layers": 2, "weights": 2,
    "models": 3, "data": 3,
    "adversarial": 4, "explain": 4, "zoo": 4,
    "tasks": 5,
    "train": 6,
    "export": 7,
    "explorer": 8, "testing": 8,
    "cli": 9,
    "__main__": 10, "__init__": 10,
}  # fmt: skip
KERAS_ONLY = {"ops", "layers", "weights", "models"}
GROUND_ORDER = ["errors", "guard", "registry", "atomic", "plain", "recipe", "colours", "figure", "versions"]


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path):
    """Yield (line, dotted module) of every import statement, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} relative import"
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names if node.module == "kcnn")


def upward(path: Path) -> list[str]:
    part, found = part_of(path), []
    for line, module in imports(path):
        names = module.split(".")
        if names[0] != "kcnn" or len(names) == 1 or names[1] == part or names[1] not in LEVELS:
            continue
        same_ground = LEVELS[part] == LEVELS[names[1]] == 0
        if same_ground and GROUND_ORDER.index(names[1]) < GROUND_ORDER.index(part):
            continue
        if LEVELS[names[1]] >= LEVELS[part]:
            found.append(f"{path.relative_to(PACKAGE.parent)}:{line} {part} imports {module}")
    return found


def test_imports_run_downwards():
    files = list(PACKAGE.rglob("*.py"))
    assert len(files) > 20
    assert {part_of(path) for path in files} <= set(LEVELS)
    assert [bad for path in files for bad in upward(path)] == []


def test_an_upward_import_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "kcnn")
    bad = tmp_path / "kcnn" / "ops" / "bad.py"
    bad.parent.mkdir(parents=True)
    bad.write_text("def f():\n    from kcnn.models import build\n    return build\n")
    assert upward(bad) == [f"{Path('kcnn/ops/bad.py')}:2 ops imports kcnn.models"]


def test_operations_and_models_use_keras_only():
    found = [
        f"{path.relative_to(PACKAGE)}:{line} {module}"
        for path in PACKAGE.rglob("*.py")
        if part_of(path) in KERAS_ONLY
        for line, module in imports(path)
        if module.split(".")[0] in ("tensorflow", "jax", "torch")
    ]
    assert found == []


@pytest.mark.parametrize("statement", ["import kcnn", "import kcnn.cli.main; kcnn.cli.main.parser()"])
def test_light_starts_import_no_tensorflow(statement):
    code = f"import sys; {statement}; print(sorted({{'tensorflow', 'keras', 'numpy'}} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "tensorflow" not in loaded
    assert "keras" not in loaded


def test_no_public_object_goes_without_a_docstring():
    missing = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        nodes = [tree, *(n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)))]
        for node in nodes:
            name = getattr(node, "name", path.name)
            if not name.startswith("_") and not ast.get_docstring(node):
                missing.append(f"{path.relative_to(PACKAGE)} {name}")
    assert missing == []
