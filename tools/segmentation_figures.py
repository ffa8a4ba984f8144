"""Print the figures of segmentation: `.venv/bin/python tools/segmentation_figures.py NAME ... [--camvid=FOLDER]`.

    camvid      U-Net from scratch on CamVid: test mIoU, per class, every format of the bundle
    camvid_lite DeepLabV3+ on EfficientNet-Lite0 with ImageNet's weights: the same
    camvid_edge DeepLabV3+ MobileNetV2 from scratch: the same
    pets        U-Net on the pets' trimaps: the same
    shapes      the embedded recipe: the same
    unpooling   SegNet with and without remembered positions on the shapes, same seeds
    skips       FCN-32s, 16s and 8s of one narrow trunk on the shapes: boundary F-score
    window      the sliding window against its fully convolutional twin: seconds an image, answers equal
    looks       a finished run (--run=FOLDER) by tiles, at several scales and mirrored

Data: --camvid and --pets are folders, --weights a file of EfficientNet-Lite0's (default imagenet). Runs land in --work,
where a later call goes on with what it finds; --set KEY=VALUE changes a recipe, as for a first try
(--set train.epochs=1 --set data.limit=16).
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SEEDS = (0, 1, 2)
SKIPS = {"FCN-32s": (), "FCN-16s": ("block4_pool",), "FCN-8s": ("block4_pool", "block3_pool")}
SKIPS_TRUNK = (("repeats", (1, 1, 2, 2, 2)), ("widths", (16, 32, 64, 96, 96)), ("units", 128))  # of tiny_vgg
SKIPS_EPOCHS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=sorted(FIGURES))
    parser.add_argument("--camvid", default="camvid", help="folder of CamVid")
    parser.add_argument("--pets", default="pets", help="folder of the pets")
    parser.add_argument("--weights", default="imagenet", help="of EfficientNet-Lite0")
    parser.add_argument("--run", type=Path, help="a finished run, for `looks`")
    parser.add_argument("--set", action="append", default=[], help="change the recipe")
    parser.add_argument("--work", type=Path, help="where runs land; default a temporary folder")
    args = parser.parse_args()
    args.work = args.work or Path(tempfile.mkdtemp(prefix="kcnn-figures-"))
    for name in args.names:
        FIGURES[name](args)


def camvid(args: argparse.Namespace) -> None:
    train(args, "camvid_unet", "camvid_unet", [f"--data={args.camvid}"])


def camvid_lite(args: argparse.Namespace) -> None:
    options = [f"--data={args.camvid}", "--model=deeplab_v3plus_efficientnet_lite0", f"--weights={args.weights}"]
    train(args, "camvid_deeplab_mobilenet_v2", "camvid_lite0", options)


def camvid_edge(args: argparse.Namespace) -> None:
    train(args, "camvid_deeplab_mobilenet_v2", "camvid_deeplab_mobilenet_v2", [f"--data={args.camvid}"])


def pets(args: argparse.Namespace) -> None:
    train(args, "pets_unet", "pets_unet", [f"--data={args.pets}"])


def shapes(args: argparse.Namespace) -> None:
    train(args, "shapes_segnet", "shapes_segnet", [])


def unpooling(args: argparse.Namespace) -> None:
    for seed in SEEDS:
        for model in ("segnet_small", "segnet_small_nearest"):
            options = [f"--model={model}", f"--set=train.seed={seed}", "--no_export"]
            train(args, "shapes_segnet", f"shapes_{model}_{seed}", options)


def train(args: argparse.Namespace, recipe: str, name: str, options: list[str]) -> dict[str, Any]:
    """Run `kcnn train` to its end, print what it reports, and return report.json of the evaluation."""
    command = [sys.executable, "-m", "kcnn", "train", recipe, *options, f"--name={name}"]
    command += [f"--runs={args.work / 'runs'}", f"--bundles={args.work / 'saved_models'}"]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *(f"--set={change}" for change in args.set)], check=False, stdout=subprocess.DEVNULL
    )
    if done.returncode:
        sys.exit(done.returncode)  # it has said why
    print(f"{name}: {time.perf_counter() - start:.0f} s for the whole road", flush=True)
    report = json.loads((args.work / "runs" / name / "report" / "report.json").read_text())
    show(name, report)
    for row in report["per_class"]:
        print(f"{name}: {row['class']:12} IoU {cell(row['iou'])}  boundary F {cell(row['boundary_f'])}")
    for bundle in sorted((args.work / "saved_models" / name).glob("*/report.json"))[-1:]:
        for kind, entry in json.loads(bundle.read_text())["formats"].items():
            print(
                f"{name}: {kind:12} {entry['bytes'] / 1024:8.0f} KiB {entry['ms']:7.1f} ms  "
                f"mIoU {entry['mean_iou']:.4f}  pixels {entry['pixel_accuracy']:.4f}  agree {entry['agreement']:.4f}"
            )
    return report


def show(name: str, report: dict[str, Any]) -> None:
    numbers = "  ".join(f"{key} {cell(report[key])}" for key in ("mean_iou", "pixel_accuracy", "boundary_f"))
    print(f"{name}: {report['split']} ({report['examples']} images)  {numbers}", flush=True)


def cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def skips(args: argparse.Namespace) -> None:
    """The three networks differ in their skips alone; trunk, data, seed and steps are the same."""
    import keras

    from kcnn import recipe as recipes
    from kcnn.data import open_source
    from kcnn.models import fcn
    from kcnn.tasks import TASKS

    plain = recipes.load("shapes_segnet")
    plain = recipes.override(plain, [f"train.epochs={SKIPS_EPOCHS}", "train.ema=0", *args.set])
    source, task = open_source(plain.data), TASKS.get(plain.task)
    steps = -(-source.split("train").size // plain.train.batch_size)
    for name, pools in SKIPS.items():
        keras.utils.set_random_seed(plain.train.seed)
        spec = dataclasses.replace(fcn.SPECS["tiny_fcn"], skips=pools, changes=SKIPS_TRUNK)
        model = fcn.network(name, spec, len(source.info.classes), plain.preprocess.image_shape)
        task.compile(model, plain, steps, task.class_counts(plain, source.info, source.split("train")))
        model.fit(
            task.dataset(plain, source, "train", training=True),
            epochs=plain.train.epochs,
            steps_per_epoch=steps,
            shuffle=False,
            verbose=0,
        )
        folder = args.work / "skips" / name
        folder.mkdir(parents=True, exist_ok=True)
        show(name, task.evaluate(model, plain, source, "test", frozenset(), folder))


def window(args: argparse.Namespace) -> None:
    """One image of 30x40 pixels: a patch for each pixel, and all pixels at once, with the same weights."""
    import numpy as np

    from kcnn.models import build, sliding_window

    size = (30, 40)
    whole = build("sliding_window", num_classes=11, image_shape=(*size, 3))
    patches = sliding_window.patch_classifier(whole)
    image = np.random.default_rng(0).normal(size=(*size, 3)).astype("float32")
    whole(image[None], training=False)  # both are warm
    patches(np.zeros((sliding_window.WIDEST_BATCH, *patches.input_shape[1:]), "float32"), training=False)
    spent: dict[str, list[float]] = {"patches": [], "whole": []}
    for _ in range(3):  # in turns, so that a busy moment hits both
        start = time.perf_counter()
        slow = sliding_window.slide(patches, image)
        middle = time.perf_counter()
        fast = np.asarray(whole(image[None], training=False))[0]
        spent["patches"].append(middle - start)
        spent["whole"].append(time.perf_counter() - middle)
    each = {name: min(times) for name, times in spent.items()}
    costs = sliding_window.costs("sliding_window", *size)
    same = (slow.argmax(-1) == fast.argmax(-1)).mean()
    print(
        f"sliding window: {each['patches']:.2f} s an image, convolutional {each['whole']:.4f} s: "
        f"{each['patches'] / each['whole']:.0f} times; multiply-adds {costs['patches'] / costs['whole']:.0f} times; "
        f"largest difference {np.abs(slow - fast).max():.1e}, same class in {same:.1%}"
    )


def looks(args: argparse.Namespace) -> None:
    from kcnn import recipe as recipes
    from kcnn.tasks import TASKS
    from kcnn.train.weights import load_run, open_data

    model, recipe, info = load_run(args.run)
    source = open_data(recipe, info)
    changes: dict[str, list[str]] = {
        "as trained": [],
        "mirrored": ["config.mirror=true"],
        "three scales, mirrored": ["config.mirror=true", "config.scales=0.75,1.0,1.25"],
        "tiles": ["config.inference=tiles"],
    }
    for name, settings in changes.items():
        folder = args.work / "looks" / name.replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        chosen = recipes.override(recipe, settings)
        report = TASKS.get(recipe.task).evaluate(model, chosen, source, source.held_out, frozenset(), folder)
        show(f"{recipe.name}, {name}", report)


FIGURES = {
    "camvid": camvid,
    "camvid_lite": camvid_lite,
    "camvid_edge": camvid_edge,
    "pets": pets,
    "shapes": shapes,
    "unpooling": unpooling,
    "skips": skips,
    "window": window,
    "looks": looks,
}

if __name__ == "__main__":
    main()
