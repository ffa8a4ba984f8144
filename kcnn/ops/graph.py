"""The layer calls of a built Keras model, in order of computation, nested models opened."""

import functools
import itertools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from kcnn.errors import ShapeError


@dataclass(frozen=True, eq=False)
class Tensor:
    """What flows between two calls; two tensors are the same only if they are the same object.

    Attributes:
        shape: with the batch axis first; None where a size is open.
    """

    shape: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of one layer.

    Attributes:
        name: of the layer; layers of nested models as "model/layer".
        layer: a Keras layer, or an operation of `keras.ops` applied to a symbolic tensor.
        inputs, outputs: in the order of the call.
        fill: from values in place of `inputs` to (positional, named) arguments of the layer.
    """

    name: str
    layer: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    fill: Callable[[Sequence[Any]], tuple[tuple[Any, ...], dict[str, Any]]]

    @property
    def read(self) -> tuple[Tensor, ...]:
        """The inputs whose values matter: a layer that takes only the size of the others says how many, in `reads`."""
        return self.inputs[: getattr(self.layer, "reads", None)]


def inputs(model: keras.Model) -> tuple[Tensor, ...]:
    """Return new tensors of the shapes of the inputs of `model`, to be handed to `calls`.

    Raises:
        ShapeError: the model is not built.
    """
    return tuple(Tensor(tuple(tensor.shape)) for tensor in _functional(model).inputs)


def calls(
    model: keras.Model, entries: tuple[Tensor, ...] | None = None, prefix: str = ""
) -> Generator[Call, None, tuple[Tensor, ...]]:
    """Yield every call of a built functional or Sequential model; the generator returns the outputs.

    Args:
        model: the model.
        entries: tensors that stand for its inputs; by default new ones.
        prefix: of the names.

    Raises:
        ShapeError: the model is not built.
    """
    functional = _functional(model)
    entries = inputs(model) if entries is None else entries
    known = {id(tensor): entry for tensor, entry in zip(functional.inputs, entries, strict=True)}
    for depth in sorted(functional._nodes_by_depth, reverse=True):  # Keras keeps calls only in private nodes
        for node in functional._nodes_by_depth[depth]:
            layer = node.operation
            if not node.input_tensors or isinstance(layer, keras.layers.InputLayer):
                continue
            arguments = tuple(known[id(tensor)] for tensor in node.input_tensors)
            if isinstance(layer, keras.Model):
                results = yield from calls(layer, arguments, f"{prefix}{layer.name}/")
            else:
                results = tuple(Tensor(tuple(tensor.shape)) for tensor in node.output_tensors)
                yield Call(
                    name=prefix + layer.name,
                    layer=layer,
                    inputs=arguments,
                    outputs=results,
                    fill=functools.partial(_fill, node),
                )
            known.update((id(tensor), result) for tensor, result in zip(node.output_tensors, results, strict=True))
    return tuple(known[id(tensor)] for tensor in functional.outputs)


def run(model: keras.Model, images: Sequence[Any], row: int) -> Any:
    """Compute the first output of one call, as in inference; calls of shared layers and nested models too.

    Args:
        model: built functional or Sequential model.
        images: one tensor for each input of the model.
        row: number of the call, in the order of `calls`.

    Raises:
        ShapeError: the model is not built.
    """
    entries = inputs(model)
    values = dict(zip(entries, images, strict=True))
    for call in itertools.islice(calls(model, entries), row + 1):
        positional, named = call.fill([values[tensor] for tensor in call.inputs])
        results = keras.tree.flatten(call.layer(*positional, **named))
        values.update(zip(call.outputs, results, strict=True))
    return values[call.outputs[0]]


def _fill(node: Any, values: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    filled = node.arguments.fill_in(
        {id(tensor): value for tensor, value in zip(node.input_tensors, values, strict=True)}
    )
    return filled  # type: ignore[no-any-return]


def _functional(model: keras.Model) -> Any:
    if not getattr(model, "inputs", None):
        raise ShapeError(
            f"model {getattr(model, 'name', model)!r:.80} has no known input shape; call it once on an image, or build "
            "it functionally.",
            expected="a built functional or Sequential model",
            actual=None,
        )
    return model._functional if isinstance(model, keras.Sequential) else model
