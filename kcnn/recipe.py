"""What a run is: frozen dataclasses of plain values, written as JSON and read back to repeat it.

A recipe file defines `recipe(smoke=False) -> Recipe`. `override` applies `--set section.key=value`.
"""

import dataclasses
import json
import re
import runpy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kcnn.errors import ConfigError, DataError, KcnnError, UnknownNameError
from kcnn.guard import parse_json
from kcnn.plain import check, from_dict, override

__all__ = [
    "Data", "Export", "Model", "Preprocess", "Recipe", "Train",
    "check", "from_dict", "from_json", "load", "override", "recipe_files", "recipe_folders", "smoke", "to_json",
]  # fmt: skip


LARGEST_SIDE = 16_384  # pixels; a wrong digit is likelier than such an image
MOST = 1_000_000  # epochs, and examples a batch
DTYPES = {8: "uint8", 16: "float32"}  # bits kept of a colour -> type of images 0..255


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How pixels 0..255 become the numbers that a set of weights expects: `(pixel * scale - mean) / std`.

    One record in three places: training (`kcnn.data`), `predict`, and inside every export.

    Attributes:
        size: (height, width) of the model's input, in pixels.
        scale: factor applied to pixels 0..255 first.
        mean, std: one number per channel, in units after `scale`.
        channel_order: "gray" (1 channel), "rgb" or "bgr" (3 channels).
        interpolation: "bilinear" (antialiased when shrinking) or "nearest".
        bit_depth: 8, or 16 to keep all bits of 16-bit PNG files: pixels are then float32, 0..255 in steps of 1/257.
    """

    size: tuple[int, int] = (224, 224)
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    channel_order: Literal["gray", "rgb", "bgr"] = "rgb"
    interpolation: Literal["bilinear", "nearest"] = "bilinear"
    bit_depth: Literal[8, 16] = 8

    def __post_init__(self) -> None:
        right = len(self.size) == 2 and min(self.size) >= 1 and max(self.size) <= LARGEST_SIDE
        check(right, f"preprocess.size is {self.size} but must be two numbers in 1..{LARGEST_SIDE}.")
        orders, ways = ("gray", "rgb", "bgr"), ("bilinear", "nearest")
        check(self.channel_order in orders, f"preprocess.channel_order is {self.channel_order!r}, not one of {orders}.")
        check(self.interpolation in ways, f"preprocess.interpolation is {self.interpolation!r}, not one of {ways}.")
        check(self.bit_depth in DTYPES, f"preprocess.bit_depth is {self.bit_depth!r} but must be one of {[*DTYPES]}.")
        check(self.scale > 0, f"preprocess.scale is {self.scale} but must be positive (1/255 or 1).")
        for name in ("mean", "std"):
            count = len(getattr(self, name))
            check(
                count in (1, self.channels),
                f"preprocess.{name} has {count} entries but must have 1{' or 3' if self.channels == 3 else ''}, "
                f"one per channel of {self.channel_order!r}.",
            )
        check(min(self.std) > 0, f"preprocess.std is {self.std} but every entry must be positive.")

    @property
    def channels(self) -> int:
        """1 for gray, else 3."""
        return 1 if self.channel_order == "gray" else 3

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the model's input."""
        return (*self.size, self.channels)

    @property
    def dtype(self) -> str:
        """Of prepared images: "uint8", or "float32" at 16 bits."""
        return DTYPES[self.bit_depth]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where examples come from.

    Attributes:
        source: a name of `kcnn list sources`, `tfds:NAME`, or the path of a folder or file.
        validation: share of the training split held out where the source has no validation split, 0..0.9.
        limit: use at most this many examples of each split; 0 uses all.
        max_bad_fraction: share of unreadable images that is skipped and reported; more stops the run.
        max_leaked_fraction: share of the validation images that may be in the training split too; more stops the run.
    """

    source: str = "digits"
    validation: float = 0.1
    limit: int = 0
    max_bad_fraction: float = 0.01
    max_leaked_fraction: float = 0.01

    def __post_init__(self) -> None:
        check(0 <= self.validation <= 0.9, f"data.validation is {self.validation} but must lie in 0..0.9.")
        check(self.limit >= 0, f"data.limit is {self.limit} but must be 0 (all) or a positive count.")
        for name in ("max_bad_fraction", "max_leaked_fraction"):
            share = getattr(self, name)
            check(0 <= share <= 1, f"data.{name} is {share} but must lie in 0..1 (0.01 is 1 %).")


@dataclass(frozen=True, kw_only=True)
class Model:
    """Which network.

    Attributes:
        name: of `kcnn list models`.
        num_classes: 0 means as many as the source has.
        weights: to start from, as in `kcnn.build`: "imagenet", a file, "hf:OWNER/REPOSITORY"; "" for random ones.
    """

    name: str = "tiny_lenet5"
    num_classes: int = 0
    weights: str = ""

    def __post_init__(self) -> None:
        check(self.num_classes >= 0, f"model.num_classes is {self.num_classes} but must be 0 or positive.")


@dataclass(frozen=True, kw_only=True)
class Train:
    """How long and how fast to train.

    Attributes:
        epochs, batch_size: passes over the training split; examples per step over all replicas.
        seed: of weights, data order and augmentation.
        optimizer: "sgd" (Nesterov momentum) or "adamw".
        learning_rate: peak rate, reached after `warmup_epochs` (at most half of training), then cosine decay to 0.
        momentum: of SGD. weight_decay: decoupled; biases, gamma and beta are excluded.
        ema: decay of the moving average of the weights per step, 0 turns it off.
        head_epochs: before all else, train the closing layer alone for so many epochs, on features computed once.
        trunk_rate: learning rate of all but the closing layer, as a share of `learning_rate`, 0..1; below 1 batch
            normalisation keeps its statistics and weights.
        precision: Keras dtype policy.
        patience: epochs without improvement of `monitor` before stopping; 0 never stops early.
        monitor: metric that picks the kept weights: the best epoch's when `patience` > 0, else the last's.
        max_minutes: stop after this much training time; 0 is no limit.
        checkpoint_steps: also save every so many steps; 0 saves at each epoch's end only.
        on_save_error: "stop" where a checkpoint cannot be written, or "warn" and go on without it. What is saved for
            the end of training, or because of a signal, must succeed either way.
        on_nan: when the loss or a weight is not finite, "stop"; "rollback" to the last checkpoint and halve the
            learning rate, at most five times; or "skip" the step's update, at most ten in a row.
        strategy: "auto" (mirrored when there are several GPUs), "one" or "mirrored".
        sync_batchnorm: batch statistics over all replicas.
    """

    epochs: int = 1
    batch_size: int = 32
    seed: int = 0
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup_epochs: float = 0.0
    ema: float = 0.0
    head_epochs: int = 0
    trunk_rate: float = 1.0
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    patience: int = 0
    monitor: str = "val_accuracy"
    max_minutes: float = 0.0
    checkpoint_steps: int = 0
    on_save_error: Literal["stop", "warn"] = "stop"
    on_nan: Literal["stop", "rollback", "skip"] = "stop"
    strategy: Literal["auto", "one", "mirrored"] = "auto"
    sync_batchnorm: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            right = 1 <= getattr(self, name) <= MOST
            check(right, f"train.{name} is {getattr(self, name)} but must lie in 1..{MOST:,}.")
        check(self.seed < 2**32, f"train.seed is {self.seed} but must be below 2**32.")
        for name in (
            "weight_decay",
            "warmup_epochs",
            "patience",
            "max_minutes",
            "checkpoint_steps",
            "seed",
            "head_epochs",
        ):
            check(getattr(self, name) >= 0, f"train.{name} is {getattr(self, name)} but must not be negative.")
        check(0 <= self.trunk_rate <= 1, f"train.trunk_rate is {self.trunk_rate} but must lie in 0..1.")
        check(self.learning_rate > 0, f"train.learning_rate is {self.learning_rate} but must be positive.")
        for name in ("ema", "momentum"):
            check(0 <= getattr(self, name) < 1, f"train.{name} is {getattr(self, name)} but must lie in 0..1.")


@dataclass(frozen=True, kw_only=True)
class Export:
    """What a bundle holds.

    Attributes:
        formats: LiteRT precisions, any of "fp32", "fp16", "dynamic", "int8"; all of them means all that the model can
            have, which is without "int8" where `preprocess.bit_depth` is 16.
        calibration: training images that fix the int8 ranges.
        check_images: test images on which every format is compared with Keras.
        min_agreement: share of equal top predictions below which a format is refused, 0..1.
    """

    formats: tuple[Literal["fp32", "fp16", "dynamic", "int8"], ...] = ("fp32", "fp16", "dynamic", "int8")
    calibration: int = 200
    check_images: int = 1000
    min_agreement: float = 0.97

    def __post_init__(self) -> None:
        check(
            len(set(self.formats)) == len(self.formats),
            f"export.formats is {','.join(self.formats)} but must name each format once.",
        )
        for name in ("calibration", "check_images"):
            check(getattr(self, name) >= 1, f"export.{name} is {getattr(self, name)} but must be at least 1.")
        check(
            0 <= self.min_agreement <= 1,
            f"export.min_agreement is {self.min_agreement} but must lie in 0..1 (0.97 is 97 %).",
        )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One run, whole. `config` is the task's own frozen dataclass (`Task.config`); `name` names its folders."""

    name: str
    task: str = "classification"
    data: Data = field(default_factory=Data)
    preprocess: Preprocess = field(default_factory=Preprocess)
    model: Model = field(default_factory=Model)
    config: Any = None
    train: Train = field(default_factory=Train)
    export: Export = field(default_factory=Export)

    def __post_init__(self) -> None:
        check(
            re.fullmatch(r"\w[\w.+-]*", self.name) is not None,
            f"name is {self.name!r} but must be letters, digits, '_', '-', '.' and '+', as it names a folder.",
        )
        formats = self.export.formats
        check(
            self.preprocess.bit_depth == 8 or "int8" not in formats or formats == Export().formats,
            f"export.formats is {','.join(formats)}, but int8 has 256 levels of pixels where preprocess.bit_depth=16 "
            "keeps 65,536; leave int8 out.",
        )


def smoke(recipe: Recipe, *, model: str, size: tuple[int, int] = (32, 32), source: str = "digits") -> Recipe:
    """Shrink a recipe to seconds: embedded data, a `tiny_*` model, 64 examples a split, one epoch."""
    return dataclasses.replace(
        recipe,
        data=dataclasses.replace(recipe.data, source=source, limit=64, validation=0.25),
        preprocess=dataclasses.replace(recipe.preprocess, size=size),
        model=dataclasses.replace(recipe.model, name=model, num_classes=0, weights=""),
        train=dataclasses.replace(
            recipe.train, epochs=1, batch_size=16, warmup_epochs=0.0, head_epochs=min(recipe.train.head_epochs, 1)
        ),
        export=dataclasses.replace(recipe.export, calibration=16, check_images=32, min_agreement=0.0),
    )


def to_json(recipe: Recipe) -> str:
    """Return the resolved recipe as JSON text that `from_json` reads back equal."""
    return json.dumps(dataclasses.asdict(recipe), indent=2) + "\n"


def from_json(text: str, config: type | None = None, where: str = "recipe.json") -> Recipe:
    """Read what `to_json` wrote; `config` is the task's configuration class.

    Raises:
        ConfigError: the text is not JSON of a recipe, with `where` in the message.
        UnknownNameError: it has a key that recipes do not have.
    """
    values = parse_json(text, where, ConfigError, "Restore it or start a new run.")
    try:
        recipe = from_dict(Recipe, values)
        if config is None or recipe.config is None:
            return recipe
        return dataclasses.replace(recipe, config=from_dict(config, recipe.config, "config"))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def recipe_folders() -> list[Path]:
    """Folders searched for recipe names: `./pipelines`, then the ones kcnn brings."""
    package = Path(__file__).parent
    return [Path("pipelines"), package / "pipelines", package.parent / "pipelines"]


def recipe_files() -> dict[str, Path]:
    """Return recipe name -> file for every recipe in `recipe_folders`, the nearest folder first."""
    found: dict[str, Path] = {}
    for folder in recipe_folders():
        for path in sorted(folder.glob("[a-z]*.py")):
            found.setdefault(path.stem, path)
    return found


def load(name: str, smoke: bool = False) -> Recipe:
    """Read a recipe by name (`digits_lenet5`) or path (`my/recipe.py`).

    The file is a program of yours and is run as one.

    Raises:
        UnknownNameError: neither a file nor a known recipe.
        ConfigError: the file fails, or defines no `recipe(smoke=False)` that returns a `Recipe`.
    """
    path = Path(name)
    if not path.is_file():
        known = recipe_files()
        if name not in known:
            if (path / "recipe.json").is_file():
                raise DataError(
                    f"{name} is a run, not a recipe. `kcnn train` goes on with it when it is called as it was at first."
                )
            if path.suffix == ".py":
                raise DataError(f"recipe file {name} does not exist. Recipes: {', '.join(sorted(known)) or 'none'}.")
            raise UnknownNameError("recipe", name, known)
        path = known[name]
    try:
        result = runpy.run_path(str(path))["recipe"](smoke=smoke)
    except KcnnError:
        raise
    except (Exception, SystemExit) as error:  # the file is the user's program and may raise anything
        missing = isinstance(error, KeyError) and error.args == ("recipe",)
        what = "it defines no function recipe" if missing else f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"{path} is not a recipe: {what}. "
            "A recipe file is Python that defines recipe(smoke=False) -> kcnn.recipe.Recipe."
        ) from error
    if not isinstance(result, Recipe):
        raise ConfigError(f"{path}: recipe() returned {type(result).__name__} but must return kcnn.recipe.Recipe.")
    return from_json(to_json(result), type(result.config) if result.config is not None else None, str(path))
