"""Agreement with Keras, by hand-worked numbers."""

import numpy as np
import pytest

from kcnn.errors import ExportError
from kcnn.export.parity import Parity, compare, refuse
from kcnn.tasks.task import Signature

SIGNATURE = Signature(
    outputs=("p",),
    finish=lambda y: {"p": y},
    answers=lambda outputs: outputs["p"].argmax(-1),
    truth=lambda examples: examples["label"],
)
KERAS = {"p": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]], "float32")}
EXAMPLES = {"label": np.array([0, 1, 1, 0])}


def test_figures_by_hand():
    """The third image's answer flips from 0 to 1, which makes it right; its number moves most, by 0.25."""
    other = {"p": KERAS["p"] + np.array([[-0.1, 0.1], [0, 0], [-0.25, 0.25], [0, 0]], "float32")}
    found = compare(SIGNATURE, KERAS, other, EXAMPLES)
    assert found.answers == 4
    assert found.difference == pytest.approx(0.25)
    assert found.agreement == 0.75
    assert found.scores == {"accuracy": 1.0}
    assert compare(SIGNATURE, KERAS, KERAS, EXAMPLES) == Parity(4, 0.0, 1.0, {"accuracy": 0.75})


def test_several_answers_per_image_count_together():
    """Two yes-or-no answers an image: one wrong or different answer makes the image wrong or different."""
    signature = Signature(
        outputs=("p",),
        finish=lambda y: {"p": y},
        answers=lambda outputs: (outputs["p"] >= 0.45).astype(int),
        truth=lambda examples: examples["label"],
    )
    other = {"p": KERAS["p"] * np.array([[1], [1], [0], [0]], "float32")}  # answers 10 01 00 00, of Keras 10 01 10 11
    found = compare(signature, KERAS, other, {"label": np.array([[1, 0], [0, 0], [0, 0], [0, 0]])})
    assert found.agreement == 2 / 4  # answer by answer it would be 5/8
    assert found.scores == {"accuracy": 3 / 4}  # answer by answer it would be 7/8


def test_class_ids_differ_or_not_however_far_apart_they_are():
    """One of four ids differs, by 7: that is a quarter, not a difference of 7."""
    signature = Signature(
        outputs=("ids",),
        finish=lambda y: {"ids": y},
        answers=lambda outputs: outputs["ids"].reshape(-1),
        truth=lambda examples: examples["mask"].reshape(-1),
        measure=lambda answers, truth: {"half": float((answers == truth).mean()) / 2},
    )
    ids = np.array([[[1, 2], [3, 9]]], "uint8")
    other = np.array([[[1, 2], [3, 2]]], "uint8")
    found = compare(signature, {"ids": ids}, {"ids": other}, {"mask": ids})
    assert found == Parity(4, 1 / 4, 3 / 4, {"half": 3 / 8})
    assert found.plain() == {"answers": 4, "difference": 1 / 4, "agreement": 3 / 4, "half": 3 / 8}


def test_refuse_names_the_format_and_its_agreement():
    good, bad = Parity(200, 0.01, 0.99, {"accuracy": 0.9}), Parity(200, 0.5, 0.955, {"accuracy": 0.9})
    refuse({"fp16": good}, 0.99)
    with pytest.raises(ExportError, match=r"of 200 answers to test images, int8 \(95\.50 %\) .* less than 97 %"):
        refuse({"fp16": good, "int8": bad}, 0.97)


def test_one_answer_may_differ_however_few_there_are():
    refuse({"int8": Parity(12, 0.5, 11 / 12, {"accuracy": 0.9})}, 0.97)
    with pytest.raises(ExportError, match="kcnn export RUN --formats=fp16"):
        refuse(
            {"fp16": Parity(12, 0.01, 1.0, {"accuracy": 0.9}), "int8": Parity(12, 0.5, 10 / 12, {"accuracy": 0.9})},
            0.97,
        )


def test_numbers_that_are_not_finite_are_refused_even_when_the_answers_agree():
    nan = compare(SIGNATURE, KERAS, {"p": np.where(KERAS["p"] == 0.1, np.nan, KERAS["p"])}, EXAMPLES)
    with pytest.raises(ExportError, match="fp16 gives numbers that are not finite"):
        refuse({"fp16": nan}, 0.0)


@pytest.mark.parametrize("name", ["fp32", "saved_model"])
def test_a_float32_format_must_give_the_numbers_of_keras(name):
    """A probability off by 0.002 is refused there, though every answer agrees; int8 may be off by more."""
    off, near = Parity(200, 0.002, 1.0, {"accuracy": 0.9}), Parity(200, 0.0009, 1.0, {"accuracy": 0.9})
    refuse({name: near, "int8": off, "fp16": off}, 0.99)
    with pytest.raises(ExportError, match=rf"{name} \(by 0\.002\) differs from Keras"):
        refuse({name: off, "int8": near}, 0.99)
