"""The task harness passes what keeps the contract, ours and an outsider's, and says what a broken task breaks."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kcnn.data import open_source
from kcnn.recipe import override
from kcnn.tasks import TASKS
from kcnn.tasks.classification.config import ClassificationConfig
from kcnn.tasks.classification.task import TASK
from kcnn.testing import check_task
from kcnn.testing import task as harness

RECIPE = harness.default_recipe(TASK)


@pytest.fixture(scope="module")
def source():
    return open_source(RECIPE.data)


@pytest.fixture
def model(source):
    return TASK.model(RECIPE, source.info)


def broken(**parts):
    return dataclasses.replace(TASK, **parts)


def mapped(change):
    """Return a dataset function whose (inputs, targets) are changed."""
    return lambda *args, **options: TASK.dataset(*args, **options).map(change)


@pytest.mark.slow
def test_our_classification_passes():
    check_task("classification")


@pytest.mark.slow
def test_classification_of_16_bits_passes():
    config = ClassificationConfig(crop_padding=2, flip=True, erasing=0.3, colour=0.3, mixup=0.2)
    check_task(TASK, dataclasses.replace(override(RECIPE, ["preprocess.bit_depth=16"]), config=config))


@pytest.mark.slow
def test_classification_with_everything_on_passes():
    config = ClassificationConfig(
        label_smoothing=0.1, mixup=0.2, cutmix=1.0, crop_padding=2, flip=True, erasing=0.3, colour=0.3, randaugment=1,
        class_weights="balanced",
    )  # fmt: skip
    check_task(TASK, dataclasses.replace(RECIPE, config=config))


@pytest.mark.slow
def test_a_task_from_outside_passes(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "plugins"))
    TASKS.refresh()
    try:
        check_task("brightness")
    finally:
        monkeypatch.undo()
        TASKS.refresh()


def test_something_else_than_a_task():
    with pytest.raises(AssertionError, match=r"found dict but a plug-in is a kcnn\.tasks\.task\.Task"):
        check_task({})


@dataclasses.dataclass
class Thawed:
    mixup: float = 0.0


@dataclasses.dataclass(frozen=True)
class Forgetful:
    """A configuration that JSON cannot bring back."""

    names: list = dataclasses.field(default_factory=lambda: ["a"])
    hidden: float = dataclasses.field(default=0.0, init=True)

    def __post_init__(self):
        object.__setattr__(self, "hidden", self.hidden + 1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict, "must be a frozen dataclass"),
        (Thawed, "Thawed must be frozen"),
        (Forgetful, "names is"),
    ],
)
def test_a_broken_configuration(config, message):
    recipe = dataclasses.replace(RECIPE, config=config())
    with pytest.raises((AssertionError, ValueError), match=message):
        harness.check_config(broken(config=config), recipe)


def test_a_configuration_of_another_class():
    with pytest.raises(AssertionError, match="not a ClassificationConfig"):
        harness.check_config(TASK, dataclasses.replace(RECIPE, config=Thawed()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: {"image": x, "label": y}, "gives dict elements but must give"),
        (lambda x, y: (x * np.nan, y), "gives numbers that are not finite"),
        (lambda x, y: (x[:, :16], y), r"gives inputs \(15, 16, 32, 1\) but the model takes \(None, 32, 32, 1\)"),
        (lambda x, y: (x[1:], y[1:]), "must give 2 x"),
        (lambda x, y: (x, tf.RaggedTensor.from_tensor(y)), "only dense tensors enter a model"),
    ],
)
def test_broken_batches(source, model, change, message):
    with pytest.raises(AssertionError, match=message):
        harness.check_batches(broken(dataset=mapped(change)), RECIPE, source, model)


def test_data_that_does_not_repeat(source):
    shuffled = broken(dataset=lambda *args, **options: TASK.dataset(*args, **options).shuffle(6))
    with pytest.raises(AssertionError, match="does not repeat"):
        harness.check_resume(shuffled, RECIPE, source)


def test_data_that_starts_anew_after_a_stop(source):
    def forgets(*args, start_step=0, **options):
        return TASK.dataset(*args, **options).take(6 - start_step)

    with pytest.raises(AssertionError, match=r"start_step=1\) must equal the full stream from step 1 on"):
        harness.check_resume(broken(dataset=forgets), RECIPE, source)


def test_too_few_steps_to_tell(source):
    long = dataclasses.replace(RECIPE, train=dataclasses.replace(RECIPE.train, epochs=1, batch_size=40))
    with pytest.raises(AssertionError, match="check it on a recipe with 4 or more"):
        harness.check_resume(TASK, long, source)


def compiled(loss, frozen=False):
    def compile_model(model, recipe, steps, counts):
        TASK.compile(model, recipe, steps, counts)
        model.trainable = not frozen
        model.compile(optimizer=model.optimizer, loss=loss)

    return compile_model


def uphill(y_true, y_pred):
    """A loss whose gradient points the wrong way."""
    loss = keras.losses.categorical_crossentropy(y_true, y_pred, from_logits=True)
    return keras.ops.stop_gradient(2 * loss) - loss


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "frozen", "message"),
    [
        (uphill, False, "two fit steps on one batch must lower its loss"),
        ("mse", True, "two fit steps on one batch must lower its loss"),
        (lambda y_true, y_pred: keras.ops.mean(y_pred) * np.nan, False, "loss of the first batch is nan"),
    ],
)
def test_a_loss_that_does_not_learn(source, model, loss, frozen, message):
    with pytest.raises(AssertionError, match=message):
        harness.check_learning(broken(compile=compiled(loss, frozen)), RECIPE, source, model)


def signed(**parts):
    return lambda recipe, info: dataclasses.replace(TASK.signature(recipe, info), **parts)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"outputs": ("scores",)}, r"finish gives \['probabilities'\] but outputs names \['scores'\]"),
        ({"answers": lambda outputs: outputs["probabilities"]}, "are compared one by one"),
        (
            {"finish": lambda x: {"probabilities": x if tf.executing_eagerly() else x + 1}},
            "exported 'probabilities' differs from eager by 1",
        ),
    ],
)
def test_a_broken_signature(source, model, parts, message):
    with pytest.raises(AssertionError, match=message):
        harness.check_signature(broken(signature=signed(**parts)), RECIPE, source, model)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"decode": lambda outputs, info, size: {"p": list(outputs.values())}},
            "decode gives values that are not plain",
        ),
        ({"decode": lambda outputs, info, size: "boot"}, "decode gives str but must give a dict"),
        ({"draw": lambda image, answer, info: image}, r"draw of a prediction gives uint8 \(8, 8, 1\)"),
        ({"draw": lambda image, answer, info: None}, "draw of a prediction gives NoneType"),
    ],
)
def test_broken_answers(source, model, parts, message):
    with pytest.raises(AssertionError, match=message):
        harness.check_answers(broken(**parts), RECIPE, source, model)


def test_an_evaluation_that_is_not_plain(source, model):
    def evaluate(*args):
        return {"loss": float("nan")}

    with pytest.raises(AssertionError, match="evaluate gives values that are not plain"):
        harness.check_evaluate(broken(evaluate=evaluate), RECIPE, source, model)


@pytest.mark.slow
def test_bad_examples_that_stay(source, model):
    def keeps(*args, bad=frozenset(), **options):
        return TASK.dataset(*args, **options)

    with pytest.raises(AssertionError, match=r"dataset\(bad=\{0\}\) gives"):
        harness.check_evaluate(broken(dataset=keeps), RECIPE, source, model)
