"""Layers that Keras named itself go by their place, whatever its counters say."""

from kcnn.weights.transplant import KerasWeights, places


def test_places_count_from_zero_in_order_of_creation():
    names = ["conv2d_11", "stem", "conv2d_9", "batch_normalization_3", "conv2d_10", "batch_normalization"]
    assert places(names) == {
        "conv2d_11": "conv2d:2",
        "stem": "stem",
        "conv2d_9": "conv2d:0",
        "batch_normalization_3": "batch_normalization:1",
        "conv2d_10": "conv2d:1",
        "batch_normalization": "batch_normalization:0",
    }


def test_weights_are_listed_by_place():
    weights = KerasWeights({"conv2d_7": {"kernel": 7}, "conv2d": {"kernel": 0}})
    assert sorted(weights.names()) == ["conv2d:0/kernel", "conv2d:1/kernel"]
    assert weights.layers["conv2d:1"]["kernel"] == 7
