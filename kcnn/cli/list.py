"""List what kcnn can build, do, read, explain with and attack with; or show the card of one model."""

import argparse
import ast
import dataclasses
import warnings
from pathlib import Path

from kcnn.cli.classifier import check_there, reads_as_path
from kcnn.cli.console import Console
from kcnn.errors import UnknownNameError

HELP = "models, tasks, sources, recipes, methods and attacks; the card of a model"
KINDS = ("models", "tasks", "sources", "recipes", "methods", "attacks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("what", nargs="?", metavar="KIND|MODEL", help=f"only {', '.join(KINDS)}; or a model's name")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, console: Console) -> int:
    """Print every name with one line about it, or all that is known of one model."""
    if args.what and args.what not in KINDS:
        return show_card(args.what, args.json, console)
    found = {kind: contents(kind, console) for kind in ([args.what] if args.what else KINDS)}
    if args.json:
        console.json(found)
        return 0
    for kind, names in found.items():
        console.table(kind, ("name", "what it is"), sorted(names.items()))
    return 0


def show_card(name: str, as_json: bool, console: Console) -> int:
    """Print where a model comes from, what it is good for and what it costs."""
    from kcnn.models import MODELS

    if name not in MODELS.entries():
        if reads_as_path(name):
            check_there(name)
        raise UnknownNameError("kind or model", name, [*KINDS, *MODELS.entries()], "`kcnn list models` names them all.")

    from kcnn.models.cards import card

    found = card(name)
    if as_json:
        console.json(dataclasses.asdict(found))
    else:
        console.line(str(found))
    return 0


def contents(kind: str, console: Console) -> dict[str, str]:
    """Return name -> one line for one of `KINDS`; a broken plug-in is a warning and is left out."""
    from kcnn.adversarial import ATTACKS
    from kcnn.data import SOURCES
    from kcnn.explain.methods import METHODS
    from kcnn.models import MODELS
    from kcnn.recipe import recipe_files
    from kcnn.tasks import TASKS

    if kind == "recipes":
        return {name: _first_line(path) for name, path in recipe_files().items()}
    if kind == "methods":
        return {name: method.summary for name, method in METHODS.items()}
    registry = {"models": MODELS, "tasks": TASKS, "sources": SOURCES, "attacks": ATTACKS}[kind]
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
