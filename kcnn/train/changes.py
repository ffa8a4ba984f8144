"""What may change between two starts of one run: one table, nothing silent.

A run that goes on is compared with what it was begun with: each key of the recipe, the data, and the versions and
devices in env.json.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from kcnn.errors import ConfigError
from kcnn.recipe import Recipe
from kcnn.train.rundir import RunDir, environment
from kcnn.train.weights import read_recipe

if TYPE_CHECKING:
    from kcnn.train.progress import Console

Verdict = Literal["refuse", "warn", "free"]


class Rule(NamedTuple):
    """What becomes of a change: the first rule whose pattern matches the key holds. "free" is told, too."""

    pattern: str
    verdict: Verdict
    why: str


RECIPE = (
    Rule("name", "free", "names folders"),
    Rule("export.*", "free", "used after training"),
    Rule("train.patience", "free", "says when to stop; judged by the whole history"),
    Rule("train.monitor", "free", "says when to stop; judged by the whole history"),
    Rule("train.max_minutes", "free", "says when to stop"),
    Rule("train.checkpoint_steps", "free", "says when to save"),
    Rule("train.on_save_error", "free", "says what a full disk means"),
    Rule("train.on_nan", "free", "says what a NaN means"),
    Rule("data.max_bad_fraction", "free", "which images are left out is compared with the data"),
    Rule("data.max_leaked_fraction", "free", "it says what is measured, not what is learnt"),
    Rule("train.epochs", "warn", "the rest of the learning rate's cosine is drawn over the new length"),
    Rule("data.source", "warn", "data may move; what they hold is compared with the data"),
    Rule("train.batch_size", "refuse", "the place in the data is counted in steps"),
    Rule("train.seed", "refuse", "decides the order of the data and all chance"),
    Rule("train.*", "refuse", "decides how each step changes the weights"),
    Rule("data.*", "refuse", "decides which examples are trained on"),
    Rule("task", "refuse", "decides what is learnt"),
    Rule("config.*", "refuse", "decides what is learnt, and from what"),
    Rule("model.*", "refuse", "is what the weights belong to"),
    Rule("preprocess.*", "refuse", "decides the numbers that the network sees"),
)
DATA = Rule("data", "refuse", "compared: number, labels, classes, file names and left-out images of the training split")
SURROUNDINGS = (
    Rule("packages.kcnn", "warn", "another version may compute other numbers"),
    Rule("packages.tensorflow", "warn", "another version may compute other numbers"),
    Rule("packages.keras", "warn", "another version may compute other numbers"),
    Rule("cpu.model name", "warn", "another processor may round otherwise"),
    Rule("devices", "warn", "other devices may round otherwise"),
    Rule("settings.TF_CPP_*", "free", "says how much TensorFlow writes"),
    Rule("settings.*", "warn", "may choose other kernels"),
    Rule("threads.*", "warn", "another number of threads may add up in another order"),
    Rule("*", "free", "does not enter the arithmetic"),
)
NAMED = 5  # refused keys in a message
_WORDS = {"refuse": "refused", "warn": "goes on with a warning", "free": "goes on, told in one line"}


def rule(key: str, rules: tuple[Rule, ...]) -> Rule:
    """Return what holds for `key`; what no rule names is refused."""
    return next((rule for rule in rules if fnmatchcase(key, rule.pattern)), Rule(key, "refuse", "is not known"))


def compare_recipes(run: RunDir, recipe: Recipe, console: "Console") -> None:
    """Tell every key in which `recipe` differs from the run's own, recipe.json.

    Raises:
        ConfigError: a change is refused; the first such keys are named with old and new value.
    """
    if not run.recipe.is_file():
        console.warn(f"{run.recipe} is gone, so nobody can tell whether the run was begun with another recipe.")
        return
    changed = _differences(dataclasses.asdict(read_recipe(run.recipe)), dataclasses.asdict(recipe))
    found = [(key, old, new, rule(key, RECIPE)) for key, old, new in changed]
    refused = [change for change in found if change[3].verdict == "refuse"]
    if refused:
        told = "; ".join(f"{key} was {old!r}, is {new!r}" for key, old, new, _ in refused[:NAMED])
        told += f"; and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        raise ConfigError(
            f"{run.path} was begun with another recipe: {told}. Take the change back, or train under another --name."
        )
    _tell(found, console)


def compare_data(run: RunDir, step: int, old: str, new: str) -> None:
    """Refuse other data than those of the checkpoint; `old` and `new` are `Job.fingerprint()` then and now.

    Raises:
        ConfigError: they differ.
    """
    if old.rsplit(maxsplit=1)[-1] != new.rsplit(maxsplit=1)[-1]:
        raise ConfigError(
            f"the training data of {run.path} have changed since step {step}: they were {old}, they are {new}; other "
            "labels, classes, file names or unreadable images. Restore them, or train under another --name."
        )


def compare_surroundings(run: RunDir, console: "Console") -> None:
    """Tell in which versions, devices and settings this process differs from the one that wrote env.json."""
    try:
        before = dict(json.loads(run.env.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        console.warn(f"{run.env} cannot be read, so nobody knows what versions the run was begun with.")
        return
    changed = _differences(before, json.loads(json.dumps(environment())))
    _tell([(key, old, new, rule(key, SURROUNDINGS)) for key, old, new in changed], console)


def table() -> str:
    """Return the rules as Markdown, as docs/resume.md shows them."""
    lines = ["| what changes | then the run | why |", "|---|---|---|"]
    named = [(f"`{rule.pattern}`", rule) for rule in RECIPE] + [("the data", DATA)]
    named += [(f"`{rule.pattern}` of env.json" if rule.pattern != "*" else "all else", rule) for rule in SURROUNDINGS]
    lines += [f"| {name} | {_WORDS[rule.verdict]} | {rule.why} |" for name, rule in named]
    return "\n".join(lines) + "\n"


def _tell(found: list[tuple[str, Any, Any, Rule]], console: "Console") -> None:
    for key, old, new, rule in found:
        say: Callable[[str], None] = console.warn if rule.verdict == "warn" else console.note
        say(f"going on with {key} {new!r} (was {old!r})" + (f": {rule.why}" if rule.verdict == "warn" else ""))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    old, new = _flat(before), _flat(now)
    keys = sorted({*old, *new})
    return [(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found
