"""Print the figures that the documents quote: `.venv/bin/python tools/figures.py NAME ... [--fashion=FOLDER]`.

    startup        import and --help, seconds (best of 5), and whether TensorFlow was imported
    fashion        LeNet-5 recipe on Fashion-MNIST: test accuracy over 3 seeds, int8 against float
    fashion_mobile MobileNetV2 on Fashion-MNIST: int8 against float, file sizes
    time_to_90     seconds of training to 0.90 test accuracy on Fashion-MNIST, ours and a stock Keras convnet in turn
    cifar10        MobileNetV2 recipe against mlp on CIFAR-10
    digits         the demo recipe over 3 seeds
    transfer       EfficientNet-Lite0 on a folder of photos, from ImageNet's weights and from scratch

Data: --fashion is a folder of the four IDX files, --cifar10 a folder of train.npz and test.npz,
--flowers a folder of photos, --weights a file of EfficientNet-Lite0's (default imagenet). Runs land in --work, which
may be deleted afterwards.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEEDS = (0, 1, 2)
TARGET = 0.90
MOST_EPOCHS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=sorted(FIGURES))
    parser.add_argument("--fashion", default="fashion_mnist", help="source of Fashion-MNIST")
    parser.add_argument("--cifar10", default="cifar10", help="source of CIFAR-10")
    parser.add_argument("--flowers", default="flowers", help="folder of photos, one sub-folder per class")
    parser.add_argument("--weights", default="imagenet", help="of EfficientNet-Lite0")
    parser.add_argument("--work", type=Path, help="where runs land; default a temporary folder")
    args = parser.parse_args()
    args.work = args.work or Path(tempfile.mkdtemp(prefix="kcnn-figures-"))
    for name in args.names:
        FIGURES[name](args)


def startup(args: argparse.Namespace) -> None:
    for code in ("import kcnn", "from kcnn.cli.main import run; run(['--help'])"):
        watched = f"import sys\ntry:\n    {code}\nexcept SystemExit: pass\nassert 'tensorflow' not in sys.modules"
        best = min(seconds([sys.executable, "-c", watched]) for _ in range(5))
        bare = min(seconds([sys.executable, "-c", "pass"]) for _ in range(5))
        print(f"{code.split(';')[0]}: {best:.2f} s, of which Python itself {bare:.2f} s; tensorflow not imported")


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def digits(args: argparse.Namespace) -> None:
    over_seeds(args, "digits_lenet5", [])


def fashion(args: argparse.Namespace) -> None:
    over_seeds(args, "fashion_mnist_lenet5", [f"--data={args.fashion}"])


def fashion_mobile(args: argparse.Namespace) -> None:
    settings = ["--set=preprocess.size=32,32", "--set=preprocess.channel_order=rgb", "--set=train.epochs=4"]
    train(args, "fashion_mnist_lenet5", "fashion_mobilenet_v2", 0, [
        f"--data={args.fashion}", "--model=mobilenet_v2", "--set=train.learning_rate=0.05", *settings
    ])  # fmt: skip


def cifar10(args: argparse.Namespace) -> None:
    data = f"--data={args.cifar10}"
    ours = train(args, "cifar10_mobilenet_v2", "cifar10_mobilenet_v2", 0, [data])
    mlp = train(args, "cifar10_mobilenet_v2", "cifar10_mlp", 0, [
        data, "--model=mlp", "--set=preprocess.size=32,32", "--set=preprocess.channel_order=rgb",
        "--set=train.optimizer=sgd", "--set=train.learning_rate=0.02", "--set=train.weight_decay=0.0005",
        "--set=export.min_agreement=0",
    ])  # fmt: skip
    print(f"mobilenet_v2 beats mlp by {100 * (ours - mlp):.1f} points")


def transfer(args: argparse.Namespace) -> None:
    data = [f"--data={args.flowers}", "--model=efficientnet_lite0"]
    tuned = train(args, "folder_transfer", "transfer", 0, [*data, f"--weights={args.weights}"])
    scratch = train(args, "folder_transfer", "scratch", 0, [
        *data, "--set=model.weights=", "--set=train.head_epochs=0", "--set=train.trunk_rate=1", "--set=train.epochs=20",
        "--set=train.learning_rate=0.002", "--set=export.min_agreement=0",
    ])  # fmt: skip
    print(f"transfer: test accuracy {tuned:.3f} from the weights, {scratch:.3f} from scratch")


def over_seeds(args: argparse.Namespace, recipe: str, options: list[str]) -> None:
    found = [train(args, recipe, f"{recipe}_{seed}", seed, options) for seed in SEEDS]
    each = ", ".join(f"{accuracy:.4f}" for accuracy in found)
    print(f"{recipe}: mean test accuracy {statistics.mean(found):.4f} over seeds {SEEDS}: {each}")


def train(args: argparse.Namespace, recipe: str, name: str, seed: int, options: list[str]) -> float:
    """Run `kcnn train` to its end; print what it reports and return the test accuracy of Keras."""
    command = [sys.executable, "-m", "kcnn", "train", recipe, *options, f"--name={name}", f"--set=train.seed={seed}"]
    command += [f"--runs={args.work / 'runs'}", f"--bundles={args.work / 'saved_models'}"]
    took = seconds([*command, "--set=export.check_images=10000"])
    bundle = max((args.work / "saved_models" / name).iterdir(), key=lambda path: int(path.name))
    report = json.loads((bundle / "report.json").read_text())
    for kind, entry in report["formats"].items():
        print(
            f"{name}: {kind:12} {entry['bytes'] / 1024:8.0f} KiB  accuracy {entry['accuracy']:.4f}"
            f"  agreement {entry['agreement']:.4f}  ({report['images']} test images)"
        )
    print(f"{name}: {took:.0f} s for the whole road", flush=True)
    return report["formats"]["keras"]["accuracy"]


def time_to_90(args: argparse.Namespace) -> None:
    ratios = []
    for seed in SEEDS:
        mine, theirs = ours(args.fashion, seed), stock(args.fashion, seed)
        ratios.append(mine / theirs)
        print(
            f"to {TARGET}: LeNet-5 recipe {mine:.1f} s, stock convnet {theirs:.1f} s, ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"time to {TARGET}: median ratio {statistics.median(ratios):.2f}")


def ours(data: str, seed: int) -> float:
    """Seconds of training until the recipe's weights (averaged, as it keeps them) reach the target."""
    import keras
    import numpy as np

    from kcnn import recipe as recipes
    from kcnn.data import open_source, pipeline
    from kcnn.tasks import TASKS

    keras.utils.set_random_seed(seed)
    recipe = recipes.override(recipes.load("fashion_mnist_lenet5"), [f"data.source={data}", f"train.seed={seed}"])
    source, task = open_source(recipe.data, recipe.preprocess.bit_depth), TASKS.get(recipe.task)
    labels = source.split("train").labels
    steps = pipeline.steps_per_epoch(len(labels), recipe.train.batch_size)
    model = task.model(recipe, source.info)
    task.compile(model, recipe, steps, np.bincount(labels))
    test = task.dataset(recipe, source, "test", training=False)
    images, truth = np.concatenate([batch[0] for batch in test]), source.split("test").labels
    watch = stopwatch(images, truth)
    averages = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if recipe.train.ema else []
    batches = task.dataset(recipe, source, "train", training=True)
    model.fit(batches, epochs=recipe.train.epochs, steps_per_epoch=steps, verbose=0, callbacks=[*averages, watch])
    return watch.reached


def stock(data: str, seed: int) -> float:
    """The same for the convnet of Keras' MNIST example: 32 and 64 3x3 maps, dropout 0.5, Adam, batch 128."""
    import keras

    from kcnn.data import open_source

    keras.utils.set_random_seed(seed)
    source = open_source(data)
    (x, y), (images, truth) = [
        (split.arrays["image"].astype("float32") / 255, split.arrays["label"])
        for split in (source.split("train"), source.split("test"))
    ]
    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(64, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    watch = stopwatch(images, truth)
    model.fit(x, y, batch_size=128, epochs=MOST_EPOCHS, verbose=0, callbacks=[watch])
    return watch.reached


def stopwatch(images, truth):
    """Return a callback: `reached` is the time spent training, first trace included, testing excluded."""
    import keras

    class Watch(keras.callbacks.Callback):
        spent, reached = 0.0, float("inf")

        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.spent += time.perf_counter() - self.start
            found = self.model.predict_on_batch(images).argmax(axis=1)
            if (found == truth).mean() >= TARGET:
                self.reached, self.model.stop_training = self.spent, True

    return Watch()


FIGURES = {
    "startup": startup,
    "digits": digits,
    "fashion": fashion,
    "fashion_mobile": fashion_mobile,
    "time_to_90": time_to_90,
    "cifar10": cifar10,
    "transfer": transfer,
}

if __name__ == "__main__":
    main()
