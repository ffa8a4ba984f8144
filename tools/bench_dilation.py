"""Dilated convolutions in LiteRT: as one operation, or as SPACE_TO_BATCH_ND, a convolution and BATCH_TO_SPACE_ND.

    python tools/bench_dilation.py [--model deeplab_v3plus_mobilenet_v2] [--size 257] [--seconds 10] [--threads 1]

The converter folds the three into one where the batch is a number, as in `kcnn export`, and leaves them where it is
open. Prints the operations of both forms, in float32 and int8, their median time, the two taking turns, and by how much
their answers differ. The weights are random, which changes neither the operations nor their time.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import kcnn
from kcnn.export.anatomy import anatomy
from kcnn.export.timing import take_turns
from kcnn.testing import formula

TOLD = ("CONV_2D", "DEPTHWISE_CONV_2D", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="deeplab_v3plus_mobilenet_v2")
    parser.add_argument("--size", type=int, default=257)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    shape = (args.size, args.size, 3)
    model, image = kcnn.build(args.model, image_shape=shape), formula.images(shape, 1)
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("fp32", "int8"):
            calls, answers = {}, {}
            for form, batch in (("one operation", 1), ("three operations", None)):
                file = converted(model, batch, precision, image, Path(folder))
                found = anatomy(file)
                told = ", ".join(f"{found.ops.get(op, 0)} {op}" for op in TOLD)
                print(f"{precision}, {form} ({file.stat().st_size / 2**20:.2f} MiB): {told}", flush=True)
                calls[form] = runner(file, image, args.threads)
                answers[form] = calls[form]()
            speed = take_turns(calls, args.seconds)
            for form, times in speed.items():
                print(f"{precision}, {form}: p50 {times.p50:.2f} ms, p90 {times.p90:.2f} ms")
            one, three = answers.values()
            ratio = speed["three operations"].p50 / speed["one operation"].p50
            print(
                f"{args.model} {args.size} px, {precision}, {args.threads} thread(s): one operation is {ratio:.2f}x as "
                f"fast; answers differ by at most {np.abs(one - three).max() / np.abs(one).max():.1e} of the largest"
            )


def converted(model: keras.Model, batch: int | None, precision: str, image: np.ndarray, folder: Path) -> Path:
    """Write the model for a batch of that size, or an open one."""
    saved = str(folder / "saved_model")
    signature = keras.InputSpec(shape=(batch, *model.input_shape[1:]), dtype="float32", name="images")
    model.export(saved, input_signature=[signature], verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(saved)
    if precision == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: [[image]]
    file = folder / f"{precision}_{batch}.tflite"
    file.write_bytes(converter.convert())
    return file


def runner(file: Path, image: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    """Return what computes the answer of one image."""
    interpreter = Interpreter(str(file), num_threads=threads)
    entry, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    interpreter.resize_tensor_input(entry, image.shape)
    interpreter.allocate_tensors()

    def run() -> np.ndarray:
        interpreter.set_tensor(entry, image)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return run


if __name__ == "__main__":
    main()
