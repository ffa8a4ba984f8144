"""What explaining costs, and whether it points at things.

    .venv/bin/python tools/bench_explain.py occlusion --torch=PYTHON     against captum, same network, same CPU
    .venv/bin/python tools/bench_explain.py grad_cam                     a batch against one image after the other
    .venv/bin/python tools/bench_explain.py pointing --weights=FILE --voc=FOLDER

Results are compared before anything is timed, and both sides take turns. PYTHON has torch, torchvision, captum and
safetensors; FILE holds ImageNet weights of efficientnet_lite0; FOLDER is a PASCAL VOC tree.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

ROOT = Path(__file__).parents[1]
WINDOW, STRIDE, SIDE, TARGET = 32, 16, 128, 7
NETWORK = "efficientnet_lite0"

CAPTUM = """
import sys, time, numpy, torch, torchvision
from captum.attr import Occlusion
from safetensors.torch import save_file
from kcnn.testing import formula
torch.set_num_threads({threads})
network = torchvision.models.resnet18(weights=None).eval()
state = network.state_dict()
for name, values in state.items():
    if not name.endswith("num_batches_tracked"):
        values.copy_(torch.from_numpy(formula.torch_values(name, tuple(values.shape))))
save_file(state, "{folder}/weights.safetensors")
image = torch.from_numpy(formula.images(({side}, {side}, 3), 1).transpose(0, 3, 1, 2).copy())
occlusion = Occlusion(network)
for line in sys.stdin:
    start = time.perf_counter()
    with torch.no_grad():
        found = occlusion.attribute(image, (3, {window}, {window}), strides=(3, {stride}, {stride}), target={target})
    seconds = time.perf_counter() - start
    numpy.save("{folder}/captum.npy", found.numpy())
    print(seconds, flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("occlusion", "grad_cam", "pointing"))
    parser.add_argument("--torch", default="python", help="interpreter with torch and captum")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--voc", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    {"occlusion": occlusion, "grad_cam": grad_cam, "pointing": pointing}[args.what](args)


def occlusion(args: argparse.Namespace) -> None:
    import kcnn
    from kcnn.explain.occlusion import occlusion as ours
    from kcnn.testing import formula

    with tempfile.TemporaryDirectory() as folder:
        code = CAPTUM.format(
            folder=folder, threads=os.cpu_count(), side=SIDE, window=WINDOW, stride=STRIDE, target=TARGET
        )
        child = subprocess.Popen(
            [args.torch, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

        def captum() -> float:
            child.stdin.write("go\n")
            child.stdin.flush()
            return float(child.stdout.readline())

        captum()
        model = kcnn.build("resnet18", weights=f"{folder}/weights.safetensors", image_shape=(SIDE, SIDE, 3))
        image = formula.images((SIDE, SIDE, 3), 1)

        def mine() -> np.ndarray:
            return ours(model, image, TARGET, window=WINDOW, stride=STRIDE)

        difference = np.abs(mine() - np.load(f"{folder}/captum.npy")[:, 0]).max()
        scale = np.abs(np.load(f"{folder}/captum.npy")).max()
        print(
            f"resnet18, {SIDE} px, window {WINDOW}, stride {STRIDE}: largest difference {difference:.1e} of {scale:.2g}"
        )
        _table("captum, its defaults", captum, "kcnn", lambda: _seconds(mine), args.rounds)
        child.stdin.close()
        child.wait()


def grad_cam(args: argparse.Namespace) -> None:
    import keras

    import kcnn
    from kcnn.explain.grad_cam import grad_cam as ours
    from kcnn.testing import formula

    keras.utils.set_random_seed(0)
    model = kcnn.build("resnet18", num_classes=10, image_shape=(64, 64, 3))
    images = formula.images((64, 64, 3), 32)

    def batch() -> np.ndarray:
        return ours(model, images, TARGET, batch_size=32)

    def loop() -> np.ndarray:
        return np.concatenate([naive(model, image) for image in images])

    one, other = batch(), loop()
    if not (one.max(axis=(1, 2)) > 0).all():
        sys.exit("a map is zero everywhere, so that equal maps would prove nothing; choose another TARGET or seed")
    print(f"resnet18, 64 px, 32 images: largest difference {np.abs(one - other).max():.1e} of {one.max():.2g}")
    _table("one image after the other", lambda: _seconds(loop), "kcnn", lambda: _seconds(batch), args.rounds)


def naive(model, image):
    """Return Grad-CAM as tutorials write it: a sub-model, a tape, one image."""
    import keras
    import tensorflow as tf

    from kcnn.explain.core import usable_layers

    last = model.get_layer(list(usable_layers(model))[-1]).output
    part = keras.Model(model.inputs[0], [last, model.outputs[0]])
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(batch := tf.constant(image[None]))
        maps, outputs = part(batch)
        score = outputs[:, TARGET]
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1)).numpy()


def pointing(args: argparse.Namespace) -> None:
    import kcnn
    from kcnn.data.decode import decode
    from kcnn.data.preprocess import normalise, resize
    from kcnn.explain.core import with_softmax
    from kcnn.explain.faithfulness import chance_inside, points_inside
    from kcnn.explain.grad_cam import grad_cam
    from kcnn.explain.occlusion import occlusion

    record = kcnn.preprocess(NETWORK)
    model = kcnn.build(NETWORK, weights=args.weights, image_shape=record.image_shape)
    images, boxes = [], []
    for file in sorted((args.voc / "Annotations").glob("*.xml")):
        tree = ElementTree.parse(file).getroot()
        objects = tree.findall("object")
        if len(objects) != 1:
            continue
        pixels = decode((args.voc / "JPEGImages" / tree.findtext("filename")).read_bytes(), 3)
        box = objects[0].find("bndbox")
        sides = [(float(box.findtext(name)) - shift) for name, shift in
                 (("ymin", 1), ("xmin", 1), ("ymax", 0), ("xmax", 0))]  # fmt: skip
        scale = np.array(record.size) / pixels.shape[:2]
        images.append(resize(pixels, record).numpy())
        boxes.append([np.array(sides) * np.tile(scale, 2)])
    ready = normalise(np.stack(images), record).numpy()
    print(f"{len(images)} photos with one object, {NETWORK}, its own answer explained")
    print(f"  pointing at random  {chance_inside(boxes, record.size).mean():.3f}")
    cases = {
        "grad_cam": lambda: grad_cam(model, ready),
        "occlusion": lambda: occlusion(model, ready, window=64, stride=16),
        "occlusion of the probability": lambda: occlusion(with_softmax(model), ready, window=64, stride=16),
    }
    for name, method in cases.items():
        print(f"  {name:<30}{points_inside(method(), boxes, record.size).mean():.3f}", flush=True)


def _seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _table(theirs: str, one, ours: str, other, rounds: int) -> None:
    pairs = [(one(), other()) for _ in range(rounds)]
    first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"  {theirs}: {first:.3f} s; {ours}: {second:.3f} s; median ratio {ratio:.1f}x")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
