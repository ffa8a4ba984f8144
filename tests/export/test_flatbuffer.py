"""What packing keeps and what it writes once."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kcnn.export import flatbuffer


def model_with(*zero_points):
    model = schema.ModelT()
    model.version, model.operatorCodes, model.buffers = 3, [], []
    graph = schema.SubGraphT()
    graph.tensors = []
    for points in zero_points:
        tensor = schema.TensorT()
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.zeroPoint = np.array(points, "int64")
        graph.tensors.append(tensor)
    model.subgraphs = [graph]
    return model


def test_equal_vectors_are_written_once_and_read_back(tmp_path):
    zeros, ones = [0] * 1000, [1] * 1000
    once, twice = (flatbuffer.pack_model(model_with(*points)) for points in ([zeros, ones], [zeros, ones, zeros, ones]))
    assert len(twice) - len(once) < 500  # a vector of 1000 numbers has 8000 bytes
    (tmp_path / "model.tflite").write_bytes(twice)
    tensors = flatbuffer.read_model(tmp_path / "model.tflite").subgraphs[0].tensors
    assert [list(tensor.quantization.zeroPoint) for tensor in tensors] == [zeros, ones, zeros, ones]


def test_vectors_of_other_types_are_not_mixed_up(tmp_path):
    model = model_with([0, 0])
    model.subgraphs[0].tensors[0].shape = np.zeros(4, "int32")  # the same 16 bytes
    (tmp_path / "model.tflite").write_bytes(flatbuffer.pack_model(model))
    tensor = flatbuffer.read_model(tmp_path / "model.tflite").subgraphs[0].tensors[0]
    assert list(tensor.shape) == [0, 0, 0, 0]
    assert list(tensor.quantization.zeroPoint) == [0, 0]
