"""Networks with weights: what ImageNet taught, a file of your own, a repository on the Hugging Face hub."""

import contextlib
import dataclasses
import importlib
import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcnn import guard, models
from kcnn.errors import ResourceError, ShapeError, UnknownNameError, WeightsError
from kcnn.recipe import Preprocess, from_dict
from kcnn.versions import newest

if TYPE_CHECKING:
    import keras

    from kcnn.weights.transplant import Table, Weights

MANY_CLASSES = 10_000  # up to here a head is small whatever a file says
LIBRARIES = ("keras", "torchvision", "timm", "pytorch_model")
HUB = re.compile(r"hf:(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class Pretrained:
    """Weights that were found, and the names by which our layers are called in them."""

    weights: "Weights"
    table: "Table"
    preprocess: Preprocess | None = None
    trunk: str = ""  # the classifier that they are of, where the network only starts with it

    @property
    def head_name(self) -> str:
        """What they call the bias of our layer "logits"."""
        from kcnn.weights.transplant import rename

        name, full = rename("logits", "bias", self.table)
        return self.weights.spelled(name, "bias", full)

    @property
    def classes(self) -> int:
        """How many classes their head has.

        Raises:
            WeightsError: it has no bias to tell.
        """
        from kcnn.weights.transplant import rename

        name, full = rename("logits", "bias", self.table)
        bias = self.weights.read(None, name, "bias", full)  # type: ignore[arg-type]  # any layer: a bias has one axis
        if bias is None:
            raise WeightsError(f"the weights have no {self.head_name!r}, the bias of the closing layer.")
        return len(bias)

    def no_larger(self) -> contextlib.AbstractContextManager[None]:
        """Return a `with` in which no network much larger than the weights is built, where they ask for many classes.

        Raises:
            WeightsError: inside, before the memory is taken.
        """
        if self.classes <= MANY_CLASSES:
            return contextlib.nullcontext()
        held = sum(array.size for array in self.weights.arrays())
        told = f"the weights hold {held:,} numbers but ask for {self.classes:,} classes, which need {{asked}} at least."
        return guard.variables_within(2 * held + MANY_CLASSES, f"{told} They are of another network.", WeightsError)

    def into(self, model: "keras.Model") -> bool:
        """Copy the weights into `model`; return whether its head was filled too, which needs equal classes.

        Weights of a classifier reach those layers of a network on its trunk that are called as the classifier's; a
        dense layer's become those of the convolution that replaces it.

        Raises:
            WeightsError: they are of another network.
        """
        from kcnn.weights.transplant import transplant

        if self.trunk:
            with self.no_larger():
                classifier = models.build(self.trunk, num_classes=self.classes)
            transplant(classifier, self.weights, self.table)
            share(classifier, model)
            return False
        head = model.output_shape[-1] == self.classes
        transplant(model, self.weights, self.table, head=head)
        return head


def build(name: str, *, weights: str | Path | None = None, **arguments: Any) -> "keras.Model":
    """Build a network by name, as a plain functional `keras.Model` with logits out.

    Args:
        name: one of `kcnn.list_models()`.
        weights: None for random ones; "imagenet"; "hf:OWNER/REPOSITORY" of timm's on the Hugging Face hub;
            a `.safetensors` file (kcnn's or PyTorch's), a `.keras` or `.h5` file of Keras, of which only the arrays
            are read, a run or bundle folder.
        **arguments: of the family's `build`: `num_classes` (int) and `image_shape` (height, width, channels; None
            where any size will do). With other `num_classes` than the weights have, the trunk is theirs and the head
            new; so too where a segmentation network gets the weights of its classifier. The defaults are those of the
            paper, or of the weights.

    Returns: a model from (N, H, W, C) float images, already preprocessed (`kcnn.preprocess` says how), to
        (N, num_classes) logits.

    Raises:
        UnknownNameError: no model of that name; the nearest are listed.
        ConfigError: `name` is no text, or `num_classes` no positive whole number.
        ShapeError: `image_shape` is too small for the network, has no such form, or other channels than the weights.
        WeightsError: the weights are of another network, or their file is missing or damaged.
        ResourceError: they cannot be downloaded; the message says which file to put where.

    Example:
        >>> kcnn.build("lenet5", num_classes=10).count_params()
        61706
    """
    if weights is None:
        return models.build(name, **arguments)
    models.MODELS.get(name)
    shape = arguments.get("image_shape")
    if shape is not None and len(shape) == 3 and shape[2] != 3 and _is_imagenet(weights):
        raise ShapeError(
            f"{name}: image_shape is {shape} but weights={weights!r} see 3 channels (RGB). "
            "Repeat the gray channel three times, or train from random weights.",
            expected=(*shape[:2], 3),
            actual=shape,
        )
    found = find(name, weights)
    own = found.trunk or "num_classes" in arguments
    if not own:
        arguments["num_classes"] = found.classes
    with contextlib.nullcontext() if own else found.no_larger():
        model = models.build(name, **arguments)
    found.into(model)
    return model


def preprocess(name: str, weights: str | Path = "imagenet") -> Preprocess:
    """Return how pixels 0..255 become the inputs that pretrained weights of `name` expect.

    Args:
        name: one of `kcnn.list_models()`.
        weights: as in `build`. A repository states its pixels in config.json, a run or bundle in preprocess.json; a
            file of another library is taken to expect what that library's ImageNet weights do.

    Raises:
        UnknownNameError: no such model, or no such weights for it.
        WeightsError: nobody says which pixels the file expects; or as `build`.
        ResourceError: the repository cannot be reached.
    """
    models.MODELS.get(name)
    known = weights == "imagenet"
    found = _record(trunk_of(name) or name).preprocess if known else find(name, weights).preprocess
    if found is None:
        raise WeightsError(
            f"{weights} does not say which pixels it expects. Give the run or bundle folder that it comes from, or "
            "write a recipe with `model.weights` and the `preprocess` you know."
        )
    return found


def find(name: str, weights: str | Path) -> Pretrained:
    """Return the weights that `build` would copy into a network called `name`; see there.

    Raises:
        UnknownNameError: there are no ImageNet weights of that network.
        WeightsError, ResourceError: as `build`.
    """
    text, trunk = str(weights), trunk_of(name)
    if text == "imagenet":
        record = _record(trunk or name)
        if record.library == "timm":
            return _from_hub(name, record.source, None)
        return _from_keras(name, record.source, dict(record.arguments), record.preprocess)
    if hub := HUB.fullmatch(text):
        return _from_hub(name, hub["repository"], hub["revision"])
    if text.startswith("hf:"):
        raise WeightsError(f"weights is {text!r} but must be hf:OWNER/REPOSITORY, as in hf:timm/resnet18.tv_in1k.")
    return _from_file(name, Path(text).expanduser())


def trunk_of(name: str) -> str:
    """Return the classifier whose layers a network starts with, by its row's `trunk`; "" where it is one itself.

    Raises:
        UnknownNameError: no such model.
    """
    make = models.MODELS.get(name)
    row = getattr(importlib.import_module(make.__module__), "SPECS", {}).get(name)
    return getattr(row, "trunk", "")


def share(classifier: "keras.Model", model: "keras.Model") -> None:
    """Copy weights between layers of equal names, but for the closing one.

    Raises:
        WeightsError: a layer has another number of weights.
    """
    theirs = {layer.name: layer for layer in classifier.layers if layer.weights and layer.name != "logits"}
    for layer in model.layers:
        if layer.name in theirs:
            values = theirs[layer.name].get_weights()
            if [value.size for value in values] != [math.prod(weight.shape) for weight in layer.weights]:
                raise WeightsError(
                    f"{model.name}: layer {layer.name!r} has weights {[tuple(w.shape) for w in layer.weights]} but "
                    f"{classifier.name}'s are {[value.shape for value in values]}. Build it with its channels."
                )
            layer.set_weights([v.reshape(w.shape) for v, w in zip(values, layer.weights, strict=True)])


def _is_imagenet(weights: str | Path) -> bool:
    return str(weights) == "imagenet" or str(weights).startswith("hf:")


def _record(name: str) -> Any:
    from kcnn.weights.records import IMAGENET

    if name not in IMAGENET:
        hint = "Give a file or hf:OWNER/REPOSITORY as its weights."
        raise UnknownNameError("network with ImageNet weights", name, IMAGENET, hint)
    return IMAGENET[name]


def _from_keras(name: str, source: str, arguments: dict[str, Any], pixels: Preprocess) -> Pretrained:
    """Let keras.applications download, check and cache its file, and read the network it makes of it."""
    import keras

    from kcnn.weights.transplant import KerasWeights

    try:
        twin = getattr(keras.applications, source)(weights="imagenet", **arguments)
    except Exception as error:  # get_file raises plain Exception when there is no network
        url = re.search(r"https?://\S+?\.h5", str(error))
        where = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
        file = url[0].rpartition("/")[2] if url else "the file it names"
        raise ResourceError(
            f"the ImageNet weights of {name} cannot be downloaded: {error}. "
            f"Without a network, put {file} into {where}, or give weights= a file."
        ) from error
    trunk = trunk_of(name)
    return Pretrained(KerasWeights.of(twin), tables(trunk or name)["keras"], pixels, trunk)


def _from_hub(name: str, repository: str, revision: str | None) -> Pretrained:
    from kcnn.weights.files import read
    from kcnn.weights.records import from_timm

    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise ResourceError(
            f"weights hf:{repository} need the package huggingface_hub: pip install 'kcnn[hub]'."
        ) from error
    try:
        file = hf_hub_download(repository, "model.safetensors", revision=revision)
        settings = hf_hub_download(repository, "config.json", revision=revision)
    except Exception as error:  # a dozen classes, from no network to no such repository
        raise ResourceError(
            f"hf:{repository} cannot be downloaded: {type(error).__name__}: {error}. Without a network, fetch its "
            f"model.safetensors elsewhere, call it {repository.rpartition('/')[2]}.safetensors, and give weights= that."
        ) from error
    facts = json.loads(Path(settings).read_text(encoding="utf-8")).get("pretrained_cfg", {})
    return recognise(name, read(Path(file)), f"hf:{repository}", from_timm(facts) if facts else None)


def _from_file(name: str, path: Path) -> Pretrained:
    from kcnn.weights.files import check_recorded, read

    if not path.is_dir():
        return recognise(name, read(path), str(path))
    folder = newest(path)
    file, pixels, model = (folder / part for part in ("weights.safetensors", "preprocess.json", "model.json"))
    if not file.is_file():
        raise WeightsError(
            f"{path} is no trained run or bundle: it holds no weights.safetensors. Give the weights file itself."
        )
    found = read(file)
    if model.is_file():
        record = guard.parse_json(guard.read_text(model, WeightsError), str(model), WeightsError)
        check_recorded(file, record, WeightsError)
    facts = from_dict(Preprocess, json.loads(pixels.read_text()), str(pixels)) if pixels.is_file() else None
    return recognise(name, found, str(path), facts)


def recognise(name: str, weights: "Weights", source: str, pixels: Preprocess | None = None) -> Pretrained:
    """Tell by the name of the closing layer which library `weights` come from.

    Args:
        source: file or repository, for messages and for twins that only its name tells apart.
        pixels: that they expect, where it is known; else those of the library's ImageNet weights.

    Raises:
        WeightsError: it is none of those that know this family, or one whose network departs from ours.
    """
    from kcnn.weights.records import pixels_of

    if (trunk := trunk_of(name)) and _of_classifier(trunk, weights):
        return dataclasses.replace(recognise(trunk, weights, source, pixels), trunk=trunk)
    listed = set(weights.names())
    for library, table in tables(name).items():
        found = Pretrained(weights, table, pixels or pixels_of(name, library))
        if found.head_name not in listed:
            continue
        if table.spec:
            told = ", ".join(f"{key}={value!r}" for key, value in table.spec.items())
            raise WeightsError(
                f"{source} is {library}'s {name}, which departs from ours in {told}: its weights would compute "
                "something else here. Take 'imagenet', or another network."
            )
        if table.mark not in source.rpartition("/")[2]:
            raise WeightsError(
                f"{source} may be {library}'s own {name} or the one with TensorFlow's padding: inside they look alike, "
                f"and only the latter fits here. Its name must contain {table.mark!r}, as in hf:timm/tf_...; rename "
                "the file if you know that it is that one."
            )
        return found
    raise WeightsError(
        f"{source} does not end as {name} does in any library known here ({', '.join(tables(name))}). "
        "It is of another network, or has lost its head."
    )


def _of_classifier(trunk: str, weights: "Weights") -> bool:
    """Tell whether weights are of the classifier itself and not of a network on its trunk: it ends dense."""
    from kcnn.weights.transplant import rename

    for table in tables(trunk).values():
        name, full = rename("logits", "kernel", table)
        kernel = weights.read(None, name, "kernel", full)  # type: ignore[arg-type]  # told by its axes
        if kernel is not None and kernel.ndim == 2:
            return True
    return False


def tables(name: str) -> dict[str, "Table"]:
    """Return library -> table for the family of `name`, our own names first."""
    from kcnn.weights.transplant import Table

    found = {"kcnn": Table([])}
    module = models.MODELS.entries()[name].target.partition(":")[0]
    with contextlib.suppress(ModuleNotFoundError):  # a family, ours or a plug-in's, that exists nowhere else
        known = importlib.import_module(f"kcnn.weights.tables.{module.rpartition('.')[2]}")
        found |= {library: getattr(known, library)(name) for library in LIBRARIES if hasattr(known, library)}
    return found
