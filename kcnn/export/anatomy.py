"""What a LiteRT file consists of, read from its flatbuffer: operations, tensor types, and what no phone can run."""

import collections
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcnn.errors import ExportError
from kcnn.export.flatbuffer import broken, read_model

INTEGER_TYPES = frozenset({"INT8", "UINT8", "INT32"})


@dataclass(frozen=True)
class Anatomy:
    """Contents of a LiteRT file.

    Attributes:
        ops: operation name -> how many times it occurs.
        types: of all tensors, such as "FLOAT32".
        custom: (operation, place in the graph) of every one that is not built into LiteRT.
    """

    ops: dict[str, int]
    types: frozenset[str]
    custom: tuple[tuple[str, str], ...]


def anatomy(file: Path) -> Anatomy:
    """Read the contents of a LiteRT file.

    Raises:
        ExportError: `file` is no LiteRT file, or is damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    kinds = {number: name for name, number in vars(schema.TensorType).items() if isinstance(number, int)}
    model = read_model(file)
    ops: collections.Counter[str] = collections.Counter()
    custom: set[tuple[str, str]] = set()
    types: set[str] = set()
    try:
        for graph in model.subgraphs:
            types |= {kinds[tensor.type] for tensor in graph.tensors}
            for operator in graph.operators:
                code = model.operatorCodes[operator.opcodeIndex]
                name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
                if name == "CUSTOM":
                    name = code.customCode.decode("utf-8", "replace")
                    custom.add((name, graph.tensors[operator.outputs[0]].name.decode("utf-8", "replace")))
                ops[name] += 1
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ExportError(broken(file)) from error
    return Anatomy(dict(sorted(ops.items())), frozenset(types), tuple(sorted(custom)))


def check_built_in(file: Path, format: str, layers: Sequence[str] = ()) -> Anatomy:
    """Return the contents of `file`, refusing one that a plain LiteRT interpreter cannot run.

    Args:
        file: of LiteRT.
        format: "int8" demands integer tensors throughout.
        layers: names of the Keras model's layers, to say where an operation comes from.

    Raises:
        ExportError: it has a custom or Flex operation, a tensor of another type, or is no LiteRT file.
    """
    found = anatomy(file)
    if found.custom:
        raise ExportError(f"{file.name}: {no_built_in(found.custom, layers)}")
    other = found.types - INTEGER_TYPES
    if format == "int8" and other:
        raise ExportError(
            f"{file.name} has tensors of type {', '.join(sorted(other))} but must have "
            f"{', '.join(sorted(INTEGER_TYPES))} only: an operation of the model has no integer kernel."
        )
    return found


def no_built_in(places: Sequence[tuple[str, str]], layers: Sequence[str]) -> str:
    """Return the sentence about operations that LiteRT lacks, as (operation, place in the graph)."""
    found = sorted({f"{op} in {layer_of(place, layers)}" for op, place in places})
    return (
        f"LiteRT has no built-in for {', '.join(found)}. "
        "Build that layer from operations LiteRT has, or export without LiteRT formats."
    )


def layer_of(place: str, layers: Sequence[str]) -> str:
    """Return "layer 'NAME'" for a graph place like "net_1/conv1_1/Conv2D", or the place where none matches.

    Keras appends _1, _2 ... to a layer's name each time it is called into a graph.
    """
    known = set(layers)
    for part in place.split("/"):
        for name in (part, re.sub(r"_\d+$", "", part)):
            if name in known:
                return f"layer {name!r}"
    return repr(place) if place else "an unnamed place"
