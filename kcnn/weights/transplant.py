"""Copy the weights of another library's network into ours.

A family's table says how the other library calls each of our layers. Every weight of ours must be found and every
weight of theirs used, or nothing is copied and the error names what is left.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import keras
import numpy as np

from kcnn.errors import WeightsError

Rule = tuple[str, str | Callable[[re.Match[str]], str]]
MOST_NAMED = 5  # names in an error message


@dataclass(frozen=True)
class Table:
    """What another library calls our layers.

    Attributes:
        rules: (pattern, replacement), as for `re.sub` over the whole name; the first that matches decides. A
            pattern with a slash is tried on "layer/variable" and gives a full name of theirs; others are tried on
            the layer's name and give theirs. A name without a rule is the same in both libraries. A PyTorch layer
            that is two of ours, "conv[0:64]" and "conv[64:96]", is shared out by its input maps.
        ignore: pattern of their weights that our network does without, such as auxiliary heads.
        mark: what the file's or repository's name must contain, where a network that computes something else has the
            same names inside.
        spec: fields of our row that must be replaced for our network to compute what theirs does, such as padding.
    """

    rules: Sequence[Rule]
    ignore: str = r"(?!)"
    mark: str = ""
    spec: Mapping[str, object] = field(default_factory=dict)


class Weights(Protocol):
    """Weights of another library, by its own names."""

    def read(self, layer: keras.layers.Layer, name: str, variable: str, full: bool) -> np.ndarray | None:
        """Return `variable` ("kernel", "gamma") of their layer `name` in Keras' axis order, or None.

        Args:
            layer: ours, which tells what the axes are.
            full: `name` is the weight's whole name, not its layer's.
        """

    def names(self) -> Iterable[str]:
        """Every name that must be used, or be ignored by the table."""

    def arrays(self) -> Iterable[np.ndarray]:
        """Every array."""

    def spelled(self, name: str, variable: str, full: bool) -> str:
        """Return the name under which `names` lists that weight."""


def transplant(model: keras.Model, weights: Weights, table: Table, *, head: bool = True) -> None:
    """Set every weight of `model` from `weights`.

    A bias that theirs has on a convolution before batch normalisation, and ours has not, goes into the moving mean.

    Args:
        model: ours; layers called "X_bn" normalise what "X" gives.
        head: False leaves the layer "logits" as it is, for another number of classes.

    Raises:
        WeightsError: a weight is missing, has another shape, or is left over. `model` is unchanged.
    """
    found, used = collect(model, weights, table, head)
    fold_biases(model, weights, table, found, used)
    left = sorted(name for name in weights.names() if name not in used and not re.search(table.ignore, name))
    if left:
        raise WeightsError(f"{model.name}: {len(left)} weights of the file have no place: {few(left)}. {OTHER_NETWORK}")
    for layer in weighted_layers(model):
        for variable in layer.weights:
            if (key := f"{layer.name}/{short(variable)}") in found:
                variable.assign(found[key])


def collect(model: keras.Model, weights: Weights, table: Table, head: bool) -> tuple[dict[str, np.ndarray], set[str]]:
    """Return "layer/variable" of ours -> values, and the names of theirs that these have.

    Raises:
        WeightsError: a weight is missing, has another shape, or is not finite.
    """
    found, used, missing = {}, set(), []
    for layer in weighted_layers(model):
        for variable in map(short, layer.weights):
            name, full = rename(layer.name, variable, table)
            used.add(weights.spelled(name, variable, full))
            if layer.name == "logits" and not head:
                continue
            key, values = f"{layer.name}/{variable}", weights.read(layer, name, variable, full)
            if values is None:
                missing.append(f"{key} (theirs: {name})")
            else:
                shape = next(tuple(weight.shape) for weight in layer.weights if short(weight) == variable)
                found[key] = fitted(values, shape, key, name)
    if missing:
        raise WeightsError(f"{model.name}: {len(missing)} weights are not in the file: {few(missing)}. {OTHER_NETWORK}")
    return found, used


def fold_biases(
    model: keras.Model, weights: Weights, table: Table, found: dict[str, np.ndarray], used: set[str]
) -> None:
    """Subtract a bias that only theirs has from the moving mean of the normalisation that follows."""
    for layer in weighted_layers(model):
        norm, (name, full) = f"{layer.name}_bn/moving_mean", rename(layer.name, "bias", table)
        if norm not in found or f"{layer.name}/bias" in found or full:
            continue
        bias = weights.read(layer, name, "bias", full)
        if bias is not None:
            found[norm] = found[norm] - bias
            used.add(weights.spelled(name, "bias", full))


OTHER_NETWORK = "The file is of another network or variant; `kcnn list models` names those there are."


def weighted_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers that hold weights."""
    return [layer for layer in model.layers if layer.weights]


def short(variable: keras.Variable) -> str:
    """Return the last part of a variable's path: "kernel"; "variable" where Keras numbered it for want of a name."""
    return re.sub(r"^variable_\d+$", "variable", variable.path.rpartition("/")[2])


def rename(layer: str, variable: str, table: Table) -> tuple[str, bool]:
    """Return (their name, whether it is a weight's whole name) for one of our weights."""
    for pattern, replacement in table.rules:
        subject = f"{layer}/{variable}" if "/" in pattern else layer
        if match := re.fullmatch(pattern, subject):
            return (replacement(match) if callable(replacement) else match.expand(replacement)), "/" in pattern
    return layer, False


def fitted(values: np.ndarray, shape: tuple[int, ...], key: str, name: str) -> np.ndarray:
    """Return `values` in `shape`; axes of length 1 may differ, as between a dense layer and a 1x1 convolution.

    Raises:
        WeightsError: the shapes differ in more than that, or the numbers are no weights.
    """
    if not np.isfinite(values).all():
        raise WeightsError(f"{name!r} of the file holds NaN or infinite numbers; it is damaged. Download it again.")
    if values.dtype.kind != "f":
        raise WeightsError(f"{name!r} of the file holds {values.dtype} but weights are floating-point numbers.")
    if key.endswith("moving_variance") and values.min() < 0:
        raise WeightsError(f"{name!r} of the file is a variance below 0; it is damaged, or holds something else.")
    if [n for n in values.shape if n != 1] != [n for n in shape if n != 1]:
        raise WeightsError(
            f"{key} has shape {shape} but {name!r} of the file has {values.shape}. "
            "Build the model with the classes, channels and width of the file, or choose its own name."
        )
    return values.reshape(shape)


def few(names: list[str]) -> str:
    """Return the first names, and that there are more."""
    return ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")


AUTOMATIC = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?")


class KerasWeights:
    """Weights of a Keras network, as layer name -> variable name -> array.

    Layers that Keras named itself, "conv2d_94" by a counter of the process, go by their place: "conv2d:0" is the first.
    """

    def __init__(self, layers: Mapping[str, Mapping[str, np.ndarray]]):
        self.layers = {place: layers[name] for name, place in places(layers).items()}

    @classmethod
    def of(cls, model: keras.Model) -> "KerasWeights":
        """Read a model that is in memory."""
        return cls({layer.name: {short(w): np.asarray(w) for w in layer.weights} for layer in weighted_layers(model)})

    def read(self, layer: keras.layers.Layer, name: str, variable: str, full: bool) -> np.ndarray | None:
        """See `Weights`."""
        if full:
            name, _, variable = name.rpartition("/")
        return self.layers.get(name, {}).get(variable)

    def names(self) -> Iterable[str]:
        """See `Weights`."""
        return [f"{layer}/{variable}" for layer, variables in self.layers.items() for variable in variables]

    def arrays(self) -> Iterable[np.ndarray]:
        """See `Weights`."""
        return [array for variables in self.layers.values() for array in variables.values()]

    def spelled(self, name: str, variable: str, full: bool) -> str:
        """See `Weights`."""
        return name if full else f"{name}/{variable}"


def places(names: Iterable[str]) -> dict[str, str]:
    """Return name -> "kind:place" for automatic names, counted from 0 in order of creation, and name -> name."""
    found, counts = {}, dict[str, int]()
    automatic = {name: match for name in names if (match := AUTOMATIC.fullmatch(name))}
    for name in sorted(automatic, key=lambda name: int(automatic[name][2] or 0)):
        kind = automatic[name][1]
        counts[kind] = counts.get(kind, -1) + 1
        found[name] = f"{kind}:{counts[kind]}"
    return {name: found.get(name, name) for name in names}


TORCH_NAMES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class TorchWeights:
    """Weights of a PyTorch network, by the names of its state dictionary.

    Args:
        state: name -> array in PyTorch's axis order; `num_batches_tracked` entries are of no use and skipped.
    """

    def __init__(self, state: Mapping[str, np.ndarray]):
        self.state = state

    def read(self, layer: keras.layers.Layer, name: str, variable: str, full: bool) -> np.ndarray | None:
        """See `Weights`."""
        values, part = self.state.get(self.spelled(name, variable, full)), ranged(name)[1]
        if values is None:
            return None
        return keras_axes(layer, variable, np.asarray(values)[:, part] if part.stop else np.asarray(values))

    def names(self) -> Iterable[str]:
        """See `Weights`."""
        return [name for name in self.state if not name.endswith("num_batches_tracked")]

    def arrays(self) -> Iterable[np.ndarray]:
        """See `Weights`."""
        return self.state.values()

    def spelled(self, name: str, variable: str, full: bool) -> str:
        """See `Weights`."""
        return name if full else f"{ranged(name)[0]}.{TORCH_NAMES.get(variable, variable)}"


def ranged(name: str) -> tuple[str, slice]:
    """Return ("conv", slice(0, 64)) for "conv[0:64]", and an empty slice for a name that stands for all maps."""
    match = re.fullmatch(r"(.+)\[(\d+):(\d+)\]", name)
    return (match[1], slice(int(match[2]), int(match[3]))) if match else (name, slice(None))


def keras_axes(layer: keras.layers.Layer, variable: str, values: np.ndarray) -> np.ndarray:
    """Turn a PyTorch weight's axes into the order that `layer` keeps.

    Kernels (out, in, ...) become (..., in, out), depthwise ones (in, 1, ...) become (..., in, 1); a dense layer after
    `Flatten` sees rows, columns, maps in Keras and maps, rows, columns in PyTorch.
    """
    if variable != "kernel" or values.ndim == 1:  # a scale of theirs can be our depthwise 1x1
        return values
    if isinstance(layer, keras.layers.Dense):
        values = values.reshape(values.shape[0], -1)
        before = layer.input._keras_history.operation
        if isinstance(before, keras.layers.Flatten) and len(before.input.shape) == 4:
            height, width, maps = before.input.shape[1:]
            if values.shape[1] != height * width * maps:  # `fitted` says so
                return values.T
            values = values.reshape(-1, maps, height, width).transpose(0, 2, 3, 1).reshape(values.shape[0], -1)
        return values.T
    if isinstance(layer, (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)):
        return np.moveaxis(values, (0, 1), (-2, -1))
    if values.ndim == 2:  # their linear layer is our 1x1 convolution
        return values.T
    return np.moveaxis(values, (0, 1), (-1, -2))
