"""tensorflow-datasets, offline: mocked data, a prepared directory, and what is missing."""

import time

import numpy as np
import pytest

from kcnn.data import open_source, pipeline, tfds
from kcnn.data.stream import Places
from kcnn.errors import DataError, ResourceError, UnknownNameError
from kcnn.recipe import Data, Preprocess

package = pytest.importorskip("tensorflow_datasets", reason="the extra [tfds] is not installed")


class Squares(package.core.GeneratorBasedBuilder):
    """Sixteen images whose gray says which example they are; sizes differ when `VARY`."""

    VERSION = package.core.Version("1.0.0")
    VARY = False

    def _info(self):
        shape = (None, None, 3) if self.VARY else (8, 8, 3)
        features = package.features.FeaturesDict(
            {"image": package.features.Image(shape=shape), "label": package.features.ClassLabel(names=["even", "odd"])}
        )
        return package.core.DatasetInfo(builder=self, features=features, license="CC0")

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(range(12)), "test": self._generate_examples(range(12, 16))}

    def _generate_examples(self, values):
        for value in values:
            image = np.full((8 + value * self.VARY, 8, 3), value * 10, np.uint8)
            yield value, {"image": image, "label": value % 2}


class Uneven(Squares):
    """The same, of different sizes."""

    VARY = True


@pytest.fixture(scope="module", params=[Squares, Uneven])
def prepared(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("tfds")
    builder = request.param(data_dir=str(place))
    builder.download_and_prepare()
    return place, request.param.VARY


@pytest.mark.slow
def test_a_prepared_directory_is_recognised_and_read(prepared):
    place, vary = prepared
    source = open_source(Data(source=str(place), validation=0))
    assert source.info.splits == {"train": 12, "test": 4}
    assert source.info.classes == ("even", "odd")
    assert source.info.licence == "CC0"
    assert source.info.image_shape == ((None, None, 3) if vary else (8, 8, 3))
    for split, values in (("train", range(12)), ("test", range(12, 16))):
        part = source.split(split)
        images = [part.read(np.int64(i))["image"].numpy() for i in range(part.size)]
        grays = [int(image[0, 0, 0]) // 10 for image in images]
        assert sorted(grays) == list(values)
        assert [gray % 2 for gray in grays] == part.labels.tolist()
        assert all(image.shape == (8 + gray * vary, 8, 3) for image, gray in zip(images, grays, strict=True))


def test_a_directory_of_several_is_explained(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset_info.json").write_text("{}")
    with pytest.raises(DataError, match="2 data sets"):
        open_source(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("mnist", (28, 28, 1), 10), ("fashion_mnist", (28, 28, 1), 10), ("cifar10", (32, 32, 3), 10),
     ("cifar100", (32, 32, 3), 100), ("tfds:tf_flowers", (None, None, 3), 5)],
)  # fmt: skip
def test_mocked_data_sets(name, shape, classes):
    with package.testing.mock_data(num_examples=6):
        source = open_source(Data(source=name, validation=0))
    assert source.info.image_shape == shape
    assert len(source.info.classes) == classes
    assert source.info.splits == {"train": 6, "test": 6}
    assert source.split("train").read(np.int64(5))["image"].dtype == np.uint8


def test_data_that_are_not_there_are_missed_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    start = time.perf_counter()
    with pytest.raises(ResourceError, match="python -m tensorflow_datasets build cifar10"):
        tfds.open_tfds("cifar10")
    assert time.perf_counter() - start < 20  # its own download would try for 200 s


def test_an_unknown_name_has_its_nearest():
    with pytest.raises(UnknownNameError, match="'cifar10'"):
        open_source("tfds:cifar1O")


def test_a_data_set_without_labels_is_explained():
    with (
        package.testing.mock_data(num_examples=2),
        pytest.raises(DataError, match="needs 'image' and 'label'"),
    ):
        open_source("tfds:coco/2017")


@pytest.mark.slow
def test_a_data_set_beyond_memory_is_a_stream_of_the_same_examples(prepared, monkeypatch):
    place, _ = prepared
    held = open_source(Data(source=str(place), validation=0))
    monkeypatch.setattr(tfds, "MEMORY_SHARE", 0.0)
    streamed = open_source(Data(source=str(place), validation=0))
    assert streamed.info == held.info
    for name in ("train", "test"):
        one, other = held.split(name), streamed.split(name)
        assert other.stream is not None
        assert other.arrays is None
        assert one.labels.tolist() == other.labels.tolist()
        for index in range(one.size):
            image = one.read(np.int64(index))["image"].numpy()
            assert np.array_equal(image, other.read(np.int64(index))["image"].numpy())
        assert Places().remember(0, iter(other.stream()))
    batches = pipeline.training(streamed.split("train"), Preprocess(size=(8, 8)), batch_size=5, seed=0, epochs=2)
    assert sorted(y for _, labels in batches for y in labels.numpy()) == [0] * 12 + [1] * 12


class Scans(Squares):
    """Sixteen images of 16 bits that differ in the low byte."""

    def _info(self):
        image = package.features.Image(shape=(8, 8, 1), dtype=np.uint16, encoding_format="png")
        label = package.features.ClassLabel(names=["even", "odd"])
        features = package.features.FeaturesDict({"image": image, "label": label})
        return package.core.DatasetInfo(builder=self, features=features)

    def _generate_examples(self, values):
        for value in values:
            yield value, {"image": np.full((8, 8, 1), 128 * 256 + value, np.uint16), "label": value % 2}


@pytest.mark.slow
def test_images_of_16_bits_are_kept_whole(tmp_path):
    Scans(data_dir=str(tmp_path)).download_and_prepare()
    data = Data(source=str(tmp_path), validation=0)
    flat = open_source(data).split("test")
    assert {int(example["image"][0, 0, 0]) for example in flat.examples(range(4))} == {128}
    deep = open_source(data, 16).split("test")
    found = {round(257 * float(example["image"][0, 0, 0])) - 128 * 256 for example in deep.examples(range(4))}
    assert found == {12, 13, 14, 15}
