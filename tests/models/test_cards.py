"""Cards: one for every network, figures computed and equal to the literature's, disputed ones decided."""

import subprocess
import sys

import pytest

import kcnn
from kcnn.errors import UnknownNameError
from kcnn.models import MODELS, cards, googlenet
from kcnn.models.catalogue import FAMILIES
from kcnn.registry import Entry

NAMES = [name for rows in FAMILIES.values() for name in rows]


@pytest.mark.parametrize("name", NAMES)
def test_every_network_has_a_card(name):
    work = cards.work(name)
    assert 1989 <= work.year <= 2022
    assert work.title
    assert work.authors
    assert str(work.year) in work.where or "arXiv" in work.where
    assert work.novelty
    assert work.advantages
    assert work.disadvantages


def test_every_card_and_every_figure_belongs_to_a_network():
    assert set(cards.RESULTS) <= set(NAMES)
    assert set(cards.WORK_OF) <= set(NAMES)
    assert set(cards.SIZES) <= set(NAMES)
    assert {id(cards.work(name)) for name in NAMES} == {id(work) for work in cards.WORKS.values()}


def test_tiny_rows_share_the_card_of_their_family():
    assert cards.work("tiny_resnet") is cards.work("resnet50")
    assert cards.work("tiny_efficientnet") is cards.work("efficientnet_b0")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("resnet50_v2", "Identity Mappings in Deep Residual Networks"),
        ("resnext50_32x4d", "Aggregated Residual Transformations for Deep Neural Networks"),
        ("wrn_28_10", "Wide Residual Networks"),
        ("mobilenet_v2_035", "MobileNetV2: Inverted Residuals and Linear Bottlenecks"),
    ],
)
def test_rows_of_one_file_can_have_their_own_paper(name, title):
    assert cards.work(name).title == title


@pytest.mark.parametrize("name", ["plain18", "plain34", "plain20", "plain56"])
def test_plain_networks_are_not_praised_for_shortcuts(name):
    assert "without shortcuts" in cards.work(name).novelty[0]


@pytest.mark.parametrize("name", sorted(cards.RESULTS))
def test_accuracies_are_percentages_with_a_source(name):
    for result in cards.RESULTS[name]:
        given = [value for value in (result.top1, result.top5) if value is not None]
        assert given
        assert all(45 < value < 100 for value in given)  # in percent, and no error rate taken for an accuracy
        assert len(given) == 1 or result.top1 < result.top5
        assert any(word in result.source for word in ("table", "figure", "section", "documentation", "README"))


def test_lenet_card_is_complete():
    card = kcnn.card("lenet5")
    assert (card.parameters, card.multiply_adds) == (61_706, 416_520)  # arithmetic in test_main and test_families
    assert card.receptive_field == (16, 16)  # 5, then 2 at stride 1, 5 and 2 at stride 2: 1 + 4 + 1 + 8 + 2
    assert card.input_shape == (28, 28, 1)
    assert "1989" in " ".join(card.notes)  # both dates are in use
    printed = str(card)
    for words in ("Gradient-Based", "novelty", "disadvantages", "61,706", "416,520", "16x16", "28x28x1"):
        assert words in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "parameters", "giga", "field"),
    [
        # parameters and multiply-adds: torchvision's metadata; fields: Araujo 2019, whose ResNet-50 strides on the 1x1
        ("resnet50", (224, 224, 3), 25_557_032, 4.089, 427),
        ("resnet50_paper", (224, 224, 3), 25_557_032, None, 483),
        ("mobilenet_v1", (224, 224, 3), 4_231_976, 0.569, 315),
        ("efficientnet_b0", (224, 224, 3), 5_288_548, 0.386, None),
        # 4; 3 blocks of 7x7 at stride 4; 2x2; 3 at 8; 2x2; 9 at 16; 2x2; 3 at 32
        ("convnext_tiny", (224, 224, 3), 28_589_128, None, 4 + 72 + 4 + 144 + 8 + 864 + 16 + 576),
        # He 2015, table 6: 0.27 M parameters; 32x32 images: 40.6 M multiply-adds by arithmetic
        ("resnet20", (32, 32, 3), 269_722, 0.041, None),
    ],
)
def test_computed_figures_are_the_published_ones(name, shape, parameters, giga, field):
    card = kcnn.card(name)
    assert card.input_shape == shape
    assert card.parameters == parameters
    assert giga is None or round(card.multiply_adds / 1e9, 3) == pytest.approx(giga, abs=0.0011)
    assert field is None or card.receptive_field == (field, field)


def test_sequences_and_networks_that_see_everything():
    assert kcnn.card("wavenet").receptive_field == (1024,)  # van den Oord 2016, section 2.1
    assert "whole input" not in str(kcnn.card("tiny_convnext"))
    assert "whole input" in str(kcnn.card("tiny_mobilenet_v3"))  # squeeze-excite averages over the image
    dense = kcnn.card("mlp")
    assert dense.receptive_field is None
    assert "receptive field  everything" in str(dense)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("lenet5", (28, 28, 1)), ("alexnet", (227, 227, 3)), ("alexnet_torchvision", (224, 224, 3)),
        ("vgg16", (224, 224, 3)), ("inception_naive", (28, 28, 256)), ("googlenet", (224, 224, 3)),
        ("resnet20", (32, 32, 3)), ("xception", (299, 299, 3)), ("efficientnet_b7", (600, 600, 3)),
        ("efficientnet_v2_s", (384, 384, 3)), ("wavenet", (1024, 256)),
    ],
)  # fmt: skip
def test_size_at_which_a_network_is_counted(name, shape):
    assert cards.usual_shape(name) == shape


def test_every_network_has_a_size():
    for name in NAMES:
        assert all(isinstance(size, int) for size in cards.usual_shape(name)), name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet152", "3.57 % top-5 error is an ensemble"),
        ("mobilenet_v1", "8.56 times"),
        ("wavenet", "only because the dilations double"),
    ],
)
def test_disputed_figures_are_decided(name, words):
    assert words in " ".join(cards.work(name).notes)


def test_googlenets_ratios_are_those_of_the_rows():
    # seven million with the head, against AlexNet's two towers; 1024 maps of the last module meet 1000 classes
    with_head, alexnet = googlenet.SPECS["googlenet"].params, 60_965_224
    note = cards.work("googlenet").notes[0]
    for parameters in (with_head, with_head - 1025 * 1000):
        for words in (f"{parameters:,}", f"{alexnet / parameters:.1f} times"):
            assert words in note


def test_no_network_claims_an_ensembles_accuracy():
    assert all(result.top5 is None or result.top5 < 97.1 for rows in cards.RESULTS.values() for result in rows)
    assert max(result.top5 or 0 for result in cards.RESULTS["resnet152_paper"]) < 96.43


def test_an_unknown_name_is_explained():
    with pytest.raises(UnknownNameError, match=r"Did you mean .*'resnet50'"):
        kcnn.card("resnet5O")


def test_a_network_from_outside_has_figures_and_no_story(monkeypatch):
    outside = {"theirs": Entry("tests.models.test_cards:theirs", "from elsewhere", "elsewhere")}
    monkeypatch.setattr(MODELS, "_outside", outside)
    card = kcnn.card("theirs")
    assert card.work is None
    assert card.parameters == 3 * 3 * 3 * 2 + 2
    assert "not known" in card.notes[0]
    assert "published" not in str(card)


def theirs(name, *, image_shape=(8, 8, 3)):
    import keras

    class Odd(keras.layers.Layer):
        def call(self, x):
            return x[:, ::-1] + 1.0

    inputs = keras.Input(image_shape)
    return keras.Model(inputs, Odd(name="odd")(keras.layers.Conv2D(2, 3, name="conv")(inputs)), name=name)


def test_words_and_published_figures_need_no_keras():
    code = "import sys, kcnn.models.cards as cards; cards.work('resnet50'); print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
