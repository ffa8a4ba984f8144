"""Metadata inside a `.tflite`, in the layout that MediaPipe Tasks reads.

A flatbuffer of TensorFlow's metadata schema 1.5.0 (file identifier M001) lies in the model's buffer named
"TFLITE_METADATA"; the files it names, such as the labels, lie in a zip archive behind the model.
`SCHEMA` holds the tables that are written here, their fields in the schema's order: a field's place is its number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers

from kcnn import atomic
from kcnn.export import facts as facts_file
from kcnn.export import flatbuffer
from kcnn.export.facts import Facts

BUFFER = "TFLITE_METADATA"
LABELS = "labels.txt"
SIGNATURE = "serving_default"
IDENTIFIER = b"M001"
PARSER_VERSION = "1.0.0"  # nothing written here is younger than the schema's first version

SCHEMA = {
    "ModelMetadata": (
        "name",
        "description",
        "version",
        "subgraph_metadata",
        "author",
        "license",
        "associated_files",
        "min_parser_version",
    ),
    "SubGraphMetadata": ("name", "description", "input_tensor_metadata", "output_tensor_metadata", "associated_files"),
    "TensorMetadata": (
        "name",
        "description",
        "dimension_names",
        "content",
        "process_units",
        "stats",
        "associated_files",
    ),
    "AssociatedFile": ("name", "description", "type"),
    "Content": ("content_properties_type", "content_properties"),
    "FeatureProperties": (),
    "ImageProperties": ("color_space", "default_size"),
    "ImageSize": ("width", "height"),
    "ProcessUnit": ("options_type", "options"),
    "NormalizationOptions": ("mean", "std"),
    "Stats": ("max", "min"),
}
FEATURE, IMAGE = 1, 2  # union ContentProperties
NORMALIZATION = 1  # union ProcessUnitOptions
RGB, GRAYSCALE = 1, 2  # enum ColorSpaceType
DESCRIPTIONS, TENSOR_AXIS_LABELS, TENSOR_VALUE_LABELS = 1, 2, 3  # enum AssociatedFileType


@dataclass(frozen=True)
class Byte:
    """An enum or union tag in a table."""

    value: int


@dataclass(frozen=True)
class UInt:
    """A 32-bit number in a table."""

    value: int


@dataclass(frozen=True)
class Table:
    """One table of `SCHEMA` with the fields that are set."""

    kind: str
    fields: dict[str, Any]


def table(kind: str, **fields: Any) -> Table:
    """Return a table; fields are `Byte`, `UInt`, str, `Table`, or a list of floats or tables."""
    return Table(kind, fields)


def attach(file: Path, facts: Facts) -> None:
    """Put metadata, labels and the record `kcnn.json` into the LiteRT file, which still runs as it did.

    The input is described as an image of the given size whose pixels go in unchanged (mean 0, std 1), because
    the graph itself normalises; every output with one number per label, or of class ids, is tied to the labels file.
    The model's one signature is called "serving_default", as in a SavedModel.

    Raises:
        ExportError: `file` is no LiteRT file.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = flatbuffer.read_model(file)
    graph = model.subgraphs[0]
    outputs = [graph.tensors[index] for index in graph.outputs]
    names = _output_names(model)
    described = [
        describe_output(name, tensor.shape, len(facts.labels), ids=_holds_ids(tensor))
        for name, tensor in zip(names, outputs, strict=True)
    ]
    model.signatureDefs[0].signatureKey = SIGNATURE.encode()
    model.buffers.append(schema.BufferT(data=bytearray(serialise(describe(facts, described)))))
    model.metadata = [*(model.metadata or []), schema.MetadataT(name=BUFFER, buffer=len(model.buffers) - 1)]
    files = {LABELS: "\n".join(facts.labels) + "\n", facts_file.FILE: facts_file.to_json(facts)}
    atomic.write_bytes(file, flatbuffer.append_files(flatbuffer.pack_model(model), files))


def _output_names(model: Any) -> list[str]:
    """Return the signature's output names in the order of the graph's outputs."""
    named = {item.tensorIndex: item.name.decode() for item in model.signatureDefs[0].outputs}
    return [named[index] for index in model.subgraphs[0].outputs]


def describe(facts: Facts, outputs: list[Table]) -> Table:
    """Return the metadata of a model with one image input and the given output tensors."""
    record = facts.preprocess
    height, width = record.size
    pixels = "pixels 0..255" if record.bit_depth == 8 else "float32 pixels 0..255, of 16-bit files value / 257"
    image = table(
        "TensorMetadata",
        name="image",
        description=f"{width}x{height} image, {pixels}; normalisation is part of the model",
        content=table(
            "Content",
            content_properties_type=Byte(IMAGE),
            content_properties=table(
                "ImageProperties",
                color_space=Byte(GRAYSCALE if record.channels == 1 else RGB),
                default_size=table("ImageSize", width=UInt(width), height=UInt(height)),
            ),
        ),
        process_units=[
            table(
                "ProcessUnit",
                options_type=Byte(NORMALIZATION),
                options=table("NormalizationOptions", mean=[0.0], std=[1.0]),
            )
        ],
        stats=table("Stats", max=[255.0], min=[0.0]),
    )
    record_file = table(
        "AssociatedFile", name=facts_file.FILE, description="task and preprocessing", type=Byte(DESCRIPTIONS)
    )
    graph = table(
        "SubGraphMetadata",
        input_tensor_metadata=[image],
        output_tensor_metadata=outputs,
        associated_files=[record_file],
    )
    return table(
        "ModelMetadata",
        name=facts.name,
        description=f"{facts.task} of {len(facts.labels)} classes, made by kcnn",
        subgraph_metadata=[graph],
        license=f"of the training data: {facts.licence}",
        min_parser_version=PARSER_VERSION,
    )


def _holds_ids(tensor: Any) -> bool:
    """Whether an output holds whole numbers that stand for nothing else."""
    from ai_edge_litert import schema_py_generated as schema

    scaled = tensor.quantization is not None and tensor.quantization.scale is not None
    return tensor.type in (schema.TensorType.UINT8, schema.TensorType.INT32, schema.TensorType.INT64) and not scaled


def describe_output(name: str, shape: Sequence[int], labels: int, *, ids: bool = False) -> Table:
    """Return the metadata of one output tensor, tied to the labels where it has one number for each, or `ids`."""
    fields: dict[str, Any] = {
        "name": name,
        "content": table(
            "Content", content_properties_type=Byte(FEATURE), content_properties=table("FeatureProperties")
        ),
    }
    if ids:
        fields["stats"] = table("Stats", max=[labels - 1.0], min=[0.0])
        fields["associated_files"] = [
            table("AssociatedFile", name=LABELS, description="one class a line", type=Byte(TENSOR_VALUE_LABELS))
        ]
    elif len(shape) and shape[-1] == labels:
        fields["stats"] = table("Stats", max=[1.0], min=[0.0])
        fields["associated_files"] = [
            table("AssociatedFile", name=LABELS, description="one class a line", type=Byte(TENSOR_AXIS_LABELS))
        ]
    return table("TensorMetadata", **fields)


def serialise(root: Table) -> bytes:
    """Return the flatbuffer of a "ModelMetadata" table."""
    builder = flatbuffers.Builder(256)
    builder.Finish(_write(builder, root), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _write(builder: flatbuffers.Builder, value: Any) -> int:
    """Write `value` and everything below it, children first as flatbuffers want it; return its offset."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, list):
        tables = isinstance(value[0], Table)
        items = [_write(builder, item) for item in value] if tables else value
        builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            (builder.PrependUOffsetTRelative if tables else builder.PrependFloat32)(item)
        return builder.EndVector()
    scalars = (Byte, UInt)
    below = {name: _write(builder, v) for name, v in value.fields.items() if not isinstance(v, scalars)}
    slots = SCHEMA[value.kind]
    builder.StartObject(len(slots))
    for name, field in value.fields.items():
        slot = slots.index(name)
        if isinstance(field, Byte):
            builder.PrependUint8Slot(slot, field.value, 0)
        elif isinstance(field, UInt):
            builder.PrependUint32Slot(slot, field.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, below[name], 0)
    return builder.EndObject()
