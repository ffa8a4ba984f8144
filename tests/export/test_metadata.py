"""Metadata read back by readers that share nothing with the writer.

`Reader` walks the flatbuffer by the field numbers of the published schema (metadata_schema.fbs 1.5.0), with `struct`
alone. Where MediaPipe is installed, its own ImageClassifier runs the files too.
"""

import struct
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kcnn.export import metadata
from kcnn.export.runner import open_model

from .conftest import without_metadata

FORMATS = ("fp32", "fp16", "dynamic", "int8")


class Reader:
    """One table of a flatbuffer: offset to the vtable, then the fields by number."""

    def __init__(self, data: bytes, at: int):
        self.data, self.at = data, at

    @classmethod
    def root(cls, data: bytes) -> "Reader":
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def _field(self, number: int) -> int | None:
        vtable = self.at - struct.unpack_from("<i", self.data, self.at)[0]
        size = struct.unpack_from("<H", self.data, vtable)[0]
        place = 4 + 2 * number
        offset = struct.unpack_from("<H", self.data, vtable + place)[0] if place < size else 0
        return self.at + offset if offset else None

    def scalar(self, number: int, kind: str) -> int:
        at = self._field(number)
        return 0 if at is None else struct.unpack_from("<" + kind, self.data, at)[0]

    def _follow(self, number: int) -> int:
        at = self._field(number)
        return at + struct.unpack_from("<I", self.data, at)[0]

    def text(self, number: int) -> str:
        at = self._follow(number)
        size = struct.unpack_from("<I", self.data, at)[0]
        return self.data[at + 4 : at + 4 + size].decode()

    def table(self, number: int) -> "Reader":
        return Reader(self.data, self._follow(number))

    def tables(self, number: int) -> list["Reader"]:
        at = self._follow(number)
        places = [at + 4 + 4 * i for i in range(struct.unpack_from("<I", self.data, at)[0])]
        return [Reader(self.data, place + struct.unpack_from("<I", self.data, place)[0]) for place in places]

    def floats(self, number: int) -> list[float]:
        at = self._follow(number)
        return list(struct.unpack_from(f"<{struct.unpack_from('<I', self.data, at)[0]}f", self.data, at + 4))


def read_metadata(file) -> bytes:
    """Return the buffer that the model calls TFLITE_METADATA."""
    model = schema.Model.GetRootAsModel(file.read_bytes(), 0)
    named = {model.Metadata(i).Name(): model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    return model.Buffers(named[b"TFLITE_METADATA"]).DataAsNumpy().tobytes()


@pytest.mark.parametrize("name", FORMATS)
def test_an_independent_reader_finds_every_field(bundle, name):
    data = read_metadata(bundle / f"model_{name}.tflite")
    assert data[4:8] == b"M001"
    model = Reader.root(data)
    assert model.text(0) == "tiny_digits"
    assert model.text(5) == "of the training data: CC BY 4.0"
    assert model.text(7) == "1.0.0"
    (graph,) = model.tables(3)
    (image,) = graph.tables(2)
    (scores,) = graph.tables(3)

    content = image.table(3)
    assert content.scalar(0, "B") == 2  # union ContentProperties: ImageProperties
    properties = content.table(1)
    assert properties.scalar(0, "b") == 2  # ColorSpaceType.GRAYSCALE
    size = properties.table(1)
    assert (size.scalar(0, "I"), size.scalar(1, "I")) == (28, 28)
    (unit,) = image.tables(4)
    assert unit.scalar(0, "B") == 1  # union ProcessUnitOptions: NormalizationOptions
    assert (unit.table(1).floats(0), unit.table(1).floats(1)) == ([0.0], [1.0])
    assert (image.table(5).floats(0), image.table(5).floats(1)) == ([255.0], [0.0])

    assert scores.text(0) == "probabilities"
    assert scores.table(3).scalar(0, "B") == 1  # FeatureProperties
    (labels,) = scores.tables(6)
    assert labels.text(0) == "labels.txt"
    assert labels.scalar(2, "b") == 2  # AssociatedFileType.TENSOR_AXIS_LABELS
    (record,) = graph.tables(4)
    assert record.text(0) == "kcnn.json"


@pytest.mark.parametrize("name", FORMATS)
def test_the_archive_behind_the_model_is_stored_and_holds_the_labels(bundle, name):
    with zipfile.ZipFile(bundle / f"model_{name}.tflite") as archive:
        assert archive.read("labels.txt").decode() == "".join(f"{digit}\n" for digit in range(10))
        assert sorted(archive.namelist()) == ["kcnn.json", "labels.txt"]
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}


@pytest.mark.slow
def test_width_height_and_colour_are_not_mixed_up(flowers):
    graph = Reader.root(read_metadata(flowers / "model_int8.tflite")).tables(3)[0]
    properties = graph.tables(2)[0].table(3).table(1)
    assert properties.scalar(0, "b") == 1  # ColorSpaceType.RGB
    size = properties.table(1)
    assert (size.scalar(0, "I"), size.scalar(1, "I")) == (40, 48)  # width, height


def test_attaching_changes_no_number(bundle, digits, tmp_path):
    """The same model without what was attached gives the same output, bit for bit."""
    source = bundle / "model_int8.tflite"
    bare = without_metadata(source, tmp_path / "bare.tflite")
    images = digits["image"][:10]
    expected = open_model(bare).predict(images)["probabilities"]
    np.testing.assert_array_equal(open_model(source).predict(images)["probabilities"], expected)


def test_the_same_export_gives_the_same_bytes(bundle, tmp_path):
    """No clock and no random name in what is attached."""
    facts = open_model(bundle, format="fp32").facts
    contents = []
    for name in ("a", "b"):
        file = without_metadata(bundle / "model_fp32.tflite", tmp_path / f"{name}.tflite")
        metadata.attach(file, facts)
        contents.append(file.read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_mediapipe_runs_it_and_names_the_same_class(flowers, shared_data, name):
    """MediaPipe 1.2.2's ImageClassifier: it refuses files whose metadata it cannot use."""
    vision = pytest.importorskip("mediapipe.tasks.python.vision", reason="MediaPipe is not installed")
    from mediapipe import Image, ImageFormat
    from mediapipe.tasks.python import BaseOptions

    runner = open_model(flowers, format=name)
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(runner.path)), max_results=len(runner.labels)
    )
    rng = np.random.default_rng(0)
    image = np.ascontiguousarray(rng.integers(0, 256, runner.preprocess.image_shape, np.uint8))
    expected = runner.predict(image[None])["probabilities"][0]
    with vision.ImageClassifier.create_from_options(options) as classifier:
        found = classifier.classify(Image(image_format=ImageFormat.SRGB, data=image)).classifications[0].categories
    scores = {category.category_name: category.score for category in found}
    assert set(scores) == set(runner.labels)
    for label, score in zip(runner.labels, expected, strict=True):
        assert abs(scores[label] - score) < 0.01  # MediaPipe crops by its own filter, by a fraction of a pixel
