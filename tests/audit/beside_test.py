import threading
import time

import pytest

from lira_jax.audit.beside import MOST_PAIRS, Beside


def test_results_come_in_the_order_of_starting_and_to_the_thread_that_started(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    found, here = [], threading.get_ident()
    first_may_end = threading.Event()

    def call(i):
        if i == 0:
            assert first_may_end.wait(10)
        elif i == 7:
            first_may_end.set()
        return i, threading.get_ident()

    with Beside(10) as beside:
        for i in range(20):
            beside.start(lambda i=i: call(i), lambda r: found.append((*r, threading.get_ident())))
    assert [i for i, _, _ in found] == list(range(20))
    assert all(there != here == told for _, there, told in found)


def test_no_more_run_at_once_than_memory_allows(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert Beside(1).most == 8
    running, most, lock = 0, 0, threading.Lock()

    def call():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    with Beside(MOST_PAIRS) as beside:
        for _ in range(6):
            beside.start(call, lambda _: None)
    assert most == 2
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert Beside(MOST_PAIRS).most == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_error_ends_the_block_at_once(monkeypatch, error):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    go_on, told = threading.Event(), []

    def stopped():
        with Beside(1) as beside:
            beside.start(lambda: go_on.wait(30), told.append)
            beside.start(lambda: go_on.wait(30), told.append)
            raise error

    started = time.monotonic()
    with pytest.raises(error):
        stopped()
    assert time.monotonic() - started < 10  # it has waited for neither
    go_on.set()
    assert told == []


def test_an_error_of_a_call_is_that_of_the_block():
    def fail():
        raise MemoryError

    def block():
        with Beside(1) as beside:
            beside.start(fail, lambda _: None)

    with pytest.raises(MemoryError):
        block()
