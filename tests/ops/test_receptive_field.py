"""Receptive fields against published values and hand arithmetic."""

import keras
import pytest
from keras import layers

import kcnn
from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.layers import (
    BedOfNailsUnpooling,
    LocalResponseNormalization,
    MaxPoolingWithPositions,
    MaxUnpooling,
    SparseConv2D,
    SpatialPyramidPooling,
    TrainableSubsampling,
)
from kcnn.models import MODELS
from kcnn.models.cards import usual_shape
from kcnn.ops import cost, field_rules, graph
from kcnn.ops.arithmetic import Window, pooling, receptive_field
from kcnn.ops.receptive_field import ledger, unit_box


def row_of(model, name, image_size=None):
    return next(row for row in ledger(model, image_size) if row.name == name)


def chain(*stack, shape=(None, None, 1)):
    return keras.Sequential([keras.Input(shape), *stack])


def last(*stack, shape=(None, None, 1)):
    return ledger(chain(*stack, shape=shape))[-1]


# published values: Araujo 2019 (distill.pub/2019/computing-receptive-fields), table of its program

PUBLISHED = {
    "ResNet50": ("conv5_block3_out", 483),
    "ResNet101": ("conv5_block23_out", 1027),
    "ResNet152": ("conv5_block3_out", 1507),
    "InceptionV3": ("mixed10", 1311),
    "MobileNet": ("conv_pw_13_relu", 315),
    "VGG16": ("block5_pool", 212),
}


QUICK = ("VGG16", "MobileNet")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in PUBLISHED])
def test_published_fields(name):
    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(None, None, 3))
    row = ledger(model)[-1]
    assert (row.size, row.stride) == ((PUBLISHED[name][1],) * 2, (32, 32))
    assert not row.global_context


def test_alexnet_pool5():
    conv, pool = layers.Conv2D, layers.MaxPooling2D
    stack = [conv(2, 11, 4), pool(3, 2), conv(2, 5, padding="same"), pool(3, 2)]
    stack += [conv(2, 3, padding="same") for _ in range(3)]
    row = last(*stack, pool(3, 2), shape=(227, 227, 3))
    assert (row.size, row.stride, row.start) == ((195, 195), (32, 32), (33.5, 33.5))


def resnet50(stride_on):
    """Windows of ResNet-50 behind its first convolution, by He 2015 (1512.03385), table 1."""
    windows = [Window(7, 2), pooling(3, 2)]
    for stage, repeats in enumerate((3, 4, 6, 3)):
        for block in range(repeats):
            strides = dict.fromkeys(("conv1x1", "conv3x3"), 1) | {stride_on: 2 if stage and not block else 1}
            windows += [Window(1, strides["conv1x1"]), Window(3, strides["conv3x3"]), Window(1)]
    return receptive_field(windows)[-1]


def test_resnet50_depends_on_where_the_stride_is():
    assert resnet50("conv1x1").field == 483  # the paper's place, and keras.applications'
    assert resnet50("conv3x3").field == 427  # 8 + 16 + 32 less: torchvision's place


# single rules


def test_the_fields_of_stacks():
    def conv(dilation=1):
        return layers.Conv2D(1, 3, padding="same", dilation_rate=dilation)

    assert [row.size for row in ledger(chain(*(conv() for _ in range(5))))] == [(n, n) for n in (3, 5, 7, 9, 11)]
    assert [row.size[0] for row in ledger(chain(*(conv(d) for d in (1, 2, 4, 8))))] == [3, 7, 15, 31]
    assert last(layers.Conv2D(1, 3, 2), layers.Conv2D(1, 3, 2)).size == (7, 7)


def test_axes_differ():
    row = last(layers.Conv2D(1, (3, 5), (1, 2)), layers.AveragePooling2D((2, 1)))
    assert (row.size, row.stride, row.start) == ((4, 5), (2, 2), (2.0, 2.5))


def test_wavenet_sees_1024_samples_of_the_past():
    # van den Oord 2016 (1609.03499), section 2.1: dilations 1, 2, 4, ..., 512
    stack = [layers.Conv1D(1, 2, padding="causal", dilation_rate=2**d) for d in range(10)]
    model = chain(*stack, shape=(None, 1))
    assert ledger(model)[-1].size == (1024,)
    assert unit_box(model, 9, (2000,)) == (977, 2001)


def test_upsampling_alternates():
    model = chain(layers.Conv2D(1, 3, padding="same"), layers.UpSampling2D(2), layers.Conv2D(1, 3, padding="same"))
    assert [row.size[0] for row in ledger(model)] == [3, 3, 4]
    assert [row.stride[0] for row in ledger(model)] == [1, 0.5, 0.5]
    assert unit_box(model, 2, (4, 5)) == (0, 1, 4, 5)  # conv units 1..2 and 2..3


def test_a_u_shape_returns_to_stride_one():
    inputs = keras.Input((None, None, 1))
    low = layers.Conv2D(1, 3, padding="same")(layers.MaxPooling2D()(inputs))
    up = layers.Conv2DTranspose(1, 2, 2)(low)
    model = keras.Model(inputs, layers.Concatenate()([inputs, up]))
    row = ledger(model)[-1]
    assert (row.size, row.stride) == ((6, 6), (1, 1))  # 3 pooled units of 2 pixels
    assert unit_box(model, row.name, (6, 7)) == (4, 4, 10, 10)


def test_branches_take_the_larger():
    inputs = keras.Input((32, 32, 1))
    small, large = (layers.Conv2D(1, size, padding="same")(inputs) for size in (3, 7))
    assert ledger(keras.Model(inputs, layers.Add()([small, large])))[-1].size == (7, 7)


def test_what_is_global():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3)(inputs)
    flat = layers.Dense(5)(layers.Flatten()(x))
    pooled = layers.Dense(5)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Add()([flat, pooled]))
    rows = ledger(model)
    assert [row.size for row in rows if row.kind in ("Flatten", "Dense", "GlobalAveragePooling2D", "Add")] == [None] * 5
    assert unit_box(model, len(rows) - 1, ()) == (0, 0, 16, 16)


@pytest.mark.parametrize("head", [layers.Flatten, layers.GlobalAveragePooling2D])
def test_a_global_unit_reaches_what_layers_before_read(head):
    model = chain(layers.MaxPooling2D(), head(), layers.Dense(2), shape=(9, 7, 1))
    assert unit_box(model, 2, ()) == (0, 0, 9, 7)
    assert unit_box(model, 2, (), inside=True) == (0, 0, 8, 6)  # pooling leaves out the odd row and column


def test_a_squeeze_excite_gate_is_context():
    inputs = keras.Input((None, None, 4))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    gate = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    model = keras.Model(inputs, layers.Conv2D(1, 3, name="out")(layers.Multiply(name="gated")([x, gate])))
    assert [row_of(model, name).global_context for name in ("conv", "gated", "out")] == [False, True, True]
    assert row_of(model, "out").size == (5, 5)
    assert unit_box(model, "out", (3, 3)) == (2, 2, 7, 7)
    assert unit_box(model, "out", (3, 3), image_size=(20, 30), inside=True) == (0, 0, 20, 30)


def test_normalisation_over_the_map_is_context():
    assert last(layers.Conv2D(4, 3), layers.GroupNormalization(2)).global_context
    assert last(layers.Conv2D(4, 3), layers.LayerNormalization(axis=(1, 2, 3)), shape=(8, 8, 1)).global_context
    assert not last(layers.Conv2D(4, 3), layers.LayerNormalization()).global_context
    assert not last(layers.Conv2D(4, 3), layers.BatchNormalization()).global_context


def test_ledgers_agree_on_names_and_order():
    inside = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same", name="conv")], name="inside")
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Add()([inputs, inside(inside(inputs))]))
    fields = ledger(model)
    assert [(row.name, row.kind) for row in fields] == [(row.name, row.kind) for row in cost.ledger(model)]
    assert [row.size[0] for row in fields] == [3, 5, 5]  # a shared nested model, twice


@pytest.mark.parametrize("name", [name for name in MODELS.names() if name.startswith("tiny_")])
def test_every_family_has_fields(name):
    model = kcnn.build(name, image_shape=usual_shape(name))  # what enlarges maps to the image needs its size
    assert [row.name for row in ledger(model)] == [call.name for call in graph.calls(model)]


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("lenet5", "s4", 16),  # 5, 6, then 6 + 4 * 2 = 14, 14 + 2
        ("resnet50_paper", "stage5_block3_relu", 483),
        ("resnet50", "stage5_block3_relu", 427),
        ("mobilenet_v1", "block13_pointwise_relu", 315),
    ],
)
def test_own_networks_as_published(name, layer, size):
    assert row_of(kcnn.build(name), layer).size == (size, size)


def test_own_layers():
    def through(*stack):
        return last(*stack, shape=(None, None, 2)).size

    assert through(SparseConv2D([[0], [0, 1]], 3), TrainableSubsampling(2)) == (4, 4)
    assert through(SparseConv2D([[0], [0, 1]], 3), LocalResponseNormalization()) == (3, 3)
    assert last(SpatialPyramidPooling([2, 1]), shape=(None, None, 2)).size is None
    model = chain(TrainableSubsampling(3), BedOfNailsUnpooling(2), shape=(12, 12, 1))
    assert [unit_box(model, 1, unit) for unit in ((0, 2), (0, 1))] == [(0, 3, 3, 6), None]


def test_max_unpooling_sees_the_whole_pooling_window():
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, MaxUnpooling(2)(MaxPoolingWithPositions(2)(inputs)))
    assert unit_box(model, 1, (3, 4)) == unit_box(model, 1, (3, 4), inside=True) == (2, 4, 4, 6)


# sizes that are open


def test_same_padding_at_an_open_size():
    odd = layers.Conv2D(1, 3, 2, padding="same")
    assert last(odd).start == (None, None)  # 1.5 on even sizes, 0.5 on odd ones
    assert [ledger(chain(odd), (n, n))[0].start for n in (8, 9)] == [(1.5, 1.5), (0.5, 0.5)]
    assert last(layers.MaxPooling2D(2, padding="same")).start == (1.0, 1.0)  # never a zero in front
    model = chain(odd)
    with pytest.raises(ShapeError, match="give image_size"):
        unit_box(model, 0, (2, 2))
    assert unit_box(model, 0, (2, 2), image_size=(8, 9)) == (4, 3, 7, 6)


def test_branches_whose_offset_depends_on_the_size_give_the_largest_field():
    inputs = keras.Input((None, None, 1))
    twice = layers.Conv2D(1, 3, 2, padding="same")(layers.Conv2D(1, 3, 2, padding="same")(inputs))
    model = keras.Model(inputs, layers.Add()([twice, layers.Conv2D(1, 8, 4, padding="same")(inputs)]))
    # boxes 0..7 and -2..6 at 32 pixels; -3..4 and -3..5, -2..5 and -3..5, -1..6 and -2..6 at 33, 34, 35
    assert [ledger(model, (n, n))[-1].size[0] for n in range(32, 36)] == [9, 8, 8, 8]
    assert ledger(model)[-1].size == (9, 9)


# the boxes of units


def test_a_unit_in_the_padding_sees_nothing():
    model = chain(layers.GroupNormalization(1), layers.ZeroPadding2D(2), shape=(8, 8, 1))
    assert unit_box(model, 1, (0, 5), inside=True) is None
    assert unit_box(model, 1, (3, 5), inside=True) == (0, 0, 8, 8)


def test_a_box_may_reach_outside():
    model = chain(layers.Conv2D(1, 3, padding="same"), layers.Conv2D(1, 3, padding="same"), shape=(8, 8, 1))
    assert unit_box(model, 1, (0, 4)) == (-2, 2, 3, 7)
    assert unit_box(model, 1, (0, 4), inside=True) == (0, 2, 3, 7)


def test_a_unit_between_nails_sees_nothing():
    class Nails(layers.Layer):
        def call(self, x):
            return x

    field_rules.add_rule(Nails, lambda call, sizes: tuple(field_rules.nailed(size, 2) for size in sizes))
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, Nails()(inputs))
    assert unit_box(model, 0, (2, 4)) == (1, 2, 2, 3)
    assert unit_box(model, 0, (2, 5)) is None
    assert unit_box(model, 0, (2, 5), inside=True) is None


# refusals


def test_unknown_layers_are_named():
    class Mystery(layers.Layer):
        def call(self, x):
            return x

    with pytest.raises(ConfigError, match=r"layer 'odd' is a tests?\S*Mystery|layer 'odd' is a \S*\.Mystery"):
        last(Mystery(name="odd"))
    field_rules.add_rule(Mystery, lambda call, sizes: field_rules.Effect.POINTWISE)
    assert last(layers.Conv2D(1, 3), Mystery()).size == (3, 3)


def test_a_subclass_is_not_taken_for_its_parent():
    class Conv2D(layers.Conv2D):
        pass

    with pytest.raises(ConfigError, match="not known"):
        last(Conv2D(1, 3))


def test_settings_without_a_rule_are_refused():
    inputs = keras.Input((8, 8, 2))
    with pytest.raises(ConfigError, match="channels first"):
        ledger(keras.Model(inputs, layers.ZeroPadding2D(data_format="channels_first")(inputs)))
    with pytest.raises(ConfigError, match="stacked along the channels"):
        ledger(keras.Model(inputs, layers.Concatenate(axis=1)([inputs, inputs])))
    halves = [layers.ZeroPadding2D(((0, 4), (0, 4)))(layers.AveragePooling2D(2)(inputs)), inputs]
    with pytest.raises(ConfigError, match=r"'joined' joins branches of strides \(2, 2\) and \(1, 1\)"):
        ledger(keras.Model(inputs, layers.Add(name="joined")(halves)))
    with pytest.raises(ConfigError, match="interpolation 'area'"):
        last(layers.Resizing(5, 5, "area"))
    with pytest.raises(ConfigError, match="plain resizing"):
        last(layers.Resizing(5, 5, antialias=True))
    with pytest.raises(ConfigError, match="keep height and width"):
        ledger(keras.Model(inputs, layers.Reshape((4, 16, 2))(inputs)))
    with pytest.raises(ConfigError, match="no larger than the map"):
        ledger(keras.Model(inputs, layers.CenterCrop(9, 4)(inputs)))


def test_units_and_layers_that_are_not_there():
    model = chain(layers.Conv2D(1, 3, name="conv"), shape=(8, 8, 1))
    with pytest.raises(UnknownNameError, match="Did you mean 'conv'"):
        unit_box(model, "conf", (0, 0))
    for unit in ((6, 0), (0, -1), (1,)):
        with pytest.raises(ShapeError, match="is not on the map of layer 'conv'"):
            unit_box(model, "conv", unit)
    with pytest.raises(ConfigError, match="rows 0 to 0"):
        unit_box(model, 1, (0, 0))
    with pytest.raises(ShapeError, match=r"image_size is \(9, 9\) but"):
        ledger(model, (9, 9))
    shared = layers.Conv2D(1, 3, name="twice")
    with pytest.raises(ConfigError, match=r"called 2 times; give one of the row numbers \[0, 1\]"):
        unit_box(chain(shared, shared), "twice", (0, 0))


def test_models_that_have_no_image():
    with pytest.raises(ShapeError, match="need images of one size"):
        ledger(chain(layers.Dense(2), shape=(7,)))
    two = [keras.Input((8, 8, 1)), keras.Input((4, 4, 1))]
    with pytest.raises(ShapeError, match="need images of one size"):
        ledger(keras.Model(two, layers.Concatenate()([layers.Flatten()(each) for each in two])))
    with pytest.raises(ShapeError, match="no known input shape"):
        ledger(keras.Sequential([layers.Dense(2)]))
