"""The child process that converts: `python -m kcnn.export.convert REQUEST.json`.

The converter logs to file descriptors, keeps memory, and can abort the process; none of that may reach the
program that exports. The request holds {"saved_model", "formats", "calibration", "result"}; every format ends
up as `<format>.tflite` beside the result file, or as an entry of it that says why not.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

PIXELS, VALUES = "pixels", "values"  # signatures of the SavedModel: images as prepared; the same numbers as float32


def convert(saved_model: str, precision: str, calibration: np.ndarray) -> bytes:
    """Return the LiteRT flatbuffer of one precision: "fp32", "fp16", "dynamic" or "int8".

    Args:
        saved_model: folder with the signatures `PIXELS` and `VALUES`.
        precision: as named above; "int8" has integer tensors only, uint8 at both ends.
        calibration: uint8 (N, H, W, C) images that fix the ranges of "int8".
    """
    whole = precision == "int8"
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[VALUES if whole else PIXELS])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision != "fp32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if whole:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: representative(calibration)
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
    return converter.convert()


def representative(images: np.ndarray) -> Any:
    """Yield the calibration inputs one by one, after one that spans 0..255.

    That one makes the input's scale exactly 1 and its zero point 0, so that the uint8 tensor is the image.
    """
    span = images[:1].astype(np.float32)
    span.flat[0], span.flat[-1] = 0.0, 255.0
    for image in (span, *images[:, None]):
        yield {"images": np.asarray(image, np.float32)}


def problems(error: Exception) -> list[dict[str, str]]:
    """Return what the converter says about operations it cannot convert: their name and their place."""
    found = []
    for item in getattr(error, "errors", None) or []:
        place = item.location.call[0].name if item.location.call else ""
        if item.operator.name:
            found.append({"op": item.operator.name.removeprefix("tf."), "place": place.partition("@")[0]})
    return found


def main(request_file: str) -> None:
    """Convert every format of the request, writing the result anew after each so that an abort loses no more."""
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    calibration = np.load(request["calibration"], allow_pickle=False)
    result_file = Path(request["result"])
    result: dict[str, dict[str, Any]] = {}
    for precision in request["formats"]:
        try:
            content = convert(request["saved_model"], precision, calibration)
            (result_file.parent / f"{precision}.tflite").write_bytes(content)
            result[precision] = {"problems": []}
        except Exception as error:  # the converter raises what its many layers raise; the parent reports it
            result[precision] = {"problems": problems(error), "error": f"{type(error).__name__}: {error}"}
        result_file.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
