"""Train a recipe, or a model on a folder of images: the whole road to an evaluated, exported bundle.

The same command again goes on where the run stopped.
"""

import argparse
import contextlib
import dataclasses
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kcnn.cli.console import Console
from kcnn.errors import CheckpointError, ConfigError, KcnnError

if TYPE_CHECKING:
    from kcnn.recipe import Recipe

HELP = "train, evaluate and export: a recipe, or --data and --model"
FOLDER_RECIPE, TRANSFER_RECIPE, MASKS_RECIPE = "folder_mobilenet_v2", "folder_transfer", "folder_deeplab"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("recipe", nargs="?", metavar="RECIPE", help="a name of `kcnn list recipes`, a .py file, or a run's recipe.json")
    add("--data", metavar="SOURCE", help="folder or file of images, a source's name, or tfds:NAME")
    add("--model", metavar="NAME", help="a name of `kcnn list models`")
    add(
        "--weights",
        metavar="W",
        help="start from these: imagenet, a .safetensors, .keras or .h5 file, a run or bundle, hf:OWNER/REPOSITORY",
    )
    add("--name", metavar="NAME", help="of the run and the bundle; default the recipe's, or the data's and the model's")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe: --set train.epochs=3")
    add("--smoke", action="store_true", help="a run of seconds on little data, to see that all works")
    add("--resume", action="store_true", help="go on with a run that exists, and fail where there is none")
    add("--strategy", choices=("auto", "one", "mirrored"), help="devices to train on; short for --set train.strategy=")
    add(
        "--max_bad_fraction",
        metavar="SHARE",
        help="of unreadable images left out; short for --set data.max_bad_fraction=",
    )
    add(
        "--bit_depth",
        metavar="BITS",
        help="16 keeps all bits of 16-bit PNG files, 8 the high byte; short for --set preprocess.bit_depth=",
    )
    add("--max_minutes", metavar="MINUTES", help="stop after this long; short for --set train.max_minutes=")
    add("--find_lr", action="store_true", help="try learning rates, draw the curve, suggest one, and train nothing")
    add("--no_export", action="store_true", help="stop after the evaluation")
    add("--runs", default="runs", metavar="FOLDER", help="where run folders are (default: runs)")
    add("--bundles", default="saved_models", metavar="FOLDER", help="where bundles go (default: saved_models)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Walk the whole road: sample batch, fit, evaluate, export, closing table."""
    recipe = recipe_of(args)
    folder = Path(args.runs) / recipe.name
    if args.resume and not (folder / "recipe.json").is_file():
        raise CheckpointError(f"--resume: there is no run at {folder}. Leave --resume out to begin one.")

    from kcnn.train.rundir import RunDir

    with RunDir(folder).lock() as held:
        console.log_to(folder / "kcnn.log")
        if args.find_lr:
            return find_lr(recipe, folder, console)

        from kcnn.cli.evaluate import evaluate_run
        from kcnn.train.run import train

        train(recipe, held, console=console)
        evaluate_run(folder, console=console)
        if not args.no_export:
            publish(folder, Path(args.bundles), console)
    console.line(f"Watch the run:  {program('tensorboard')} --logdir {folder / 'tensorboard'}")
    return 0


def publish(folder: Path, bundles: Path, console: Console) -> None:
    """Export the run, or show the bundle again that holds just these weights."""
    from kcnn.cli.export import export_run, published, show

    bundle = published(folder, bundles)
    if bundle is None:
        export_run(folder, bundles, console=console)
    else:
        console.note(f"{bundle} holds this very run already")
        show(bundle, console)


def program(name: str) -> str:
    """Return how to call a program of this environment: its name where the PATH finds it, else its path."""
    own = Path(sys.executable).parent / name
    found = shutil.which(name)
    if found and Path(found).resolve() == own.resolve():
        return name
    return os.path.relpath(own) if own.is_relative_to(Path.cwd()) else str(own)


def recipe_of(args: argparse.Namespace) -> "Recipe":
    """Return the recipe that the flags describe.

    Raises:
        ConfigError: neither a recipe nor --data with --model is given.
        UnknownNameError: an unknown recipe, model or key.
    """
    from kcnn import recipe as recipes

    if args.recipe and args.recipe.endswith(".json"):
        from kcnn.train.weights import read_recipe

        base = read_recipe(Path(args.recipe))
    elif args.recipe:
        base = recipes.load(args.recipe, smoke=args.smoke)
    elif args.data and args.model:
        base = recipes.load(_fitting(args.data, args.weights), smoke=args.smoke)
    else:
        raise ConfigError(
            "train needs a recipe (kcnn train digits_lenet5) or data and a model "
            "(kcnn train --data=photos/ --model=mobilenet_v2)."
        )
    if args.model and args.model != base.model.name:
        base = with_model(base, args.model)
    if args.weights and args.smoke:
        raise ConfigError("--smoke builds a tiny network, which has no such weights; leave out --weights.")
    if args.weights:
        base = with_weights(base, args.weights)
    name = args.name or (base.name if args.recipe else f"{_word(args.data)}_{args.model}")
    if args.smoke and not args.name:
        name += "_smoke"
    changes = [f"{key}={value}" for key, value in _short(args).items() if value is not None]
    base = dataclasses.replace(base, name=name)
    if base.config is None and any(change.startswith("config.") for change in args.set):
        from kcnn.train.job import resolve

        base = resolve(base)
    return recipes.override(base, [*changes, *args.set])


def _fitting(data: str, weights: str | None) -> str:
    """Return the recipe for what `data` holds: masks, or one label an image."""
    from kcnn.data import open_source

    with contextlib.suppress(KcnnError):  # what is wrong with the data is said where they are opened to be learnt
        if "mask" in open_source(data).info.keys:
            return MASKS_RECIPE
    return TRANSFER_RECIPE if weights else FOLDER_RECIPE


def _short(args: argparse.Namespace) -> dict[str, str | None]:
    return {
        "data.source": args.data,
        "data.max_bad_fraction": args.max_bad_fraction,
        "preprocess.bit_depth": args.bit_depth,
        "train.strategy": args.strategy,
        "train.max_minutes": args.max_minutes,
    }


def _word(data: str) -> str:
    """Return what can name a run of `data`, which may be a path or "tfds:NAME"."""
    word = data.removeprefix("tfds:") if data.startswith("tfds:") else Path(data).resolve().stem
    return re.sub(r"[^\w.+-]+", "_", word).strip("._") or "data"


def with_model(recipe: "Recipe", name: str) -> "Recipe":
    """Return `recipe` with another model, and with the input size where that model has one of its own."""
    from kcnn.models import build

    height, width, channels = build(name).input_shape[1:]
    preprocess = recipe.preprocess
    if height and width:
        order = "gray" if channels == 1 else "rgb"
        preprocess = dataclasses.replace(preprocess, size=(height, width), channel_order=order)
    return dataclasses.replace(recipe, preprocess=preprocess, model=dataclasses.replace(recipe.model, name=name))


def with_weights(recipe: "Recipe", weights: str) -> "Recipe":
    """Return `recipe` with the weights it starts from, and the pixels that such weights of its network expect.

    Where they are those of a classifier that the network only starts with, images keep the recipe's size.
    """
    from kcnn import zoo

    found = zoo.find(recipe.model.name, weights)  # fetches them before any work
    preprocess = dataclasses.replace(found.preprocess or recipe.preprocess, bit_depth=recipe.preprocess.bit_depth)
    if found.trunk:
        preprocess = dataclasses.replace(preprocess, size=recipe.preprocess.size)
    return dataclasses.replace(recipe, preprocess=preprocess, model=dataclasses.replace(recipe.model, weights=weights))


def find_lr(recipe: "Recipe", folder: Path, console: Console) -> int:
    """Print the suggested learning rate and draw the curve; the run itself is not begun."""
    from kcnn.train.lr_finder import find

    found = find(recipe, folder / "lr_finder.png", console=console)
    console.line(f"suggested learning rate {found:.2g}; the curve is {folder / 'lr_finder.png'}")
    console.line(f"use it:  --set train.learning_rate={found:.2g}")
    return 0
