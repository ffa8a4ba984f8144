"""Convolution arithmetic against hand numbers and textbook figures."""

import ast
from pathlib import Path

import numpy as np
import pytest

from kcnn.errors import ConfigError, ShapeError
from kcnn.ops import arithmetic
from kcnn.ops.arithmetic import (
    Cost,
    Window,
    activation_bytes,
    connectivity,
    convolution,
    dense,
    depthwise,
    operations,
    output_shape,
    pooling,
    receptive_field,
    reduced,
    separable,
    toeplitz,
    windows,
)


def test_the_module_is_plain_python():
    tree = ast.parse(Path(arithmetic.__file__).read_text())
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {name.name for n in ast.walk(tree) if isinstance(n, ast.Import) for name in n.names}
    assert modules == {"math", "numbers", "operator", "collections.abc", "dataclasses", "typing", "kcnn.errors"}


# sizes


@pytest.mark.parametrize(
    ("size", "window", "output"),
    [
        (4, Window(3), 2),  # Dumoulin and Visin 2016 (1603.07285), figures 2.1, 2.3, 2.5 and 5.1
        (5, Window(3, padding=1), 5),
        (5, Window(3, stride=2), 2),
        (7, Window(3, dilation=2), 3),
        (32, Window(5, padding=2), 32),
        (6, Window(3), 4),
        (8, Window(3), 6),
        (5, Window(3, padding="full"), 7),  # n + k - 1
        (5, Window(4, padding="full"), 8),
        (5, Window(3, padding="even"), 5),
        (5, Window(4, padding="even"), 4),  # even kernels cannot keep the size evenly
        (5, Window(4, padding="same"), 5),
        (224, Window(7, stride=2, padding="same"), 112),
        (7, Window(3, stride=2, padding="same"), 4),
        (7, Window(3, dilation=3), 1),
        (5, Window(3, padding=(0, 1)), 4),
        (10, pooling(2), 5),
        (55, pooling(3, 2), 27),
        (9, pooling(3), 3),
    ],
)
def test_output_sizes(size, window, output):
    assert window.output(size) == output


def test_a_stride_that_does_not_fit_is_said():
    assert [Window(3, stride=s).fits(7) for s in (1, 2, 3)] == [True, True, False]  # (7 - 3) / s + 1: 5, 3, 2.33
    assert Window(3, stride=3).unused(7) == 1
    assert not Window(11, stride=4).fits(224)  # AlexNet on 224 pixels: 54.25
    assert Window(11, stride=4).fits(227)


def test_same_padding_puts_the_odd_zero_at_the_end():
    assert Window(3, stride=2, padding="same").pads(224) == (0, 1)
    assert Window(3, stride=2, padding="same").pads(225) == (1, 1)
    assert Window(4, padding="same").pads() == (1, 2)
    assert Window(3, padding="SAME").pads() == (1, 1)


def test_vgg_and_alexnet_shapes():
    sizes = [224]
    for _ in range(4):
        sizes.append(pooling().output(sizes[-1]))
    assert sizes == [224, 112, 56, 28, 14]
    size, alexnet = 227, []
    for window in (
        *(Window(11, 4), pooling(3, 2), Window(5, padding=2), pooling(3, 2)),
        *(Window(3, padding=1),) * 3,
        pooling(3, 2),
    ):
        size = window.output(size)
        alexnet.append(size)
    assert alexnet == [55, 27, 27, 13, 13, 13, 13, 6]


def test_two_axes_have_their_own_settings():
    assert output_shape((32, 32), 5, padding=2) == (32, 32)
    assert output_shape((10, 20), (3, 5), (1, 2), ("same", "valid")) == (10, 8)
    assert output_shape((10, 20), 3, padding=((0, 1), (1, 1)), dilation=(1, 2)) == (9, 18)
    assert output_shape((9,), 3, 2) == (4,)
    assert [axis.padding for axis in windows(2, 3, padding=(1, 2))] == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("size", "window", "output_padding", "output"),
    [
        (2, Window(3), None, 4),  # Dumoulin and Visin 2016, figures 4.1 to 4.7
        (5, Window(4, padding=2), None, 4),
        (5, Window(3, padding="even"), None, 5),
        (7, Window(3, padding="full"), None, 5),
        (2, Window(3, stride=2), None, 5),
        (3, Window(3, stride=2, padding=1), None, 5),
        (3, Window(3, stride=2, padding=1), 1, 6),
        (3, Window(3, stride=2, padding="same"), None, 6),
        (3, Window(2, stride=3), None, 9),  # Keras fills up to size * stride
        (3, Window(2, stride=3), 0, 8),
        (3, Window(3, dilation=2), None, 7),
    ],
)
def test_transposed_sizes(size, window, output_padding, output):
    assert window.transposed(size, output_padding) == output


# connections


def test_a_width_three_kernel_connects_three_outputs_and_three_inputs():
    matrix = connectivity(Window(3, padding=1), 5)
    assert sum(row[2] for row in matrix) == 3  # x3 reaches three outputs
    assert sum(matrix[2]) == 3  # s3 sees three inputs
    assert sum(map(sum, matrix)) == 13  # of 25 of a dense layer


def test_padding_lets_the_border_count():
    reached = [sum(column) for column in zip(*connectivity(Window(3), 6), strict=True)]
    padded = [sum(column) for column in zip(*connectivity(Window(3, padding="same"), 6), strict=True)]
    assert reached == [1, 2, 3, 3, 2, 1]
    assert padded == [2, 3, 3, 3, 3, 2]


def test_the_banded_matrix_shares_its_weights():
    assert toeplitz(Window(3), 5, "abc") == [["a", "b", "c", 0, 0], [0, "a", "b", "c", 0], [0, 0, "a", "b", "c"]]
    assert toeplitz(Window(2, dilation=2, stride=2), 5, [1, -1]) == [[1, 0, -1, 0, 0], [0, 0, 1, 0, -1]]
    with pytest.raises(ConfigError, match="2 weights for a kernel of 3"):
        toeplitz(Window(3), 5, [1, 2])


# receptive fields


def fields(*layers, size=None):
    return [reach.field for reach in receptive_field(layers, size)]


def test_receptive_fields_of_stacks():
    assert fields(*[Window(3)] * 5) == [3, 5, 7, 9, 11]
    assert fields(Window(3, 2), Window(3, 2)) == [3, 7]  # 3 + 2 * 2
    assert fields(*(Window(3, dilation=d) for d in (1, 2, 4, 8))) == [3, 7, 15, 31]
    assert [fields(Window(3, dilation=d)) for d in (1, 2, 3)] == [[3], [5], [7]]
    assert fields(*[Window(2, dilation=2**d) for d in range(10)])[-1] == 1024  # WaveNet (1609.03499), section 2.1
    assert fields(*[Window(3, padding="same")] * 3) == fields(*[Window(3)] * 3) == [3, 5, 7]  # padding adds nothing
    assert fields(Window(7)) == fields(*[Window(3)] * 3)[-1:]


ALEXNET = (
    *(Window(11, 4), pooling(3, 2), Window(5, padding=2), pooling(3, 2)),
    *(Window(3, padding=1),) * 3,
    pooling(3, 2),
)
VGG16 = tuple(window for repeats in (2, 2, 3, 3, 3) for window in (*(Window(3, padding="same"),) * repeats, pooling()))


def test_alexnet_and_vgg16_as_published():
    # Araujo 2019 (distill.pub/2019/computing-receptive-fields), table of its program
    assert receptive_field(ALEXNET)[-1].field == 195
    assert receptive_field(VGG16)[-1].field == 212
    assert receptive_field(VGG16)[-1].jump == 32


def test_jump_and_start():
    # 5 -> 3 -> 2 of Dang Ha The Hien's guide (2017), figure 1: start 0.5 and 0.5, jump 2 and 4, field 3 and 7
    rows = receptive_field([Window(3, 2, 1), Window(3, 2, 1)], size=5)
    assert [(row.field, row.jump, row.start) for row in rows] == [(3, 2, 0.5), (7, 4, 0.5)]
    assert [row.start for row in receptive_field([pooling(), pooling()])] == [1.0, 2.0]
    same = Window(3, 2, "same")
    assert [receptive_field([same], size)[0].start for size in (8, 9)] == [1.5, 0.5]
    with pytest.raises(ConfigError, match="give `size`"):
        receptive_field([same])
    with pytest.raises(ShapeError, match="spans 3 values"):
        receptive_field([Window(3)] * 3, 5)


# costs


def test_fully_connected_explosion():
    assert dense(64 * 64, 500, bias=False).weights == 2_048_000
    assert dense(64 * 64 * 3, 500, bias=False).weights == 6_144_000
    assert dense(512 * 512, 1000, bias=False).weights == 262_144_000
    assert dense(400, 120) == Cost(weights=48_000, biases=120, macs=48_000)


def test_ten_filters_of_five_by_five():
    assert output_shape((32, 32), 5, padding=2) == (32, 32)
    assert convolution((32, 32), 5, 3, 1).params == 76
    assert convolution((32, 32), 5, 3, 10).params == 760


def test_nine_multiplications_and_eight_additions():
    assert operations(3) == (9, 8)
    assert operations(3, channels=3) == (27, 26)
    assert operations((3, 5)) == (15, 14)


def test_one_by_one_reduction():
    full, cheap = convolution((28, 28), 5, 192, 32), reduced((28, 28), 5, 192, 16, 32)
    assert full.macs == 120_422_400
    assert cheap.macs == 12_443_648
    assert round(full.macs / cheap.macs, 2) == 9.68


def test_naive_inception():
    def module(branches):
        return sum((branch.macs for branch in branches), 0)

    size = (28, 28)
    naive = [convolution(size, kernel, 256, filters) for kernel, filters in ((1, 128), (3, 192), (5, 96))]
    assert module(naive) == 854_196_224
    narrow = [naive[0], reduced(size, 3, 256, 64, 192), reduced(size, 5, 256, 64, 96), convolution(size, 1, 256, 64)]
    assert module(narrow) == 271_351_808


def test_depthwise_separable():
    def ratio(filters):
        arguments = ((10, 10), 3, 32, filters)
        return convolution(*arguments, bias=False).macs / separable(*arguments, bias=False).macs

    assert separable((10, 10), 3, 32, 64, bias=False).weights == 9 * 32 + 32 * 64
    assert [round(ratio(filters), 1) for filters in (32, 1024)] == [7.0, 8.9]
    assert depthwise((4, 4), 3, 8, multiplier=2) == Cost(weights=144, biases=16, macs=16 * 144)


def test_three_small_kernels_are_cheaper_than_one_large():
    three, one = 3 * convolution((1, 1), 3, 64, 64, bias=False).weights, convolution((1, 1), 7, 64, 64, bias=False)
    assert (three, one.weights) == (27 * 64**2, 49 * 64**2)
    assert round(three / one.weights, 3) == 0.551


def test_dilation_costs_no_parameter():
    for window in (Window(3, dilation=d) for d in (1, 2, 3)):
        assert convolution((1, 1), window.kernel, 8, 8).params == 9 * 64 + 8


def test_groups_divide_the_weights():
    assert convolution((27, 27), 5, 96, 256, groups=2).params == 5 * 5 * 48 * 256 + 256
    with pytest.raises(ConfigError, match="must divide channels"):
        convolution((1, 1), 3, 9, 8, groups=2)


def test_vgg16_memory_and_parameters():
    # Simonyan and Zisserman 2014 (1409.1556), table 1 D: 138 M parameters, 15.5 G multiply-adds
    size, channels, memory, cost = 224, 3, activation_bytes((224, 224, 3)), Cost(weights=0, biases=0, macs=0)
    for filters, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            cost += convolution((size, size), 3, channels, filters)
            channels = filters
            memory += activation_bytes((size, size, channels))
        size = pooling().output(size)
        memory += activation_bytes((size, size, channels))
    head = dense(size * size * channels, 4096) + dense(4096, 4096) + dense(4096, 1000)
    memory += activation_bytes((4096 + 4096 + 1000,))
    assert memory == 4 * 15_237_608  # 61.0 MB; lecture notes that say 96 MB count otherwise
    assert (cost + head).params == 138_357_544
    assert round(head.params / 1e6, 1) == 123.6
    assert round((cost + head).macs / 1e9, 2) == 15.47


# bad settings


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": 0}, "kernel is 0 but must be a whole number of at least 1"),
        ({"kernel": 2.5}, "kernel is 2.5"),
        ({"kernel": True}, "kernel is True"),
        ({"kernel": 3, "stride": -1}, "stride is -1"),
        ({"kernel": 3, "dilation": "2"}, "dilation is '2'"),
        ({"kernel": 3, "padding": -1}, "padding is -1 but must be a whole number of at least 0"),
        ({"kernel": 3, "padding": 0.5}, "padding is 0.5"),
        ({"kernel": 3, "padding": "reflect"}, "padding is 'reflect' but must be"),
        ({"kernel": 3, "padding": (1, 2, 3)}, "two numbers"),
        ({"kernel": 3, "padding": None}, "padding is None"),
    ],
)
def test_settings_that_cannot_work(arguments, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        Window(**arguments)


def test_sizes_that_cannot_work():
    with pytest.raises(ShapeError, match="spans 5 values, but the padded input has 4") as caught:
        Window(3, dilation=2).output(4)
    assert caught.value.actual == 4
    with pytest.raises(ConfigError, match="size is 0"):
        Window(3, padding="same").output(0)
    with pytest.raises(ConfigError, match=r"size is 4\.0"):
        Window(3).output(4.0)
    with pytest.raises(ShapeError, match="gives 0 values"):
        Window(2, padding=1).transposed(1)
    with pytest.raises(ConfigError, match="output_padding is 2 but must be below the stride"):
        Window(3, 2).transposed(4, 2)
    with pytest.raises(ConfigError, match="must be one setting for all or 2"):
        output_shape((5, 5), (3, 3, 3))
    with pytest.raises(ConfigError, match="shape is -1"):
        activation_bytes((4, -1))


def test_numpy_integers_are_whole():
    assert Window(np.int64(3)).output(np.int32(5)) == 3
