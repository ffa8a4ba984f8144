"""What may change between two starts of a run: every key has its row, no change is silent, the docs say the same."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import toy
from consoles import Lines

from kcnn import recipe as recipes
from kcnn.data.source import Source
from kcnn.errors import ConfigError
from kcnn.tasks import TASKS
from kcnn.train import changes, train
from kcnn.train.rundir import RunDir, environment

DOCS = Path(__file__).parents[2] / "docs" / "resume.md"


def keys(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")
        else:
            yield prefix + key


@pytest.fixture
def begun(tmp_path):
    """A run folder with a recipe and env.json, as after a first start."""
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    run.recipe.write_text(recipes.to_json(toy.make_recipe()))
    return run


@pytest.mark.parametrize("task", [name for name in TASKS.names() if name != "toy"])
def test_every_key_of_a_recipe_has_a_row(task):
    recipe = dataclasses.replace(toy.make_recipe(), task=task, config=TASKS.get(task).config())
    for key in keys(dataclasses.asdict(recipe)):
        assert changes.rule(key, changes.RECIPE).why != "is not known", key


def test_no_row_is_shadowed_by_one_above():
    for rules in (changes.RECIPE, changes.SURROUNDINGS):
        for row in rules:
            assert changes.rule(row.pattern.replace("*", "x"), rules) == row


def test_docs_show_the_table():
    assert changes.table() in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("setting", "verdict", "old", "new"),
    [
        ("train.learning_rate=0.01", "refuse", "0.05", "0.01"),
        ("train.batch_size=8", "refuse", "16", "8"),
        ("train.seed=9", "refuse", "0", "9"),
        ("train.optimizer=adamw", "refuse", "'sgd'", "'adamw'"),
        ("model.num_classes=7", "refuse", "0", "7"),
        ("model.name=toy2", "refuse", "'toy'", "'toy2'"),
        ("preprocess.scale=1.0", "refuse", str(1 / 255), "1.0"),
        ("config.dropout=0.5", "refuse", "0.3", "0.5"),
        ("data.validation=0.2", "refuse", "0.1", "0.2"),
        ("train.epochs=5", "warn", "3", "5"),
        ("data.source=elsewhere", "warn", "'toy'", "'elsewhere'"),
        ("train.patience=2", "free", "0", "2"),
        ("train.on_nan=skip", "free", "'stop'", "'skip'"),
        ("export.calibration=5", "free", "200", "5"),
    ],
)
def test_each_change_is_told_with_old_and_new(begun, setting, verdict, old, new):
    console, key = Lines(), setting.partition("=")[0]
    recipe = recipes.override(toy.make_recipe(), [setting])
    if verdict == "refuse":
        with pytest.raises(ConfigError) as caught:
            changes.compare_recipes(begun, recipe, console)
        assert f"{key} was {old}, is {new}" in str(caught.value)
    else:
        changes.compare_recipes(begun, recipe, console)
        told, other = (console.warnings, console.notes) if verdict == "warn" else (console.notes, console.warnings)
        assert len(told) == 1
        assert not other
        assert told[0].startswith(f"going on with {key} {new} (was {old})")


def test_many_refused_changes_are_counted_and_the_first_named(begun):
    settings = ["train.batch_size=8", "train.seed=9", "train.optimizer=adamw", "model.num_classes=7",
                "preprocess.scale=1.0", "config.dropout=0.5", "data.validation=0.2"]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        changes.compare_recipes(begun, recipes.override(toy.make_recipe(), settings), Lines())
    assert str(caught.value).count(" was ") == changes.NAMED + 1  # and "was begun with"
    assert f"; and {len(settings) - changes.NAMED} more." in str(caught.value)


def test_a_lost_recipe_is_told(begun):
    console = Lines()
    begun.recipe.unlink()
    changes.compare_recipes(begun, toy.make_recipe(), console)
    assert "is gone" in console.warnings[0]


@pytest.mark.parametrize("package", ["kcnn", "tensorflow", "keras"])
def test_another_version_is_warned_of(begun, package):
    console, env = Lines(), environment()
    now = env["packages"][package]
    env["packages"][package] = "0.0.1"
    env["packages"]["numpy"] = "0.0.2"
    begun.env.write_text(json.dumps(env))
    changes.compare_surroundings(begun, console)
    assert len(console.warnings) == 1
    assert console.warnings[0].startswith(f"going on with packages.{package} '{now}' (was '0.0.1')")
    assert any("packages.numpy" in note for note in console.notes)


def test_the_same_surroundings_are_not_mentioned(begun):
    console = Lines()
    begun.write_env()
    changes.compare_surroundings(begun, console)
    assert console.text == ""


@pytest.mark.slow
def test_a_run_that_goes_on_tells_of_versions_once(tmp_path, run_toy, lines):
    folder = run_toy(tmp_path / "run", epochs=1)
    env = json.loads((folder / "env.json").read_text())
    env["packages"]["keras"] = "0.0.1"
    (folder / "env.json").write_text(json.dumps(env))
    run_toy(folder, epochs=1)  # nothing is trained: env.json goes on to tell what it was trained with
    assert "0.0.1" not in lines.text
    run_toy(folder, epochs=2)
    assert [text for text in lines.warnings if "packages.keras" in text]
    assert "0.0.1" not in (folder / "env.json").read_text()


@pytest.mark.slow
def test_other_data_are_named(tmp_path, run_toy, lines):
    folder = run_toy(tmp_path / "run", epochs=1)
    plain = toy.make_source()
    split = plain.splits["train"]
    labels = np.roll(split.labels, 1)
    splits = {**plain.splits, "train": dataclasses.replace(split, labels=labels)}
    before = (folder / "log.csv").read_bytes()
    with pytest.raises(ConfigError, match=r"they were 150 examples of 4 classes, 0 left out, sha256 \w+, they are 150"):
        train(toy.make_recipe(epochs=2), folder, source=Source(info=plain.info, splits=splits), console=lines)
    assert (folder / "log.csv").read_bytes() == before
