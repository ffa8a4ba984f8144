"""LeNet-5's output by distance, and the scaled tanh before it."""

import random
from typing import Any

import keras
import numpy as np
from keras import ops

from kcnn.errors import ShapeError
from kcnn.layers import checks

# The digits 0..9, side by side, 7 columns and 12 rows each: own drawings in the manner of LeCun 1998, figure 3.
DIGITS = """
.#####. ...#... .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
##...## ..##... ##...## ##...## ...###. ##..... .##.... .....## ##...## ##...##
##...## .###... .....## .....## ..#.##. ##..... ##..... ....##. ##...## ##...##
##...## ...#... .....## .....## .##.##. ##..... ##..... ....##. ##...## ##...##
##...## ...#... ....##. ...###. ##..##. ######. ######. ...##.. .#####. ##...##
##...## ...#... ...##.. ...###. ##..##. .....## ##...## ...##.. .#####. .######
##...## ...#... ..##... .....## ####### .....## ##...## ..##... ##...## .....##
##...## ...#... .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...#... ##..... ##...## ....##. ##...## ##...## .##.... ##...## ....##.
##...## ...#... ##..... ##...## ....##. ##...## ##...## .##.... ##...## ....##.
.#####. .#####. ####### .#####. ....##. .#####. .#####. .##.... .#####. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


@keras.saving.register_keras_serializable(package="kcnn")
def scaled_tanh(x: Any) -> Any:
    """Return 1.7159 tanh(2 x / 3) (LeCun 1998, section II-B and appendix A): f(1) = 1 and f(-1) = -1."""
    return 1.7159 * ops.tanh(x * (2 / 3))


@keras.saving.register_keras_serializable(package="kcnn")
class RadialBasisOutput(keras.layers.Layer):
    """Minus the squared distance to one fixed code a class (LeCun 1998, section II-B, equation 7).

    The paper's class is the one of least distance, hence the sign: the outputs are logits, and their cross-entropy is
    the paper's discriminative criterion (equation 9) without its rubbish class.

    Args:
        units: number of classes.

    Input: (N, features). Output: (N, units), 0 or less.
    Weights: "centres" (units, features), not trainable, of -1 and 1: see `codes`.

    Raises:
        ConfigError: `units` is not a positive whole number.
        ShapeError: the input is not (N, features).

    Example:
        >>> RadialBasisOutput(10)(keras.ops.array(codes(10, 84))).numpy()[3].argmax().item()
        3
    """

    def __init__(self, units: int, **options: Any):
        super().__init__(**options)
        self.units = checks.whole(self.name, "units", units)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the fixed codes."""
        if len(input_shape) != 2 or not input_shape[1]:
            raise ShapeError(
                f"{self.name}: the input has shape {input_shape} but must be (N, features); flatten it first.",
                expected="(N, features)",
                actual=input_shape,
            )
        shape = (self.units, input_shape[1])
        self.centres = self.add_weight(name="centres", shape=shape, trainable=False, initializer=_coded)

    def call(self, inputs: Any) -> Any:
        """Return minus the squared distances."""
        return -ops.sum(ops.square(ops.expand_dims(inputs, 1) - self.centres), axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (N, units)."""
        return input_shape[0], self.units

    def multiply_adds(self, inputs: tuple[int, ...], output: tuple[int, ...]) -> int:
        """Return the multiply-adds for one image."""
        return self.units * inputs[1]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return super().get_config() | {"units": self.units}


def codes(units: int, features: int) -> np.ndarray:
    """Return (units, features) float32 codes of -1 and 1, the same at every call.

    For up to ten classes of 84 features they are drawings of the digits, 12 rows of 7; else drawn by lot, which the
    paper names as the other choice.
    """
    if units <= 10 and features == 84:
        rows = [line.split() for line in DIGITS.split("\n") if line]
        drawings = [list("".join(row[digit] for row in rows)) for digit in range(units)]
        return np.where(np.array(drawings) == "#", 1.0, -1.0).astype("float32")
    bits = random.Random(84)
    return np.array([[bits.getrandbits(1) * 2 - 1 for _ in range(features)] for _ in range(units)], "float32")


def _coded(shape: tuple[int, int], dtype: Any = None) -> Any:
    return ops.convert_to_tensor(codes(*shape), dtype)
