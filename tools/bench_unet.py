"""Segmentation networks against torchvision's, in float32 on the processor, one image at a time.

    python tools/bench_unet.py --torch=PYTHON [--size 256] [--seconds 20] [--threads 2] [NAME ...]

PYTHON has torch and torchvision; it runs as a child process, and the two take turns. torchvision has no U-Net, so
`unet` is held against its nearest network by multiply-adds a second; the others are the same network on both sides, of
which it prints images a second too. Above 1 ours is the faster. The weights are random, which does not change the time.
On a busy machine take --threads=1: torch's threads wait for the one that is held up, so that two say nothing.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

import kcnn
from kcnn.export.timing import take_turns
from kcnn.ops.cost import ledger, totals
from kcnn.testing import formula

PAIRS = {  # ours -> torchvision's, and ours that is the same network
    "unet": ("fcn_resnet50", "fcn_resnet50"),
    "fcn_resnet50": ("fcn_resnet50", "fcn_resnet50"),
    "deeplab_v3_resnet50": ("deeplabv3_resnet50", "deeplab_v3_resnet50"),
    "lraspp_mobilenet_v3_large": ("lraspp_mobilenet_v3_large", "lraspp_mobilenet_v3_large"),
}

CHILD = """
import sys, torch, torchvision
torch.set_num_threads({threads})
torch.set_num_interop_threads(1)
build = getattr(torchvision.models.segmentation, "{name}")
network, image = build(weights=None, weights_backbone=None).eval(), torch.randn(1, 3, {size}, {size})
print("ready", flush=True)
for line in sys.stdin:
    with torch.inference_mode():
        network(image)["out"].numpy()
    print(flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PAIRS)}; default all")
    parser.add_argument("--torch", required=True, metavar="PYTHON", help="interpreter with torch and torchvision")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each network, at least ten rounds")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for name in args.names or PAIRS:
        compare(name, args)


def compare(name: str, args: argparse.Namespace) -> None:
    theirs, twin = PAIRS[name]
    code = CHILD.format(threads=args.threads, name=theirs, size=args.size)
    with subprocess.Popen([args.torch, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        if not child.stdout.readline():
            sys.exit(f"{args.torch} has no {theirs}; it needs torch and torchvision.")

        def torchs() -> None:
            child.stdin.write("\n")
            child.stdin.flush()
            child.stdout.readline()

        shape = (args.size, args.size, 3)
        model = kcnn.build(name, image_shape=shape)
        speed = take_turns({"kcnn": forward(model, shape), "torchvision": torchs}, args.seconds)
        child.stdin.close()
    work = {"kcnn": multiply_adds(model), "torchvision": multiply_adds(kcnn.build(twin, image_shape=shape))}
    for side, network in (("kcnn", name), ("torchvision", theirs)):
        print(
            f"{side:11} {network:26} {work[side] / 1e9:6.2f} G multiply-adds, p50 {speed[side].p50:.1f} ms, "
            f"p90 {speed[side].p90:.1f} ms: {speed[side].per_second * work[side] / 1e9:.1f} G a second"
        )
    images = speed["kcnn"].per_second / speed["torchvision"].per_second
    told = f", images a second {images:.2f}x" if name == twin else ""
    ratio = images * work["kcnn"] / work["torchvision"]
    print(f"{name}, {args.size} px, {args.threads} thread(s): multiply-adds a second {ratio:.2f}x{told}", flush=True)


def forward(model: keras.Model, shape: tuple[int, int, int]) -> Callable[[], object]:
    """Return what computes the logits of one image in a compiled graph."""
    run, image = tf.function(lambda images: model(images, training=False)), tf.constant(formula.images(shape, 1))
    return lambda: run(image).numpy()


def multiply_adds(model: keras.Model) -> int:
    return totals(ledger(model))["macs"]


if __name__ == "__main__":
    main()
