"""A convolutional classifier of sequences: what a 2-D network does, along one axis.

Paper: Wang 2016 (1611.06455), section II-B and figure 1b, the fully convolutional network for time series.
Departures: no bias before batch normalisation, which would take it away again.
"""

from dataclasses import dataclass

import keras

from kcnn.models.common import SequenceShape, batch_norm, logits, relu, sequence_input


@dataclass(frozen=True, kw_only=True)
class ConvNet1DSpec:
    """One row: (maps, taps) of each convolution."""

    convolutions: tuple[tuple[int, int], ...]
    source: str
    params: int  # trainable, 10 classes, one channel


SPECS = {
    "convnet1d": ConvNet1DSpec(
        convolutions=((128, 8), (256, 5), (128, 3)), source="Wang 2016, section II-B", params=265_482
    ),
    "tiny_convnet1d": ConvNet1DSpec(convolutions=((8, 8), (16, 3)), source="kcnn, for tests", params=666),
}


def features(inputs: keras.KerasTensor, spec: ConvNet1DSpec) -> dict[str, keras.KerasTensor]:
    """Return the last maps as "C0": every convolution keeps the length.

    Args:
        inputs: (N, length, channels) sequences.
        spec: a row of `SPECS`.
    """
    x = inputs
    for index, (maps, taps) in enumerate(spec.convolutions, start=1):
        name = f"conv{index}"
        x = keras.layers.Conv1D(maps, taps, padding="same", use_bias=False, kernel_initializer="he_uniform", name=name)(
            x
        )
        x = relu(batch_norm(x, name), name)
    return {"C0": x}


def build(name: str, *, num_classes: int = 10, image_shape: SequenceShape = (None, 1)) -> keras.Model:
    """Build a classifier of sequences.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (length, channels); length at least 8 steps, or None.

    Returns: `keras.Model` from (N, length, channels) sequences, of mean 0 and variance 1 in the paper, to
        (N, num_classes) logits.

    Raises:
        ShapeError: another form, or below 8 steps.
        ConfigError: `num_classes` is not positive.
    """
    inputs = sequence_input(name, image_shape, minimum=8)
    x = keras.layers.GlobalAveragePooling1D(name="pool")(features(inputs, SPECS[name])["C0"])
    return keras.Model(inputs, logits(x, name, num_classes), name=name)
