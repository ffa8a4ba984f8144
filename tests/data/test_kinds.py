"""The corpus of `python -m tests.faults T11`: every kind of file is decoded as documented, or named with its reason."""

import os
import re

import numpy as np
import pytest
from faults import pictures

from kcnn.data import open_source
from kcnn.data.source import printable
from kcnn.data.verify import examine, pixels
from kcnn.recipe import Data


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    goods, bads = pictures.write(folder)
    split = open_source(Data(source=str(folder), validation=0.0)).split("train")
    found = {os.path.basename(example.name): example for example in examine(split)}
    return {printable(one.name): one for one in (*goods, *bads)}, found, pixels(split)


def test_there_are_over_a_hundred_kinds(corpus):
    kinds, found, _ = corpus
    assert len(kinds) > 100
    assert found.keys() == kinds.keys()


def test_good_kinds_have_the_documented_pixels(corpus):
    kinds, found, read = corpus
    for name, one in kinds.items():
        if isinstance(one, pictures.Good):
            assert not found[name].reason, name
            seen = read(found[name].index).astype(int)
            assert seen.shape == one.pixels.shape, name
            assert np.abs(seen - one.pixels).max() <= one.tolerance, name


def test_16_bits_are_kept_and_all_else_stays(tmp_path):
    pictures.write(tmp_path)
    goods = [one for one in pictures.good() if not one.tolerance]
    split = open_source(Data(source=str(tmp_path), validation=0.0), 16).split("train")
    places = {os.path.basename(split.names(index)): index for index in range(split.size)}
    read = pixels(split)
    assert sum(one.deep is not None for one in goods) >= 7
    for one in goods:
        expected = one.pixels if one.deep is None else one.deep / np.float32(257)
        found = read(places[printable(one.name)])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected, err_msg=one.name)
        if one.deep is not None:
            np.testing.assert_array_equal(np.rint(257 * found), one.deep, err_msg=one.name)


def test_bad_kinds_have_their_reason(corpus):
    kinds, found, _ = corpus
    for name, one in kinds.items():
        if isinstance(one, pictures.Bad):
            assert re.search(one.reason, found[name].reason), (name, found[name].reason)
            assert len(found[name].reason) < 160, found[name].reason
            assert not re.search(r"\n|node|File|\.py", found[name].reason), found[name].reason
