"""The record inside every exported file."""

import pytest

from kcnn.data.source import Info
from kcnn.errors import ExportError
from kcnn.export.facts import Facts, from_json, of_run, to_json
from kcnn.recipe import Preprocess, Recipe

FACTS = Facts(
    name="flowers",
    task="classification",
    preprocess=Preprocess(size=(48, 40), mean=(0.1, 0.2, 0.3), std=(1.0,), channel_order="bgr"),
    labels=("daisy", "tulipán"),
    multi_label=True,
    licence="CC BY 4.0",
)


def test_round_trip():
    assert from_json(to_json(FACTS), "here") == FACTS


@pytest.mark.parametrize("text", ["", "[]", '{"name": 3}', to_json(FACTS).replace('"task"', '"tusk"')])
def test_what_is_no_record_is_said_to_be_none(text):
    with pytest.raises(ExportError, match=r"FILE is not a record that kcnn wrote"):
        from_json(text, "FILE")


def test_of_run_takes_classes_and_licence_from_the_source():
    info = Info(name="x", splits={"train": 1}, classes=("a", "b"), licence="MIT", multi_label=True)
    facts = of_run(Recipe(name="n", preprocess=Preprocess(size=(8, 9))), info)
    assert (facts.name, facts.task, facts.labels, facts.licence) == ("n", "classification", ("a", "b"), "MIT")
    assert facts.multi_label
    assert facts.info.classes == ("a", "b")
    assert facts.info.image_shape == (8, 9, 3)
    assert facts.info.multi_label
