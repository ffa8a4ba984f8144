"""Hostile safetensors, runs, SavedModels and LiteRT files: K22 to K28, and X for those of kcnn's own forms."""

import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .keras_files import BOMB, Touch
from .trap import Trap

NESTED = 100_000


def program(folder: Path, action: Callable[[Any], Any], facts: Path) -> Path:
    """Write a SavedModel that runs `action` on its images and then answers, with the record of an honest one."""
    import tensorflow as tf

    class Victim(tf.Module):
        @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, None, None, 1), tf.uint8, name="images")])
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            with tf.control_dependencies(action(images)):
                return {"probabilities": tf.ones((tf.shape(images)[0], 10)) / 10}

    victim = Victim()
    victim.variable = tf.Variable([1.0, 2.0])
    tf.saved_model.save(victim, str(folder), signatures={"serving_default": victim.serve})
    (folder / "assets.extra").mkdir()
    shutil.copy(facts, folder / "assets.extra" / "kcnn.json")
    return folder


def writing(canary: Path) -> Callable[[Any], Any]:
    """Return an action for `program` that makes the canary."""
    import tensorflow as tf

    def action(images: tf.Tensor) -> list[tf.Tensor]:
        with tf.control_dependencies([tf.io.write_file(str(canary), "!")]):
            return [tf.constant(0)]

    return action


class Maker:
    """Makes files below `place`, from the bundle `good` of tiny_lenet5 with fp32 and SavedModel.

    Args:
        place: an empty folder.
        trap: where the payloads point.
        good: an honest bundle.
    """

    def __init__(self, place: Path, trap: Trap, good: Path):
        self.place, self.trap, self.good = place, trap, good
        self.facts = good / "saved_model" / "assets.extra" / "kcnn.json"

    def _run(self, name: str) -> Path:
        """Copy the five files of a run, which lie in the bundle too."""
        folder = self.place / name
        folder.mkdir()
        for file in ("weights.safetensors", "model.json", "preprocess.json", "labels.txt", "recipe.json"):
            shutil.copy(self.good / file, folder)
        return folder

    def _edit(self, file: Path, change: Callable[[dict], object]) -> None:
        record = json.loads(file.read_text())
        change(record)
        file.write_text(json.dumps(record))

    def _saved_model(self, name: str, action: Callable[[Any], Any]) -> Path:
        return program(self.place / name, action, self.facts)

    def linked_weights(self) -> Path:
        """K22b: a run whose weights are a link to a file of this machine."""
        folder = self._run("K22b")
        (folder / "weights.safetensors").unlink()
        (folder / "weights.safetensors").symlink_to(self.trap.secret)
        return folder

    def pickle_renamed(self) -> Path:
        """K24: a pickle called .safetensors."""
        file = self.place / "K24.safetensors"
        file.write_bytes(pickle.dumps(Touch(self.trap.canary)))
        return file

    def nested_labels(self) -> Path:
        """K25: a run whose list of classes is nested 100,000 deep."""
        folder = self._run("K25")
        text = (folder / "model.json").read_text()
        deep = "[" * NESTED + "]" * NESTED
        (folder / "model.json").write_text(text.replace('"classes": [', f'"classes": [{deep}, ', 1))
        return folder

    def nested_record(self) -> Path:
        """K25b: a SavedModel whose kcnn.json is nested 100,000 deep."""
        folder = self.place / "K25b"
        shutil.copytree(self.good / "saved_model", folder)
        (folder / "assets.extra" / "kcnn.json").write_text('{"labels": ' + "[" * NESTED + "]" * NESTED + "}")
        return folder

    def truncated(self) -> Path:
        """K26: a .tflite cut in the middle."""
        content = (self.good / "model_fp32.tflite").read_bytes()
        file = self.place / "K26.tflite"
        file.write_bytes(content[: len(content) // 2])
        return file

    def overlapping(self) -> Path:
        """K27: safetensors whose tensors share their bytes."""
        entry = {"dtype": "F32", "shape": [1024], "data_offsets": [0, 4096]}
        return self._safetensors("K27", {f"layer{i}/kernel": entry for i in range(1000)}, 4096)

    def file_operation(self) -> Path:
        """K28: a SavedModel that reads one file and writes another."""
        import tensorflow as tf

        def action(images: tf.Tensor) -> list[tf.Tensor]:
            content = tf.io.read_file(str(self.trap.secret))
            with tf.control_dependencies([tf.io.write_file(str(self.trap.canary), content)]):
                return [tf.constant(0)]

        return self._saved_model("K28", action)

    def saving_operation(self) -> Path:
        """K28b: a SavedModel that writes a file by the operation that saves variables."""
        import tensorflow as tf

        def action(images: tf.Tensor) -> list[tf.Tensor]:
            return [
                tf.raw_ops.SaveV2(
                    prefix=str(self.trap.canary), tensor_names=["x"], shape_and_slices=[""], tensors=[tf.ones(3)]
                )
            ]

        return self._saved_model("K28b", action)

    def python_operation(self) -> Path:
        """K28c: a SavedModel that calls Python."""
        import tensorflow as tf

        def touch(images: Any) -> Any:
            return images

        return self._saved_model("K28c", lambda images: [tf.numpy_function(touch, [images], tf.uint8)])

    def _safetensors(self, name: str, header: dict, size: int) -> Path:
        text = json.dumps(header).encode()
        file = self.place / f"{name}.safetensors"
        file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))
        return file

    def huge_header(self) -> Path:
        """X01: safetensors with a header of 90 MB, a million empty tensors."""
        entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        return self._safetensors("X01", {f"layer{i}/kernel{'x' * 20}": entry for i in range(1_000_000)}, 0)

    def holes(self) -> Path:
        """X02: safetensors of 20 GB, all but a kilobyte of it a hole."""
        count = 5 * 10**9
        file = self._safetensors(
            "X02", {"l/bias": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}, 0
        )
        os.truncate(file, file.stat().st_size + 4 * count)
        return file

    def million_classes(self) -> Path:
        """X03: a run that asks for a million classes with the weights of ten."""
        folder = self._run("X03")
        self._edit(folder / "recipe.json", lambda record: record["model"].update(num_classes=1_000_000))
        self._edit(folder / "model.json", lambda record: record.update(num_classes=1_000_000))
        return folder

    def million_classes_file(self) -> Path:
        """X04: safetensors whose closing bias has a million entries, and nothing else."""
        import safetensors.numpy

        file = self.place / "X04.safetensors"
        safetensors.numpy.save_file({"logits/bias": np.zeros(1_000_000, np.float32)}, file)
        return file

    def _tflite(self, name: str, change: Callable[[Any], object]) -> Path:
        from kcnn.export import flatbuffer

        model = flatbuffer.read_model(self.good / "model_fp32.tflite")
        change(model)
        file = self.place / f"{name}.tflite"
        file.write_bytes(flatbuffer.pack_model(model))
        return file

    def tensor_bomb(self) -> Path:
        """X05: a .tflite with a tensor of 4 TiB."""

        def change(model: Any) -> None:
            graph = model.subgraphs[0]
            graph.tensors[graph.operators[0].outputs[0]].shape = np.array([1, 1 << 20, 1 << 20, 1], np.int32)

        return self._tflite("X05", change)

    def one_part_often(self) -> Path:
        """X06: a .tflite of 4 MB that lists one and the same tensor a million times."""
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

        from kcnn.export.flatbuffer import IDENTIFIER

        builder = flatbuffers.Builder(1 << 23)
        schema.TensorStart(builder)
        tensor = schema.TensorEnd(builder)
        schema.SubGraphStartTensorsVector(builder, 1_000_000)
        for _ in range(1_000_000):
            builder.PrependUOffsetTRelative(tensor)
        tensors = builder.EndVector()
        schema.SubGraphStart(builder)
        schema.SubGraphAddTensors(builder, tensors)
        graph = schema.SubGraphEnd(builder)
        schema.ModelStartSubgraphsVector(builder, 100)
        for _ in range(100):
            builder.PrependUOffsetTRelative(graph)
        graphs = builder.EndVector()
        schema.ModelStart(builder)
        schema.ModelAddVersion(builder, 3)
        schema.ModelAddSubgraphs(builder, graphs)
        builder.Finish(schema.ModelEnd(builder), file_identifier=IDENTIFIER)
        file = self.place / "X06.tflite"
        file.write_bytes(bytes(builder.Output()))
        return file

    def archive_bomb(self) -> Path:
        """X07: a .tflite whose archive of labels unpacks to 512 MiB."""
        file = self.place / "X07.tflite"
        shutil.copy(self.good / "model_fp32.tflite", file)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("more.txt", bytes(BOMB), zipfile.ZIP_DEFLATED, 1)
        return file

    def splat(self) -> Path:
        """X08: a SavedModel with a constant of 4 TB, told by one number."""
        from tensorflow.core.protobuf import saved_model_pb2

        folder = self.place / "X08"
        shutil.copytree(self.good / "saved_model", folder)
        file = folder / "saved_model.pb"
        content = saved_model_pb2.SavedModel.FromString(file.read_bytes())
        functions = content.meta_graphs[0].graph_def.library.function
        node = next(n for f in functions for n in f.node_def if n.op == "Const" and n.attr["value"].tensor.dtype == 1)
        tensor = node.attr["value"].tensor
        tensor.ClearField("tensor_content")
        del tensor.tensor_shape.dim[:], tensor.float_val[:]
        tensor.tensor_shape.dim.add(size=10**6), tensor.tensor_shape.dim.add(size=10**6)
        tensor.float_val.append(1.0)
        file.write_bytes(content.SerializeToString())
        return folder

    def log_link(self) -> Path:
        """X09: an honest run whose log is a link to a place outside; reading a run must not write there."""
        folder = self._run("X09")
        (folder / "kcnn.log").symlink_to(self.trap.canary)
        return folder

    def far_weights(self) -> Path:
        """X10: a run whose recipe starts from weights on the network."""
        folder = self._run("X10")
        self._edit(folder / "recipe.json", lambda record: record["model"].update(weights="hf:owner/repository"))
        return folder

    def pipe(self) -> Path:
        """X11: a named pipe called .safetensors, at whose other end nobody is."""
        file = self.place / "X11.safetensors"
        os.mkfifo(file)
        return file

    def all(self) -> dict[str, Path]:
        """Return what each is and does, from its docstring -> file."""
        makers = [value for value in vars(Maker).values() if (value.__doc__ or "").startswith(("K", "X"))]
        return {str(maker.__doc__): maker(self) for maker in makers}
