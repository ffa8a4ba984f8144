"""Arrays out of HDF5 and `.keras` files of strangers.

Numbers and names are read, nothing else: no architecture is built from a file, no class or function looked up, nothing
extracted to the disk. Files that refer to other files, or unpack to far more than they weigh, are refused.
"""

import io
import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kcnn import guard
from kcnn.errors import WeightsError

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MOST_LAYERS = 20_000
MOST_NAMES = 4 << 20  # bytes of an attribute that lists names
Layers = dict[str, dict[str, np.ndarray]]

_KERNEL = ("kernel",), "bias"
ORDER: dict[str, tuple[Sequence[str], str]] = {  # Keras class -> variables in the order it saves them, optional last
    **dict.fromkeys(
        ("Dense", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "Conv2DTranspose"), _KERNEL
    ),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), (("depthwise_kernel", "pointwise_kernel"), "bias")),
    "PReLU": (("alpha",), ""),
}
NORMS = {"BatchNormalization": ("moving_mean", "moving_variance"), "LayerNormalization": ()}


def read_keras(path: Path) -> Layers:
    """Return layer -> variable -> array of a `.keras` file; its config.json only tells which variables a layer has.

    Raises:
        WeightsError: the archive is damaged or unsafe (see `kcnn.guard.check_zip`), or its arrays are (`Arrays`); or a
            layer of another class than Keras' own holds weights.
    """
    members = {member.filename: member for member in guard.check_zip(path, WeightsError)}
    for name in (CONFIG, WEIGHTS):
        if name not in members:
            raise WeightsError(f"{path} has no {name}: it is no .keras file that Keras 3 saved with its weights.")
    if members[CONFIG].file_size > guard.MOST_TEXT:
        raise WeightsError(f"{path}: {CONFIG} has {members[CONFIG].file_size:,} bytes; no network needs so many.")
    with zipfile.ZipFile(path) as archive:
        text = archive.read(CONFIG).decode("utf-8")
        content = archive.read(WEIGHTS)
    known = dict(_layers_of(guard.parse_json(text, f"{CONFIG} in {path}", WeightsError)))
    arrays = Arrays(io.BytesIO(content), len(content), f"{path}:{WEIGHTS}")
    found: Layers = {}
    with arrays as root:
        for saved in arrays.walk(root, ""):
            name = str(saved.attrs.get("name", ""))
            if name in found:
                raise WeightsError(f"{path} has two layers called {name!r}; give each a name of its own.")
            found[name] = dict(zip(_variables(path, name, known, len(saved)), arrays.numbered(saved), strict=True))
    return found


def _layers_of(config: Any) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    """Yield layer name -> (class, settings) of a model's configuration, nested models too."""
    level = [config]
    while level:
        item = level.pop()
        settings = item.get("config") if isinstance(item, dict) else None
        if not isinstance(settings, dict):
            continue
        layers = settings.get("layers")
        level += layers if isinstance(layers, list) else []
        if isinstance(name := settings.get("name"), str):
            yield name, (str(item.get("class_name")), settings)


def _variables(path: Path, name: str, known: dict[str, tuple[str, dict[str, Any]]], count: int) -> list[str]:
    """Return the names of the `count` variables that the layer `name` has saved."""
    kind, settings = known.get(name, ("a class that its config.json does not name", {}))
    if kind in NORMS:
        names = [v for v, setting in (("gamma", "scale"), ("beta", "center")) if settings.get(setting, True)]
        names += NORMS[kind]
    elif kind in ORDER:
        first, last = ORDER[kind]
        names = [*first, last] if last and settings.get("use_bias", True) else list(first)
    else:
        names = []
    if len(names) != count:
        raise WeightsError(
            f"{path}: layer {name!r} is {kind} with {count} arrays, which kcnn cannot place. Only layers of Keras' own "
            f"are imported ({', '.join(sorted({*ORDER, *NORMS}))}); save the weights as .safetensors instead."
        )
    return names


def read_applications(path: Path) -> Layers:
    """Return layer -> variable -> array of an `.h5` file as keras.applications and `model.save("x.h5")` write it.

    Raises:
        WeightsError: it has another layout, or its arrays are unsafe or damaged (see `Arrays`).
    """
    size = guard.check_file(path, WeightsError)
    arrays = Arrays(path, size, str(path))
    layers = {}
    with arrays as file:
        root = arrays.step(file, "model_weights") if "model_weights" in file else file
        if "layer_names" not in root.attrs:
            raise WeightsError(
                f"{path} is not in the layout of keras.applications' files (it has no 'layer_names'). For one that "
                "`model.save_weights` wrote, build the model and call `model.load_weights`."
            )
        for layer in arrays.names(root, "layer_names"):
            group = arrays.step(root, layer)
            variables = {_variable(name): arrays.read(group, name) for name in arrays.names(group, "weight_names")}
            if variables:
                layers[layer] = variables
    return layers


def _variable(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]


class Arrays:
    """The arrays of one HDF5 file, read so that none leads elsewhere and all together fit its size.

    Args:
        source: path, or the content.
        size: of the file in bytes.
        where: it lies, for messages.
    """

    def __init__(self, source: Path | io.BytesIO, size: int, where: str):
        self.source, self.size, self.where = source, size, where
        self.held = self.groups = 0

    def __enter__(self) -> Any:
        import h5py

        self.file = h5py.File(self.source, "r")
        return self.file

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def step(self, group: Any, name: str) -> Any:
        """Return what `name`, with slashes or without, means below `group`.

        Raises:
            WeightsError: there is no such thing, or the way leads over a link.
        """
        import h5py

        for part in filter(None, name.split("/")):
            link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
            if link is None:
                raise WeightsError(f"{self.where} has no {name!r} although it lists it; it is damaged.")
            if not isinstance(link, h5py.HardLink):
                raise WeightsError(f"{self.where}: {name!r} is a link to another place or file; such are not followed.")
            group = group[part]
        return group

    def read(self, group: Any, name: str) -> np.ndarray:
        """Return the array `name` below `group`.

        Raises:
            WeightsError: it is not made of numbers in this very file, or too large for the file.
        """
        import h5py

        found = self.step(group, name)
        if not isinstance(found, h5py.Dataset):
            raise WeightsError(f"{self.where}: {name!r} is no array; the file is damaged.")
        if found.external or found.is_virtual:
            raise WeightsError(f"{self.where}: {name!r} keeps its numbers in another file; such are not read.")
        if found.dtype.kind not in "fiub" or found.shape is None:
            raise WeightsError(f"{self.where}: {name!r} holds {found.dtype} but weights are numbers.")
        self.held += math.prod(found.shape) * found.dtype.itemsize
        guard.check_ratio(f"{self.where}, {name!r}", self.held, self.size, WeightsError)
        return np.asarray(found)

    def names(self, group: Any, attribute: str) -> list[str]:
        """Return a list of names that an attribute of `group` holds.

        Raises:
            WeightsError: it has none, or one that cannot be.
        """
        import h5py

        if attribute not in group.attrs:
            raise WeightsError(f"{self.where}: {group.name} has no {attribute!r}; it is damaged.")
        facts = h5py.h5a.open(group.id, attribute.encode())
        if math.prod(facts.shape) * facts.dtype.itemsize > min(MOST_NAMES, self.size):
            raise WeightsError(f"{self.where}: {attribute!r} is longer than the file or {MOST_NAMES:,} bytes.")
        values = np.atleast_1d(group.attrs[attribute])
        if len(values) > MOST_LAYERS:
            raise WeightsError(f"{self.where}: {attribute!r} lists {len(values):,} names; no network has so many.")
        return [value.decode() if isinstance(value, bytes) else str(value) for value in values]

    def walk(self, group: Any, path: str) -> Iterator[Any]:
        """Yield the groups called "vars" below `group` that hold arrays, as Keras 3 saves them, in the file's order.

        Raises:
            WeightsError: there are too many groups, or they are too deep.
        """
        import h5py

        self.groups += 1
        if self.groups > MOST_LAYERS or path.count("/") > guard.DEEPEST:
            raise WeightsError(f"{self.where} has more than {MOST_LAYERS:,} groups, or groups too deep in each other.")
        for name in group:
            below = self.step(group, name)
            if not isinstance(below, h5py.Group) or (name in ("optimizer", "seed_generator") and not path):
                continue
            if name != "vars":
                yield from self.walk(below, f"{path}/{name}")
            elif len(below):
                yield below

    def numbered(self, group: Any) -> list[np.ndarray]:
        """Return the arrays "0", "1", ... of a group in this order."""
        return [self.read(group, str(index)) for index in range(len(group))]
