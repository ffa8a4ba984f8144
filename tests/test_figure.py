"""Names in pictures are drawn as they stand, in titles, labels, ticks, legends and texts of every report."""

import io

import numpy as np
import pytest
from matplotlib import figure as matplotlibs
from PIL import Image

from kcnn.adversarial import figures as attacks
from kcnn.adversarial.aim import Attacked
from kcnn.explain import draw
from kcnn.figure import Figure
from kcnn.tasks import figures
from kcnn.tasks.classification import figures as of_classes

NAMES = ["$a$", r"$\frac$"]  # a formula to matplotlib, and one that it cannot read
PICTURE = np.zeros((4, 4, 3), "uint8")


def drawn(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("RGB"))


def titled(kind, text):
    figure = kind(figsize=(2, 1), layout="constrained")
    figure.suptitle(text)
    return drawn(figure)


def test_a_dollar_is_a_dollar():
    np.testing.assert_array_equal(titled(Figure, "$a$"), titled(matplotlibs.Figure, r"\$a\$"))
    assert not np.array_equal(titled(Figure, "$a$"), titled(matplotlibs.Figure, "$a$"))
    np.testing.assert_array_equal(titled(Figure, "plain"), titled(matplotlibs.Figure, "plain"))
    with pytest.raises(ValueError, match="frac"):
        titled(matplotlibs.Figure, NAMES[1])
    assert titled(Figure, NAMES[1]).std() > 0


def attacked():
    images, shares = np.zeros((2, 4, 4, 1), "uint8"), np.eye(2)
    return Attacked("fgsm", images, images, np.arange(2), None, shares, shares)


@pytest.mark.parametrize(
    "make",
    [
        lambda: draw.row([PICTURE] * 2, NAMES, NAMES[1]),
        lambda: attacks.triples(attacked(), NAMES, NAMES[1]),
        lambda: attacks.transfer(np.eye(2), NAMES, NAMES[1]),
        lambda: attacks.fooling(np.stack([PICTURE] * 2), np.ones(2), NAMES, NAMES[1]),
        lambda: figures.confusion_matrix(np.eye(2, dtype=int), NAMES, NAMES[1]),
        lambda: figures.confusion_matrix(np.ones((26, 26), int), NAMES * 13, NAMES[1]),
        lambda: figures.image_grid([PICTURE] * 2, NAMES, NAMES[1]),
        lambda: of_classes.outcomes(np.ones((2, 3)), NAMES, NAMES[1]),
    ],
)
def test_every_picture_with_names_is_drawn(make):
    figure = make()
    assert drawn(figure).std() > 0
    texts = [text for text in figure.findobj(lambda one: hasattr(one, "get_parse_math")) if text.get_text() in NAMES]
    assert texts
    assert not any(text.get_parse_math() for text in texts)


def test_the_first_batch_is_drawn_with_its_names(tmp_path):
    from kcnn.data.source import Info
    from kcnn.recipe import Preprocess
    from kcnn.train.samples import draw_samples

    info = Info(name="money", splits={"train": 2}, classes=tuple(NAMES))
    draw_samples(tmp_path / "x.png", (np.zeros((2, 4, 4, 3)), np.arange(2)), Preprocess(size=(4, 4)), info)
    assert Image.open(tmp_path / "x.png").width > 100
