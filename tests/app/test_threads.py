"""Threads that compute take turns: one at a time, and none waits for long."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cgan_raw.devices.turns import TURNS, Turns


def test_one_thread_at_a_time_is_in():
    turns, inside, most = Turns(), [], []

    def enter(_):
        with turns:
            inside.append(threading.get_ident())
            time.sleep(0.001)
            most.append(len(inside))
            inside.pop()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(enter, range(40)))
    assert most == [1] * 40


class SlowToWake:
    """A lock whose waiting threads notice late that it is free, as where all cores are busy."""

    def __init__(self):
        self.lock = threading.Lock()
        self.release = self.lock.release

    def acquire(self):
        while not self.lock.acquire(blocking=False):
            time.sleep(0.005)


def test_thread_that_trains_lets_others_in_after_an_iteration():
    turns, over, done, waited = Turns(), threading.Event(), [], []
    turns._computing = SlowToWake()

    def train():
        while not over.is_set() and len(done) < 1000:
            with turns:
                done.append(time.sleep(0.0001))

    with ThreadPoolExecutor(1) as threads:
        training = threads.submit(train)
        for _ in range(10):
            time.sleep(0.002)
            before = len(done)
            with turns:
                waited.append(len(done) - before)
        over.set()
        training.result()
    assert max(waited) <= 2, waited


def test_error_inside_ends_the_turn():
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns:
        _ = 1 // 0
    with turns:
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_child_of_a_fork_does_not_wait_for_a_thread_that_it_has_not():
    entered, over = threading.Event(), threading.Event()

    def compute():
        with TURNS:
            entered.set()
            over.wait()

    thread = threading.Thread(target=compute)
    thread.start()
    entered.wait()
    try:
        child = os.fork()
        if child == 0:
            threading.Timer(5, os._exit, [1]).start()
            with TURNS:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        over.set()
        thread.join()
