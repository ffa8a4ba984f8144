"""What a LiteRT file consists of, read from its flatbuffer: operations, tensor types, and what no phone can run."""

import collections
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kcnn.errors import ExportError
from kcnn.export.flatbuffer import broken, check

MOST_PARTS = 500_000  # tensors and operations
MOST_TENSOR = 1 << 30  # bytes
WIDTHS = {"BOOL": 1, "INT8": 1, "UINT8": 1, "FLOAT16": 2, "INT16": 2, "FLOAT64": 8, "INT64": 8}  # bytes; others 4
INTEGER_TYPES = frozenset({"INT8", "UINT8", "INT32", "BOOL"})  # BOOL: what comparisons give


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
    """Read the contents of a LiteRT file, part by part and without its numbers.

    Raises:
        ExportError: `file` is no LiteRT file, is damaged, has more parts than a network can have, or a tensor that
            would fill the memory.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = check(file)
    try:
        return _read(schema.Model.GetRootAs(content, 0), schema, file)
    except ExportError:
        raise
    except Exception as error:  # offsets that lead nowhere fail in whatever way the bytes there suggest
        raise ExportError(broken(file)) from error


def _read(model: Any, schema: Any, file: Path) -> Anatomy:
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    kinds = {number: name for name, number in vars(schema.TensorType).items() if isinstance(number, int)}
    ops: collections.Counter[str] = collections.Counter()
    custom: set[tuple[str, str]] = set()
    types: set[str] = set()
    left = MOST_PARTS
    for graph in (model.Subgraphs(index) for index in range(model.SubgraphsLength())):
        left -= 1 + graph.TensorsLength() + graph.OperatorsLength()
        if left < 0:  # a small file can list one part a million times
            raise ExportError(f"{file} lists more than {MOST_PARTS:,} tensors and operations; no network has so many.")
        for tensor in (graph.Tensors(index) for index in range(graph.TensorsLength())):
            kind, shape = kinds[tensor.Type()], [tensor.Shape(axis) for axis in range(tensor.ShapeLength())]
            size = math.prod(max(0, side) for side in shape) * WIDTHS.get(kind, 4)
            if size > MOST_TENSOR:
                raise ExportError(f"{file} has a tensor {shape} of {size:,} bytes; at most {MOST_TENSOR:,} are held.")
            types.add(kind)
        for operator in (graph.Operators(index) for index in range(graph.OperatorsLength())):
            code = model.OperatorCodes(operator.OpcodeIndex())
            name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            if name == "CUSTOM":
                name = code.CustomCode().decode("utf-8", "replace")
                custom.add((name, graph.Tensors(operator.Outputs(0)).Name().decode("utf-8", "replace")))
            ops[name] += 1
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
