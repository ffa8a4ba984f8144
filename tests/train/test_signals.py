"""Signals are noted once and then act as before."""

import os
import signal
import threading

import pytest

from kcnn.train.signals import Interrupted, Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_the_second_acts(number):
    acted = []
    before = signal.signal(number, lambda *_: acted.append(1))
    try:
        with Signals() as signals:
            assert signals.caught == 0
            os.kill(os.getpid(), number)
            assert (signals.caught, acted) == (number, [])
            os.kill(os.getpid(), number)
            assert acted == [1]
        os.kill(os.getpid(), number)
        assert acted == [1, 1]
    finally:
        signal.signal(number, before)


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
