"""Local response normalisation."""

from typing import Any

import keras
from keras import ops

from kcnn.errors import ConfigError
from kcnn.layers import checks


@keras.saving.register_keras_serializable(package="kcnn")
class LocalResponseNormalization(keras.layers.Layer):
    """Divide each value by the energy of its neighbours in other maps (Krizhevsky 2012, section 3.3).

    y[c] = x[c] / (bias + alpha * sum of x[j]**2 over |j - c| <= depth_radius) ** beta

    The defaults are the paper's n = 5, k = 2, alpha = 1e-4, beta = 0.75. Caffe and PyTorch divide alpha by n; give
    alpha / n to repeat theirs. The sum is taken in float32 under every dtype policy. Without weights.

    Args:
        depth_radius: maps looked at on either side, n/2 of the paper, rounded down; 0 or more.
        bias: k of the paper, above 0.
        alpha: 0 or more.
        beta: any number.

    Input and output: (N, H, W, C) maps; H and W may be open.

    Raises:
        ConfigError: an argument outside its range.
        ShapeError: the input is not (N, H, W, C).

    Example:
        >>> layer = LocalResponseNormalization(depth_radius=1, bias=1.0, alpha=1.0, beta=1.0)
        >>> layer(keras.ops.array([[[[1.0, 2.0, 3.0]]]])).numpy().tolist()   # 1/6, 2/15, 3/14
        [[[[0.1666666716337204, 0.13333334028720856, 0.2142857164144516]]]]
    """

    def __init__(
        self, depth_radius: int = 2, bias: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **options: Any
    ):
        super().__init__(**options)
        self.depth_radius = checks.whole(self.name, "depth_radius", depth_radius, least=0)
        if not bias > 0 or not alpha >= 0:
            raise ConfigError(
                f"{self.name}: bias is {bias} and alpha {alpha} but bias must be above 0 and alpha at least 0, "
                "or the denominator can vanish."
            )
        self.bias, self.alpha, self.beta = float(bias), float(alpha), float(beta)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check the shape; there are no weights."""
        checks.maps(self.name, input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the normalised maps."""
        x = ops.cast(inputs, "float32")
        channels = x.shape[-1]
        border = [[0, 0]] * 3 + [[self.depth_radius] * 2]
        squares = ops.pad(ops.square(x), border)
        energy = squares[..., :channels]
        for shift in range(1, 2 * self.depth_radius + 1):
            energy = energy + squares[..., shift : shift + channels]
        return ops.cast(x * inverse_power(self.bias + self.alpha * energy, self.beta), inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        own = {"depth_radius": self.depth_radius, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return super().get_config() | own


def inverse_power(x: Any, beta: float) -> Any:
    """Return x ** -beta; 3/4 by square roots, which LiteRT computes twenty times faster than a power."""
    if beta != 0.75:
        return ops.power(x, -beta)
    root = ops.rsqrt(x)
    return root * ops.sqrt(root)
