"""Signals are noted once and then act as before."""

import os
import signal
import threading

import pytest

from kcnn.train.signals import Interrupted, Signals


@pytest.fixture
def acted():
    """Handlers from before, which tell what reached them."""
    found = []
    before = {n: signal.signal(n, lambda n, _: found.append(n)) for n in (signal.SIGINT, signal.SIGTERM)}
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_and_a_ctrl_c_after_it_acts(number, acted):
    with Signals() as signals:
        assert signals.caught == 0
        os.kill(os.getpid(), number)
        assert (signals.caught, acted) == (number, [])
        os.kill(os.getpid(), signal.SIGTERM)  # again: `timeout` sends two
        assert (signals.caught, acted) == (number, [])
        os.kill(os.getpid(), signal.SIGINT)
        assert acted == [signal.SIGINT]
    os.kill(os.getpid(), number)
    assert acted == [signal.SIGINT, number]


def test_one_that_was_swallowed_before_counts():
    def handler(number, frame):
        handler.caught = number

    before = signal.signal(signal.SIGTERM, handler)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        with Signals() as signals:
            assert signals.caught == signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.caught == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_happens():
    caught = []

    def work():
        with Signals() as signals:
            caught.append(signals.caught)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caught == [0]


def test_exit_codes():
    assert Interrupted("", signal.SIGINT).exit_code == 130
    assert Interrupted("", signal.SIGTERM).exit_code == 143
