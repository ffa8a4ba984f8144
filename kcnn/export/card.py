"""The model card: what a bundle is, how good, how to run it, and what it must not be used for."""

from typing import TYPE_CHECKING, Any

from kcnn.export.facts import Facts
from kcnn.recipe import Preprocess, Recipe

if TYPE_CHECKING:
    from kcnn.tasks.task import Signature

TITLES = {
    "keras": "Keras (weights.safetensors)",
    "saved_model": "SavedModel (saved_model/)",
    "fp32": "LiteRT float32 (model_fp32.tflite)",
    "fp16": "LiteRT float16 (model_fp16.tflite)",
    "dynamic": "LiteRT dynamic range (model_dynamic.tflite)",
    "int8": "LiteRT int8 (model_int8.tflite)",
}
SHOWN_LABELS = 20


def model_card(recipe: Recipe, facts: Facts, report: dict[str, Any], signature: "Signature") -> str:
    """Return the README.md of a bundle, whose report.json is `report`; `signature` is the task's for `recipe`."""
    shown = ", ".join(facts.labels[:SHOWN_LABELS])
    more = f" and {len(facts.labels) - SHOWN_LABELS} more" if len(facts.labels) > SHOWN_LABELS else ""
    (height, width, channels), dtype = facts.preprocess.image_shape, facts.preprocess.dtype
    return f"""# {recipe.name}, version {report["version"]}

`{recipe.model.name}` for {recipe.task} of {len(facts.labels)} classes: {shown}{more} (`labels.txt`).
It takes one {"gray" if channels == 1 else "RGB"} image of {width}x{height} pixels as {dtype} 0..255, resized with an
antialiased bilinear filter; normalisation is part of every file. `saved_model/` resizes and decodes by itself.
It gives {signature.gives}

## Data and training

Trained by kcnn on `{recipe.data.source}` for at most {recipe.train.epochs} epochs; `recipe.json` repeats the run.

## Metrics

On {measured_on(report)}, spread evenly over it. {resized(report)}
Difference and agreement are to Keras; milliseconds are the median for one image on {report["machine"]["cpus"]} CPU
core(s), LiteRT with 1 thread.

{_table(report)}

## Run it

{_example(facts, report, signature.usage)}

## Limits

It knows its {len(facts.labels)} classes only and gives everything else one of them. Images unlike its training data
(light, camera, people, places) were not tested, nor was fairness.

## Licence

The training data's licence: {facts.licence}. It may bind what you do with these weights.
"""


def measured_on(report: dict[str, Any]) -> str:
    """Return which images the scores of a report.json come from: "355 images of 'test'", or how many of how many."""
    images, total = report["images"], report.get("split_images", report["images"])
    return f"{images if images == total else f'{images} of the {total}'} images of {report['split']!r}"


def resized(report: dict[str, Any]) -> str:
    """Return in what the scores of a report.json differ from those of `kcnn evaluate`; "" where in nothing."""
    if not report.get("resized"):
        return ""
    height, width = report["resized"]
    return (
        f"Images and masks have {width}x{height} pixels here; `kcnn evaluate` takes every image of the split in its "
        "own pixels, so its scores differ."
    )


def _table(report: dict[str, Any]) -> str:
    scores = report["scores"]
    titles = [score.replace("_", " ") for score in scores]
    lines = [
        f"| format | KiB | {' | '.join(titles)} | agreement | largest difference | ms |",
        f"|---|---:|{'---:|' * len(scores)}---:|---:|---:|",
    ]
    for name, entry in report["formats"].items():
        shares = " | ".join(f"{100 * entry[key]:.2f} %" for key in (*scores, "agreement"))
        lines.append(
            f"| {TITLES[name]} | {entry['bytes'] / 1024:.0f} | {shares} | {entry['difference']:.2g} "
            f"| {entry['ms']:.2f} |"
        )
    return "\n".join(lines)


def _example(facts: Facts, report: dict[str, Any], usage: str) -> str:
    """Return ten lines of Python that run the smallest LiteRT file, without kcnn or TensorFlow."""
    files = [name for name in report["formats"] if name not in ("keras", "saved_model")]
    if not files:
        return "`tf.saved_model.load('saved_model').signatures['serve_bytes'](contents=tf.constant([file_bytes]))`"
    smallest = min(files, key=lambda name: report["formats"][name]["bytes"])
    shape = ", ".join(map(str, facts.preprocess.image_shape))
    return f"""```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
model = Interpreter("model_{smallest}.tflite")
model.allocate_tensors()
{_opened(facts.preprocess)}
model.set_tensor(model.get_input_details()[0]["index"], np.{facts.preprocess.dtype}(image).reshape(1, {shape}))
model.invoke()
{usage}
```"""


def _opened(record: Preprocess) -> str:
    """Return Python that opens an image as the model takes it."""
    height, width, channels = record.image_shape
    if record.bit_depth == 16 and channels == 1:
        opened = f'Image.open("scan.png").convert("F").resize(({width}, {height}), 2)'
        return f"image = np.asarray({opened}) / 257  # bilinear; of an 8-bit file without the division"
    comment = "bilinear" if record.bit_depth == 8 else "bilinear; 8 bits: of an array of 16 give value / 257"
    mode = "L" if channels == 1 else "RGB"
    return f'image = Image.open("photo.jpg").convert("{mode}").resize(({width}, {height}), 2)  # {comment}'
