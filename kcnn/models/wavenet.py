"""WaveNet: each sample predicted from those before it, by causal convolutions whose taps spread out.

Paper: van den Oord 2016 (1609.03499), sections 2.1 to 2.4, figures 3 and 4. Two taps a layer, dilation doubled from
1 to 512, then from 1 again; a cycle sees 1,024 samples (section 2.1).
The paper gives no widths; those here are ours. Input is one of 256 mu-law levels as one-hot (section 2.2), output
the logits of the next sample's level at every step.
Departures: the entry is a 1x1, so that a cycle sees exactly the paper's 1,024 samples; figure 4 draws a causal
convolution there whose taps it does not name. No global or local conditioning (section 2.5).
"""

from dataclasses import dataclass

import keras

from kcnn.models.common import SequenceShape, logits, sequence_input


@dataclass(frozen=True, kw_only=True)
class WaveNetSpec:
    """One row: dilations of a cycle, how often it repeats, and maps of the residual and the skip road."""

    dilations: tuple[int, ...]
    cycles: int = 1
    taps: int = 2
    residual: int = 32
    skip: int = 256
    source: str
    params: int  # trainable, 256 levels in and out


DOUBLING = tuple(2**power for power in range(10))  # 1, 2, 4, ..., 512

SPECS = {
    "wavenet": WaveNetSpec(dilations=DOUBLING, source="van den Oord 2016, section 2.1, one cycle", params=275_392),
    "wavenet_x3": WaveNetSpec(
        dilations=DOUBLING, cycles=3, source="van den Oord 2016, section 2.1, three cycles", params=548_672
    ),
    "tiny_wavenet": WaveNetSpec(
        dilations=(1, 2, 4, 8), residual=4, skip=8, source="van den Oord 2016, figure 3", params=3_912
    ),
}


def gated_unit(
    x: keras.KerasTensor, dilation: int, spec: WaveNetSpec, name: str, last: bool
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return (input + residual, skip) of tanh(filter) times sigmoid(gate) (equation 2, figure 4).

    Args:
        last: nothing follows, so the residual is the input as it was.
    """
    filtered, gate = (
        keras.layers.Conv1D(
            spec.residual, spec.taps, padding="causal", dilation_rate=dilation, activation=squash, name=f"{name}_{part}"
        )(x)
        for part, squash in (("filter", "tanh"), ("gate", "sigmoid"))
    )
    gated = keras.layers.Multiply(name=f"{name}_gated")([filtered, gate])
    skip = keras.layers.Conv1D(spec.skip, 1, name=f"{name}_skip")(gated)
    if not last:
        residual = keras.layers.Conv1D(spec.residual, 1, name=f"{name}_residual")(gated)
        x = keras.layers.Add(name=f"{name}_add")([x, residual])
    return x, skip


def features(inputs: keras.KerasTensor, spec: WaveNetSpec) -> dict[str, keras.KerasTensor]:
    """Return the sum of all skips as "C0": as long as the input, step t of it blind to what comes after t.

    Args:
        inputs: (N, length, channels) sequences.
        spec: a row of `SPECS`.
    """
    x = keras.layers.Conv1D(spec.residual, 1, name="entry")(inputs)
    dilations = spec.dilations * spec.cycles
    skips = []
    for index, dilation in enumerate(dilations, start=1):
        x, skip = gated_unit(x, dilation, spec, f"layer{index}", last=index == len(dilations))
        skips.append(skip)
    return {"C0": keras.layers.Add(name="skips")(skips)}


def build(name: str, *, num_classes: int = 256, image_shape: SequenceShape = (None, 256)) -> keras.Model:
    """Build a WaveNet.

    Args:
        name: a row of `SPECS`.
        num_classes: levels to choose from at each step.
        image_shape: (length, channels); length at least 1 step, or None.

    Returns: `keras.Model` from (N, length, channels) sequences to (N, length, num_classes) logits; those at step t
        tell of sample t + 1 and depend on samples up to t.

    Raises:
        ShapeError: another form.
        ConfigError: `num_classes` is not positive.
    """
    spec = SPECS[name]
    inputs = sequence_input(name, image_shape, minimum=1)
    x = keras.layers.ReLU(name="skips_relu")(features(inputs, spec)["C0"])
    x = keras.layers.Conv1D(spec.skip, 1, activation="relu", name="head")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)
