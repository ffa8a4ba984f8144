"""`kcnn list NAME`: the card of a model as text and as JSON, and what happens to a name that is none."""

import json

import pytest

from kcnn.cli.main import run


def test_a_model_name_prints_its_card(capsys):
    assert run(["list", "tiny_lenet5"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("tiny_lenet5: ")
    for words in (
        "LeCun",
        "novelty",
        "advantages",
        "disadvantages",
        "4,157",
        "multiply-adds",
        "receptive field  16x16",
    ):
        assert words in printed


def test_a_card_as_json(capsys):
    assert run(["list", "tiny_lenet5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == 4_157
    assert found["work"]["year"] == 1998
    assert found["receptive_field"] == [16, 16]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lenet", "Did you mean 'lenet5'"),
        ("model", "Did you mean 'models'"),
        ("xyzzy", "`kcnn list models` names"),
        ("/nope", "there is no file or folder /nope"),
    ],
)
def test_other_names_are_explained(name, message, capsys):
    assert run(["list", name]) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert output.out == ""


def test_one_kind_alone(capsys):
    assert run(["list", "tasks", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["tasks"]


def test_ways_to_explain_and_to_attack(capsys):
    assert run(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["attacks"]) == {"fgsm", "bim", "pgd", "deepfool", "lbfgs", "one_pixel"}
    assert {"grad_cam", "occlusion", "deconvnet"} < set(found["methods"])
    assert run(["list", "methods"]) == 0
    assert "Selvaraju 2017" in capsys.readouterr().out
