"""List what kcnn can build, do and read: models, tasks, sources, recipes."""

import argparse
import ast
import warnings
from pathlib import Path

from kcnn.cli.console import Console
from kcnn.errors import UnknownNameError

HELP = "models, tasks, sources and recipes"
KINDS = ("models", "tasks", "sources", "recipes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("kind", nargs="?", metavar="KIND", help=f"only {', '.join(KINDS)}")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, console: Console) -> int:
    """Print every name with one line about it."""
    if args.kind and args.kind not in KINDS:
        raise UnknownNameError("kind", args.kind, KINDS)
    found = {kind: contents(kind, console) for kind in ([args.kind] if args.kind else KINDS)}
    if args.json:
        console.json(found)
        return 0
    for kind, names in found.items():
        console.table(kind, ("name", "what it is"), sorted(names.items()))
    return 0


def contents(kind: str, console: Console) -> dict[str, str]:
    """Return name -> one line for one of `KINDS`; a broken plug-in is a warning and is left out."""
    from kcnn.data import SOURCES
    from kcnn.models import MODELS
    from kcnn.recipe import recipe_files
    from kcnn.tasks import TASKS

    if kind == "recipes":
        return {name: _first_line(path) for name, path in recipe_files().items()}
    registry = {"models": MODELS, "tasks": TASKS, "sources": SOURCES}[kind]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        usable = registry.names()
    for warning in caught:
        console.warn(str(warning.message))
    return {name: registry.entries()[name].summary for name in usable}


def _first_line(path: Path) -> str:
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (SyntaxError, UnicodeDecodeError) as error:
        return f"cannot be read: {error}"
    return text.partition("\n")[0]
