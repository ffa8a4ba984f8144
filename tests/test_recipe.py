"""The recipe: JSON and back, every value out of range, and recipe files of all kinds."""

import dataclasses
import json

import pytest

from kcnn import recipe as recipes
from kcnn.errors import ConfigError, DataError, UnknownNameError
from kcnn.recipe import Data, Export, Model, Preprocess, Recipe, Train
from kcnn.tasks.classification.config import ClassificationConfig

FULL = Recipe(
    name="full",
    data=Data(source="photos/", validation=0.2, limit=7, max_bad_fraction=0.5),
    preprocess=Preprocess(size=(10, 20), scale=1.0, mean=(1, 2, 3), std=(4, 5, 6), channel_order="bgr"),
    model=Model(name="mlp", num_classes=3),
    config=ClassificationConfig(mixup=0.2, class_weights="balanced"),
    train=Train(epochs=3, optimizer="adamw", warmup_epochs=1, ema=0.9, patience=2),
    export=Export(formats=("int8",)),
)


@pytest.mark.parametrize("recipe", [FULL, Recipe(name="plain"), Recipe(name="no.config-1+2", config=None)])
def test_json_round_trip(recipe):
    text = recipes.to_json(recipe)
    assert recipes.from_json(text, config=ClassificationConfig) == recipe
    json.loads(text, parse_constant=pytest.fail)  # no NaN, no Infinity: any JSON reader takes it


def test_json_without_the_task_keeps_its_part_as_a_table():
    assert recipes.from_json(recipes.to_json(FULL)).config == dataclasses.asdict(FULL.config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "old.json is not JSON"),
        ('{"name": "x"', "may be truncated"),
        ("[]", "must be a table"),
        ("{}", "name is missing"),
        ('{"name": 3}', "name is 3 but must be text"),
        ('{"name": "x", "train": {"epochs": "2"}}', "train.epochs is '2' but must be a whole number"),
        ('{"name": "x", "train": {"learning_rate": NaN}}', "train.learning_rate is nan"),
        ('{"name": "x", "train": {"optimizer": "adam"}}', "must be one of 'sgd', 'adamw'"),
        ('{"name": "x", "config": 3}', "config is 3 but must be a table"),
    ],
)
def test_json_that_is_no_recipe(text, message):
    with pytest.raises(ConfigError) as caught:
        recipes.from_json(text, config=ClassificationConfig, where="old.json")
    assert message in str(caught.value)


def test_an_unknown_key_in_json_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'train\.epoch'\. Did you mean 'train\.epochs'"):
        recipes.from_json('{"name": "x", "train": {"epoch": 2}}')


BAD = [
    (Preprocess, {"size": (0, 4)}), (Preprocess, {"size": (4,)}), (Preprocess, {"scale": 0.0}),
    (Preprocess, {"std": (0.0,)}), (Preprocess, {"std": ()}), (Preprocess, {"mean": ()}),
    (Preprocess, {"mean": (1, 2)}), (Preprocess, {"channel_order": "gray", "mean": (1, 2, 3)}),
    (Data, {"validation": 1.0}), (Data, {"validation": -0.1}), (Data, {"limit": -1}), (Data, {"max_bad_fraction": 2.0}),
    (Model, {"num_classes": -1}),
    (Train, {"epochs": 0}), (Train, {"batch_size": 0}), (Train, {"seed": -1}), (Train, {"learning_rate": 0.0}),
    (Train, {"momentum": 1.0}), (Train, {"ema": 1.0}), (Train, {"weight_decay": -1.0}), (Train, {"patience": -1}),
    (Train, {"max_minutes": -1.0}), (Train, {"checkpoint_steps": -1}), (Train, {"warmup_epochs": -1.0}),
    (Export, {"calibration": 0}), (Export, {"check_images": 0}), (Export, {"min_agreement": 1.1}),
    (Recipe, {"name": ""}), (Recipe, {"name": "../up"}), (Recipe, {"name": "a/b"}), (Recipe, {"name": ".hidden"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values"), BAD)
def test_every_value_out_of_range_is_named(kind, values):
    with pytest.raises(ConfigError) as caught:
        kind(**values)
    section = "" if kind is Recipe else f"{kind.__name__.lower()}."
    assert any(section + key in str(caught.value) for key in values)


def test_override_reaches_every_section():
    changed = recipes.override(
        FULL, ["train.epochs=9", "config.flip=true", "preprocess.channel_order=gray", "preprocess.mean=0.5",
               "preprocess.std=0.5", "name=other"],
    )  # fmt: skip
    assert (changed.train.epochs, changed.config.flip, changed.preprocess.channels) == (9, True, 1)
    assert (changed.name, changed.train.ema) == ("other", 0.9)
    assert FULL.train.epochs == 3
    with pytest.raises(UnknownNameError, match=r"Did you mean 'config\.mixup'"):
        recipes.override(FULL, ["config.mixp=1"])
    with pytest.raises(ConfigError, match=r"train\.epochs is 0"):
        recipes.override(FULL, ["train.epochs=0"])


def test_a_run_is_not_called_an_unknown_recipe(tmp_path):
    (tmp_path / "recipe.json").write_text(recipes.to_json(FULL))
    with pytest.raises(DataError, match="is a run, not a recipe"):
        recipes.load(str(tmp_path))


def test_a_bad_value_is_told_with_its_file():
    with pytest.raises(ConfigError, match=r"^runs/a/recipe\.json: .*train\.epochs is 0"):
        recipes.from_json(recipes.to_json(FULL).replace('"epochs": 3', '"epochs": 0'), where="runs/a/recipe.json")


def test_image_shape_and_smoke():
    assert FULL.preprocess.image_shape == (10, 20, 3)
    assert Preprocess(size=(4, 5), channel_order="gray").image_shape == (4, 5, 1)
    small = recipes.smoke(FULL, model="tiny_mlp")
    assert (small.data.source, small.model.name, small.train.epochs) == ("digits", "tiny_mlp", 1)
    assert small.config == FULL.config


RECIPE = (
    "from kcnn.recipe import Recipe\ndef recipe(smoke=False):\n    return Recipe(name='tiny' if smoke else 'whole')\n"
)


def test_load_by_path_and_by_name(tmp_path, monkeypatch):
    (tmp_path / "pipelines").mkdir()
    path = tmp_path / "pipelines" / "mine.py"
    path.write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    assert recipes.load(str(path)).name == "whole"
    assert recipes.load("mine", smoke=True).name == "tiny"
    with pytest.raises(UnknownNameError, match="Did you mean 'mine'"):
        recipes.load("mine2")
    with pytest.raises(DataError, match=r"mine2\.py does not exist"):
        recipes.load("mine2.py")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "defines no function recipe"),
        ("def recipe(smoke=False): return 3", "returned int but must return kcnn.recipe.Recipe"),
        ("def recipe(): return 3", "unexpected keyword argument 'smoke'"),
        ("def recipe(smoke=False) return 3", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("from kcnn.recipe import Train\ndef recipe(smoke=False): return Train(epochs=0)", "train.epochs is 0"),
        (b"\xff\xfe\x00", "is not a recipe"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path, code, message):
    path = tmp_path / "bad.py"
    path.write_bytes(code if isinstance(code, bytes) else code.encode())
    with pytest.raises(ConfigError) as caught:
        recipes.load(str(path))
    assert message in str(caught.value)


def test_bit_depth_is_8_or_16_and_old_recipes_have_8():
    deep = recipes.override(Recipe(name="scan"), ["preprocess.bit_depth=16"])
    assert (deep.preprocess.bit_depth, deep.preprocess.dtype) == (16, "float32")
    assert recipes.from_json(recipes.to_json(deep)) == deep
    old = json.loads(recipes.to_json(Recipe(name="scan")))
    assert old["preprocess"].pop("bit_depth") == 8
    assert recipes.from_json(json.dumps(old)).preprocess.dtype == "uint8"
    for change in ("preprocess.bit_depth=12", "preprocess.bit_depth=16.0", "preprocess.bit_depth=deep"):
        with pytest.raises(ConfigError, match=r"preprocess\.bit_depth is .* must be one of 8, 16"):
            recipes.override(Recipe(name="scan"), [change])
    with pytest.raises(ConfigError, match="bit_depth is 12"):
        Preprocess(bit_depth=12)


def test_int8_by_name_does_not_go_with_16_bits():
    assert "int8" in recipes.override(Recipe(name="scan"), ["preprocess.bit_depth=16"]).export.formats  # all, as far
    with pytest.raises(ConfigError, match="leave int8 out"):
        recipes.override(Recipe(name="scan"), ["preprocess.bit_depth=16", "export.formats=fp32,int8"])
