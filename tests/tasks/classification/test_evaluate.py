"""The whole report, on models that answer what the test says."""

import csv
import json

import keras
import numpy as np
import pytest

from kcnn.errors import DataError
from kcnn.tasks.classification.evaluate import evaluate
from kcnn.tasks.classification.task import TASK

from .sources import recipe, source

FILES = [
    "confusion_matrix.csv", "confusion_matrix.png", "metrics.csv", "predictions.csv", "reliability.png", "report.json",
    "worst_predictions.png",
]  # fmt: skip


def by_brightness(num_classes):
    """Return a model that reads the class off the brightness that `sources.source` gives it, without fault."""
    step = 200 // num_classes
    inputs = keras.Input((16, 16, 1))
    level = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(127.5, 127.5 - 20)(inputs))
    logits = keras.layers.Dense(num_classes)(level)
    model = keras.Model(inputs, logits)
    levels = step * (np.arange(num_classes) + 1.0)  # the largest of 2 l x - l^2 is the nearest level's
    model.layers[-1].set_weights([0.02 * levels[None], -0.01 * levels**2])
    return model


def read(path):
    return list(csv.reader(path.open(encoding="utf-8")))


def test_the_files_of_a_report(tmp_path):
    labels = [0, 1, 2, 2, 1, 0, 2]
    data = source(labels, 3, names=("cat", "dog", "émeu"))
    report = evaluate(by_brightness(3), recipe(), data, "test", frozenset(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert report == json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (report["data"], report["split"], report["examples"], report["accuracy"]) == ("made", "test", 7, 1.0)
    assert read(tmp_path / "confusion_matrix.csv") == [
        ["true/predicted", "cat", "dog", "émeu"],
        ["cat", "2", "0", "0"], ["dog", "0", "2", "0"], ["émeu", "0", "0", "3"],
    ]  # fmt: skip
    assert read(tmp_path / "metrics.csv")[3] == ["émeu", "1.0", "1.0", "1.0", "3"]


def test_mistakes_come_first_in_the_list_of_predictions(tmp_path):
    wrong = source([0, 1, 1, 0], 2, names=("cat", "dog"))
    part = wrong.splits["test"]
    part.labels[2] = part.arrays["label"][2] = 0  # example 2 looks like a dog and is said to be a cat
    report = evaluate(by_brightness(2), recipe(), wrong, "test", frozenset(), tmp_path)
    assert report["accuracy"] == 0.75
    header, first, *_ = read(tmp_path / "predictions.csv")
    assert header == ["example", "true", "predicted", "loss"]
    assert (first[0], first[1], first[2]) == ("test[2]", "cat", "dog (100%)")


def test_bad_examples_are_left_out_and_the_rest_keeps_its_names(tmp_path):
    data = source([0, 1, 0, 1, 1], 2)
    report = evaluate(by_brightness(2), recipe(), data, "test", frozenset({0, 3}), tmp_path)
    assert report["examples"] == 3
    assert report["accuracy"] == 1
    assert {row[0] for row in read(tmp_path / "predictions.csv")[1:]} == {"test[1]", "test[2]", "test[4]"}
    with pytest.raises(DataError, match="every example of split 'test' is unreadable"):
        evaluate(by_brightness(2), recipe(), data, "test", frozenset(range(5)), tmp_path)


@pytest.mark.parametrize(
    ("labels", "num_classes"), [([0, 0, 0], 1), ([0, 1], 2), ([0, 2, 2], 4), ([5], 12), (list(range(120)), 120)]
)
def test_odd_data(tmp_path, labels, num_classes):
    data = source(labels, num_classes)
    report = evaluate(TASK.model(recipe(), data.info), recipe(batch_size=50), data, "test", frozenset(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert len(report["per_class"]) == num_classes
    assert ("top5" in report) == (num_classes > 5)
    json.dumps(report, allow_nan=False)


def test_several_labels(tmp_path):
    labels = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 1], [1, 1, 0]])
    data, settings = source(labels, 3, names=("sky", "road", "tree")), recipe(multi_label=True)
    model = TASK.model(settings, data.info)
    model.layers[-1].set_weights([np.zeros_like(model.layers[-1].get_weights()[0]), np.array([3.0, -3.0, 0.0])])
    report = evaluate(model, settings, data, "test", frozenset(), tmp_path)
    # always "sky" and, at probability 0.5, "tree": right in 2, 2 and 2 of 4; all three right in the first only
    assert (report["accuracy"], report["exact_match"]) == (0.5, 0.25)
    assert read(tmp_path / "confusion_matrix.csv")[1:] == [
        ["sky", "2", "2", "0"], ["road", "0", "0", "2"], ["tree", "2", "2", "0"],
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


def test_answers_that_are_not_finite_are_an_error(tmp_path):
    model = by_brightness(2)
    model.layers[-1].set_weights([np.full((1, 2), np.nan), np.zeros(2)])
    with pytest.raises(DataError, match="not finite"):
        evaluate(model, recipe(), source([0, 1], 2), "test", frozenset(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_label_that_is_most_wrong_is_explained(tmp_path, monkeypatch):
    from kcnn.tasks import figures
    from kcnn.tasks.classification.worst import PICTURE, Worst, explain_worst

    data, settings = (
        source(np.array([[1, 0, 1], [0, 0, 0]]), 3, names=("sky", "road", "tree")),
        recipe(multi_label=True),
    )
    model = TASK.model(settings, data.info)
    model.layers[-1].set_weights([np.zeros_like(model.layers[-1].get_weights()[0]), np.array([3.0, -3.0, -1.0])])
    evaluate(model, settings, data, "test", frozenset(), tmp_path)
    sheets = []
    monkeypatch.setattr("kcnn.explain.draw.sheet", lambda *parts: sheets.append(parts) or figures.Figure())
    assert explain_worst(model, settings, data, "test", frozenset(), tmp_path, Worst(2, "saliency")).name == PICTURE
    # mean losses: 0.47 = (0.049 + 0.049 + 1.313) / 3 and 1.14 = (3.049 + 0.049 + 0.313) / 3, so the second leads
    assert sheets[0][1] == [["true no label", "for sky (95%)"], ["true sky + tree", "for tree (27%)"]]
