"""What a SavedModel may do, told from its file: kcnn's own pass, programs do not."""

import shutil

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kcnn.errors import ExportError
from kcnn.export.operations import check_saved_model


def saved(folder, action, **extra):
    class Module(tf.Module):
        @tf.function(autograph=False, input_signature=[tf.TensorSpec((None,), tf.float32)])
        def serve(self, x):
            with tf.control_dependencies(action(x)):
                return {"y": x * self.weight}

    module = Module()
    module.weight = tf.Variable(2.0)
    for name, value in extra.items():
        setattr(module, name, value)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


def table():
    init = tf.lookup.KeyValueTensorInitializer(["a"], [1])
    return tf.lookup.StaticHashTable(init, 0)


def test_ours_passes(bundle):
    counts = check_saved_model(bundle / "saved_model")
    assert counts["Conv2D"] == 4  # two convolutions in each of two signatures
    assert counts["SaveV2"] == 1  # by which TensorFlow saves variables; nothing calls it


def test_a_harmless_one_of_somebody_else_passes(tmp_path):
    check_saved_model(saved(tmp_path / "m", lambda x: [tf.cond(tf.size(x) > 1, lambda: x, lambda: -x)]))


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda x: [tf.io.write_file("/tmp/x", "!")], "WriteFile acts on something outside"),
        (lambda x: [tf.io.read_file("/etc/hostname")], "ReadFile takes text"),
        (lambda x: [tf.io.matching_files("/etc/*")], "MatchingFiles takes text"),
        (lambda x: [tf.numpy_function(lambda v: v, [x], tf.float32)], "PyFunc"),
        (lambda x: [tf.print(x)], "PrintV2 acts on"),
        (lambda x: [tf.raw_ops.Abort(error_msg="!")], "Abort takes the text 'error_msg'"),
        (
            lambda x: [tf.raw_ops.SaveV2(prefix="/tmp/x", tensor_names=["x"], shape_and_slices=[""], tensors=[x])],
            "SaveV2|reads or writes files and is called",
        ),
        (lambda x: [tf.data.TFRecordDataset("/etc/hostname")._variant_tensor], "TFRecordDataset"),
    ],
)
def test_operations_that_act(tmp_path, action, words):
    with pytest.raises(ExportError, match=rf"refused before it runs: .*({words})"):
        check_saved_model(saved(tmp_path / "m", action))


def test_objects_that_act_on_load(tmp_path):
    with pytest.raises(ExportError, match="refused before it runs"):
        check_saved_model(saved(tmp_path / "m", lambda x: [], table=table()))


def edited(bundle, folder, change):
    shutil.copytree(bundle / "saved_model", folder)
    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    change(content.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(content.SerializeToString())
    return folder


def saver_and_victim(graph):
    """The name of TensorFlow's own function that writes variables, and a function of the model."""
    library = graph.graph_def.library.function
    saver = next(f.signature.name for f in library if any(n.op == "SaveV2" for n in f.node_def))
    return saver, next(f for f in library if f.signature.name in graph.object_graph_def.concrete_functions)


def call_the_saver(graph):
    """Let the honest graph call the function that writes variables."""
    saver, victim = saver_and_victim(graph)
    node = victim.node_def.add(name="harm", op="StatefulPartitionedCall")
    node.attr["f"].func.name = saver


def name_the_saver(graph):
    """The same by an operation that is called like the function."""
    saver, victim = saver_and_victim(graph)
    victim.node_def.add(name="harm", op=saver)


def unknown(graph):
    graph.graph_def.library.function[0].node_def.add(name="harm", op="MyOp")


def constants(graph):
    """The values of all constants; TensorFlow writes its functions in another order each time."""
    nodes = (node for function in graph.graph_def.library.function for node in function.node_def)
    return [node.attr["value"].tensor for node in nodes if node.op == "Const"]


def splat(graph):
    """One number claims to stand for 10^12."""
    tensor = next(value for value in constants(graph) if not value.tensor_shape.dim)
    tensor.tensor_shape.dim.add(size=10**6)
    tensor.tensor_shape.dim.add(size=10**6)


def odd_type(graph):
    """Protocol buffers let a number through that names no type."""
    constants(graph)[0].dtype = 9999


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (odd_type, "is damaged .*9999"),
        (call_the_saver, "is called by the model itself"),
        (name_the_saver, "is called by the model itself"),
        (unknown, "MyOp is not an operation of TensorFlow"),
        (splat, "its constants, .* would unpack to"),
        (lambda graph: graph.ClearField("object_graph_def"), "not a SavedModel of one graph with objects"),
        (lambda graph: setattr(graph.object_graph_def.nodes[0], "registered_name", "evil"), "may act on load"),
    ],
)
def test_edited_graphs(bundle, tmp_path, change, words):
    with pytest.raises(ExportError, match=words):
        check_saved_model(edited(bundle, tmp_path / "m", change))


def test_variables_that_are_not_there(bundle, tmp_path):
    folder = shutil.copytree(bundle / "saved_model", tmp_path / "m")
    data = next((folder / "variables").glob("variables.data-*"))
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(ExportError, match=r"claims .* bytes but has 1,000"):
        check_saved_model(folder)


def test_links_out_of_the_folder(bundle, tmp_path):
    folder = shutil.copytree(bundle / "saved_model", tmp_path / "m")
    (folder / "assets" / "x").symlink_to("/etc/hostname")
    with pytest.raises(ExportError, match="is a link to /etc/hostname"):
        check_saved_model(folder)
