"""Reading LiteRT flatbuffers: what is in them, and what is refused."""

import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kcnn.errors import ExportError
from kcnn.export import flatbuffer
from kcnn.export.anatomy import anatomy, check_built_in, layer_of


def test_operations_of_a_known_network(bundle):
    """LeNet-5: two convolutions, two poolings, three dense layers; normalisation is MUL and SUB."""
    ops = anatomy(bundle / "model_fp32.tflite").ops
    assert {name: ops[name] for name in ("CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED", "SOFTMAX")} == {
        "CONV_2D": 2,
        "MAX_POOL_2D": 2,
        "FULLY_CONNECTED": 3,
        "SOFTMAX": 1,
    }


@pytest.mark.parametrize("code", [b"FlexRoll", b"MyOp"])
def test_a_flex_or_custom_operation_is_refused_with_its_layer(bundle, tmp_path, code):
    """The file's softmax is turned into an operation that no plain interpreter knows."""
    model = flatbuffer.read_model(bundle / "model_fp32.tflite")
    for operator in model.operatorCodes:
        if operator.builtinCode == schema.BuiltinOperator.SOFTMAX:
            operator.builtinCode = operator.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
            operator.customCode = code
    for operator in model.subgraphs[0].operators:
        if model.operatorCodes[operator.opcodeIndex].customCode:
            operator.builtinOptions = None
            operator.builtinOptionsType = 0
            model.subgraphs[0].tensors[operator.outputs[0]].name = b"net_1/head_2/Roll"
    file = tmp_path / "flex.tflite"
    file.write_bytes(flatbuffer.pack_model(model))
    with pytest.raises(ExportError, match=rf"flex\.tflite: .*{code.decode()} in layer 'head'"):
        check_built_in(file, "fp32", ["head"])


def test_int8_with_a_float_tensor_is_refused(bundle):
    with pytest.raises(ExportError, match="has tensors of type FLOAT32"):
        check_built_in(bundle / "model_dynamic.tflite", "int8")
    check_built_in(bundle / "model_int8.tflite", "int8")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("net_1/conv1_1/Conv2D", "layer 'conv1'"),
        ("net_1/conv1/Conv2D", "layer 'conv1'"),
        ("block_2/x", "layer 'block_2'"),
        ("somewhere/else", "'somewhere/else'"),
        ("", "an unnamed place"),
    ],
)
def test_layer_of(place, expected):
    assert layer_of(place, ["conv1", "block_2", "block"]) == expected


def changed(bundle, tmp_path, change):
    model = flatbuffer.read_model(bundle / "model_fp32.tflite")
    change(model.subgraphs)
    (tmp_path / "x.tflite").write_bytes(flatbuffer.pack_model(model))
    return tmp_path / "x.tflite"


def test_a_tensor_that_would_fill_the_memory_is_refused(bundle, tmp_path):
    def change(graphs):
        graphs[0].tensors[graphs[0].operators[0].outputs[0]].shape = np.array([1, 1 << 20, 1 << 20, 1], np.int32)

    with pytest.raises(ExportError, match=r"a tensor \[1, 1048576, 1048576, 1\] of 4,398,046,511,104 bytes"):
        anatomy(changed(bundle, tmp_path, change))


def test_more_parts_than_a_network_has_are_refused(bundle, tmp_path, monkeypatch):
    parts = anatomy(bundle / "model_fp32.tflite")
    monkeypatch.setattr("kcnn.export.anatomy.MOST_PARTS", sum(parts.ops.values()))
    with pytest.raises(ExportError, match="tensors and operations; no network has so many"):
        anatomy(bundle / "model_fp32.tflite")


def test_an_archive_of_labels_that_unpacks_to_too_much(bundle, tmp_path):
    file = tmp_path / "x.tflite"
    file.write_bytes((bundle / "model_fp32.tflite").read_bytes())
    assert "kcnn.json" in flatbuffer.appended_files(file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("more.txt", bytes(5 << 20), zipfile.ZIP_DEFLATED)
    with pytest.raises(ExportError, match="which no labels need"):
        flatbuffer.appended_files(file)
