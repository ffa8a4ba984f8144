"""What a SavedModel can do, read from its files without running it.

A SavedModel is a program. One that reads or writes files, reaches the network, starts Python, or keeps state beyond
its variables is refused before TensorFlow is asked to load it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kcnn import guard
from kcnn.errors import ExportError

GRAPH = "saved_model.pb"
MOST_GRAPH = 64 << 20  # bytes of saved_model.pb; numbers lie elsewhere
CALLS = frozenset(
    {"PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "While", "StatelessWhile", "Case"}
    | {"StatelessCase"}
)
STATE = frozenset(
    {"VarHandleOp", "ReadVariableOp", "AssignVariableOp", "VarIsInitializedOp", "DisableCopyOnRead", "Assert"}
)
TEXT = frozenset(  # take encoded images or text, and give pixels, numbers or text
    {"DecodeImage", "DecodeJpeg", "DecodePng", "DecodeBmp", "DecodeGif", "DecodeRaw", "DecodeAndCropJpeg", "Substr"}
    | {"StringLength", "StringJoin", "StaticRegexFullMatch", "ShardedFilename", "ExtractJpegShape"}
)
SETTINGS = frozenset(  # attributes of text that name a way to compute, not a place
    {"equation", "kernel_type", "bad_indices_policy", "interpolation", "fill_mode", "noise", "src_format", "dst_format"}
)
SAVING = frozenset({"SaveV2", "RestoreV2", "MergeV2Checkpoints"})  # how TensorFlow writes and reads the variables
OBJECTS = frozenset({"variable", "function", "bare_concrete_function", "constant", "user_object"})
USER_OBJECTS = frozenset(
    {"_generic_user_object", "signature_map"} | {f"trackable_{kind}_wrapper" for kind in ("list", "dict", "tuple")}
)
_STRING = 7  # of DataType


def check_saved_model(folder: Path) -> Counter[str]:
    """Return how often each operation occurs in a SavedModel that computes with tensors and does nothing else.

    How long it computes, and in how much memory, is not known from its operations.

    Raises:
        ExportError: it is damaged; has an operation on files, network, processes or tables, or one that is not known
            here; an object that acts when it is loaded; numbers that are not in its files; or a link out of `folder`.
    """
    graph, size = _graph(folder)
    _check_objects(folder, graph.object_graph_def)
    counts = _check_operations(folder, graph)
    _check_constants(folder, graph, size)
    _check_variables(folder)
    return counts


def list_operations(folder: Path) -> dict[str, tuple[int, str]]:
    """Return operation -> (how often it occurs, why it is refused or "") of any SavedModel, harmless or not.

    Raises:
        ExportError: it is damaged, or not of TensorFlow 2.
    """
    graph, _ = _graph(folder)
    library = {name for name, _ in _functions(graph)}
    counts = Counter(node.op for _, nodes in _functions(graph) for node in nodes if node.op not in library)
    return {op: (count, "" if op in SAVING else _objection(op)) for op, count in sorted(counts.items())}


def _graph(folder: Path) -> tuple[Any, int]:
    """Return the one graph of a SavedModel, and the bytes of its file."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    guard.check_links(folder, ExportError)
    content = guard.read_bytes(folder / GRAPH, ExportError, MOST_GRAPH)
    try:
        graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    except (DecodeError, RecursionError) as error:
        raise ExportError(f"{folder / GRAPH} is damaged or was cut short ({error}); export the run again.") from error
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        raise ExportError(f"{folder} is not a SavedModel of one graph with objects, as TensorFlow 2 writes it.")
    return graphs[0], len(content)


def _functions(graph: Any) -> Iterator[tuple[str, Any]]:
    """Yield (function name, its nodes); "" is the graph outside of functions."""
    yield "", graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield function.signature.name, function.node_def


def _check_operations(folder: Path, graph: Any) -> Counter[str]:
    library = {name for name, _ in _functions(graph)}
    counts: Counter[str] = Counter()
    refused: dict[str, str] = {}
    saving: set[str] = set()
    called: set[str] = set(graph.object_graph_def.concrete_functions)
    for name, nodes in _functions(graph):
        for node in nodes:
            counts[node.op] += 1
            calls = {node.op} & library | set(_called(node))
            if name:  # the graph outside of functions is for TensorFlow 1, and never runs here
                called |= calls
            if node.op in SAVING and name:
                saving.add(name)
            elif node.op not in library and (reason := _objection(node.op)):
                refused[node.op] = reason
    if refused:
        told = "; ".join(f"{op} {reason}" for op, reason in sorted(refused.items()))
        raise ExportError(f"{folder} is refused before it runs: {told}. Ask its author for the weights instead.")
    if acting := sorted(saving & called):
        raise ExportError(
            f"{folder} is refused before it runs: {acting[0]} reads or writes files and is called by the model itself."
        )
    return counts


def _called(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def _objection(op: str) -> str:
    """Return why an operation is refused; "" for one that computes with tensors and nothing else."""
    from tensorflow.python.framework import op_def_registry

    if op in CALLS or op in STATE or op in TEXT:
        return ""
    known = None if op.startswith("_") else op_def_registry.get(op)
    if known is None:
        return "is not an operation of TensorFlow"
    if known.is_stateful:
        return "acts on something outside the graph, such as files, network, processes or tables"
    if any(argument.type == _STRING for argument in known.input_arg):
        return "takes text, which may name a file"
    free = [a.name for a in known.attr if a.type in ("string", "list(string)") and not a.HasField("allowed_values")]
    if set(free) - SETTINGS:
        return f"takes the text {free[0]!r}, which may name a file or a function"
    if any(attribute.type in ("func", "list(func)") for attribute in known.attr):
        return "calls functions in a way that is not followed here"
    return ""


def _check_objects(folder: Path, objects: Any) -> None:
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        identifier = node.user_object.identifier if kind == "user_object" else "_generic_user_object"
        if kind not in OBJECTS or identifier not in USER_OBJECTS or node.registered_name or node.registered_saver:
            what = identifier if kind == "user_object" else kind
            raise ExportError(
                f"{folder} is refused before it runs: it holds an object {what!r}, which may act on load."
            )
        if node.saveable_objects:
            raise ExportError(f"{folder} is refused before it runs: an object in it restores itself by a function.")


def _check_constants(folder: Path, graph: Any, size: int) -> None:
    """Refuse constants that claim more numbers than the file has bytes: a single value can stand for all of them."""
    from tensorflow import dtypes

    claimed = 0
    for _, nodes in _functions(graph):
        for tensor in _tensors(nodes):
            shape = [dim.size for dim in tensor.tensor_shape.dim]
            try:
                width = dtypes.as_dtype(tensor.dtype).size if tensor.dtype else 1
            except TypeError as error:
                raise ExportError(f"{folder / GRAPH} is damaged ({error}); export the run again.") from error
            claimed += math.prod(max(0, side) for side in shape) * max(1, width)
    guard.check_ratio(f"{folder / GRAPH}, its constants,", claimed, size, ExportError)


def _tensors(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        for value in node.attr.values():
            if value.HasField("tensor"):
                yield value.tensor
            yield from value.list.tensor


def _check_variables(folder: Path) -> None:
    """Refuse variables that claim more bytes than the files beside the index have."""
    import tensorflow as tf

    files = list((folder / "variables").glob("variables.data-*"))
    if not files:
        return
    held = sum(guard.check_file(file, ExportError) for file in files)
    guard.check_file(folder / "variables" / "variables.index", ExportError, MOST_GRAPH)
    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        types = reader.get_variable_to_dtype_map()
        claimed = sum(
            math.prod(shape) * max(1, types[name].size) for name, shape in reader.get_variable_to_shape_map().items()
        )
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ExportError(f"{folder / 'variables'} is damaged ({error}); export the run again.") from error
    if claimed > held + 4096:  # a text of the checkpoint's own has no fixed width
        raise ExportError(f"{folder / 'variables'} claims {claimed:,} bytes but has {held:,}; it is damaged.")
