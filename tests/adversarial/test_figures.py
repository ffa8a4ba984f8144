"""Pictures are drawn, and say what happened."""

import io

import numpy as np
from PIL import Image

from kcnn.adversarial import figures
from kcnn.adversarial.curve import Curve
from kcnn.adversarial.fgsm import fgsm

from . import nets


def texts(figure):
    return [text for axes in figure.axes for text in (axes.get_xlabel(), axes.get_title(), axes.get_ylabel())]


def rendered(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer)
    return np.asarray(Image.open(buffer).convert("L"))


def test_amplified_change_uses_the_whole_range():
    change = np.array([[[-2.0], [0.0], [1.0]]])
    picture, factor = figures.amplify(change)
    assert factor == 63.5
    np.testing.assert_array_equal(picture.ravel(), [1, 128, 192])
    still, factor = figures.amplify(change * 0)
    assert factor == 0
    assert (still == 128).all()


def test_triples_show_answers_and_size():
    victim = nets.small()
    result = fgsm(victim.aim(nets.pictures(nets.COLOUR, 3)), eps=8)
    figure = figures.triples(result, ["ant", "bee", "cow", "doe"])
    assert len(figure.axes) == 9
    said = texts(figure)
    before = ["ant", "bee", "cow", "doe"][result.before[0].argmax()]
    assert said[0].startswith(before)
    assert "largest 8" in said[3]
    assert rendered(figure).std() > 10


def test_curve_and_matrix_are_drawn():
    curve = Curve(np.array([0, 4.0]), np.array([0.9, 0.1]))
    figure = figures.robustness({"pgd": curve, "fgsm": curve}, "digits")
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [90, 10])
    assert rendered(figure).std() > 5
    matrix = figures.transfer(np.array([[1.0, 0.25], [np.nan, 0.5]]), ["a", "b"], "transfer")
    assert [text.get_text() for text in matrix.axes[0].texts] == ["100%", "25%", "-", "50%"]
    rendered(matrix)


def test_fooling_images_carry_their_confidence():
    figure = figures.fooling(np.zeros((7, 4, 4, 1), "uint8"), np.linspace(0.5, 1, 7), list("abcdefg"), "fooled")
    assert "a 50.00%" in texts(figure)
    rendered(figure)
