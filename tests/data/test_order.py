"""Permutations are permutations; the hash is SplitMix64; draws are even and independent."""

import numpy as np
import pytest
import tensorflow as tf

from kcnn.data import order


@pytest.mark.parametrize("size", [1, 2, 3, 64, 1000])
def test_every_epoch_is_another_permutation(size):
    positions = tf.range(size, dtype=tf.int64)
    first, again, later, other = (
        order.permutation(positions, seed=seed, epoch=epoch, size=size).numpy()
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    )
    assert sorted(first) == sorted(later) == list(range(size))
    np.testing.assert_array_equal(first, again)
    if size > 3:
        assert (first != later).any()
        assert (first != other).any()
        assert (first != np.arange(size)).any()


def test_a_slice_is_part_of_the_whole():
    whole = order.permutation(tf.range(100, dtype=tf.int64), seed=5, epoch=2, size=100)
    part = order.permutation(tf.range(40, 60, dtype=tf.int64), seed=5, epoch=2, size=100)
    np.testing.assert_array_equal(part, whole[40:60])


def test_the_hash_is_splitmix64():
    # Java's SplittableRandom and the C code of Vigna (prng.di.unimi.it/splitmix64.c), state 0 and 1234567
    found = order._mix(tf.constant([0, 1234567], tf.uint64)).numpy().tolist()
    assert found == [16294208416658607535, 6457827717110365317]


def test_recorded_numbers():
    # from SplitMix64 written in Python's whole numbers, apart from kcnn: a changed hash changes every augmentation,
    # and so what a resumed run sees
    keys = order.keys(tf.constant([0, 1, 70_000], tf.int64), seed=3, epoch=1)
    assert keys.numpy().tolist() == [682370450899765808, 15970784766469068367, 1888195232019985256]
    expected = [
        [0.7374345064163208, 0.5214876532554626],
        [0.8408597707748413, 0.3337695598602295],
        [0.3313032388687134, 0.21502012014389038],
    ]
    np.testing.assert_array_equal(order.uniform(keys, order.Stream.CROP, (2,)), np.float32(expected))


def test_recorded_order():
    # as TensorFlow 2.21 gives it: another order on the way would break resumed runs
    found = order.permutation(tf.range(10, dtype=tf.int64), seed=3, epoch=1, size=10)
    assert found.numpy().tolist() == [9, 3, 5, 1, 0, 7, 8, 4, 2, 6]


def test_orders_are_even():
    size, epochs = 500, 40
    found = np.stack(
        [order.permutation(tf.range(size, dtype=tf.int64), seed=0, epoch=e, size=size).numpy() for e in range(epochs)]
    )
    starts, spread = found[:, :25], size / np.sqrt(12)  # standard deviation of a uniform index
    assert abs(starts.mean() - (size - 1) / 2) < 4 * spread / np.sqrt(starts.size)
    neighbours = np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1]
    between = np.corrcoef(found)[np.triu_indices(epochs, 1)]
    assert abs(neighbours) < 4 / np.sqrt(found.size)
    assert np.abs(between).max() < 5 / np.sqrt(size)


def test_keys_depend_on_each_part():
    indices = tf.range(1000, dtype=tf.int64)
    found = [order.keys(indices, seed=s, epoch=e).numpy() for s, e in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert len(np.unique(np.concatenate(found))) == 4000


def test_draws_are_even_and_independent():
    keys = order.keys(tf.range(20_000, dtype=tf.int64), seed=0, epoch=0)
    draws = order.uniform(keys, order.Stream.FLIP, (2, 2)).numpy()
    assert draws.shape == (20_000, 2, 2)
    assert draws.min() >= 0
    assert draws.max() < 1
    flat = np.concatenate([draws.reshape(-1, 4), order.uniform(keys, order.Stream.CROP, (1,))], axis=1)
    counts = np.stack([np.histogram(column, 20, (0, 1))[0] for column in flat.T])
    assert np.abs(counts - 1000).max() < 5 * 31  # standard deviation sqrt(20000 * 0.05 * 0.95) = 31
    correlation = np.corrcoef(flat.T) - np.eye(5)
    assert np.abs(correlation).max() < 5 / np.sqrt(20_000)


def test_a_draw_needs_no_neighbours():
    keys = order.keys(tf.range(9, dtype=tf.int64), seed=1, epoch=0)
    whole = order.uniform(keys, order.Stream.ERASE, (3,)).numpy()
    np.testing.assert_array_equal(order.uniform(keys[4:6], order.Stream.ERASE, (3,)), whole[4:6])
    np.testing.assert_array_equal(order.uniform(keys, order.Stream.ERASE), whole[:, 0])


def test_streams_have_numbers_of_their_own():
    assert len({int(stream) for stream in order.Stream}) == len(list(order.Stream))
