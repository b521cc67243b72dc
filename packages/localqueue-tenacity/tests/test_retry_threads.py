"""One retryer in many threads."""

import functools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tenacity import wait_none

from localqueue.retry import PersistentRetrying, key_from_argument

KEY = "job:1"


@pytest.mark.parametrize("decorated", [True, False], ids=["decorated", "direct"])
def test_one_retryer_serves_fifty_threads(store, naps, decorated, monkeypatch):
    """Nothing that a call needs may live in the retryer, or in what its threads share."""
    real = time.monotonic

    def let_others_run():
        time.sleep(0)
        return real()

    monkeypatch.setattr(time, "monotonic", let_others_run)
    retryer = PersistentRetrying(
        key_fn=key_from_argument("number"), max_tries=3, store=store, sleep=naps, wait=wait_none()
    )
    runs: dict[int, int] = {}
    start = threading.Barrier(50)

    def job(number):
        runs[number] = runs.get(number, 0) + 1
        if runs[number] < 3:
            raise OSError("busy")
        return number

    call = retryer.wraps(job) if decorated else functools.partial(retryer, job)

    def work(worker):
        start.wait()
        return [call(worker * 100 + round_) for round_ in range(8)]

    with ThreadPoolExecutor(50) as pool:
        results = list(pool.map(work, range(50)))

    assert results == [[worker * 100 + n for n in range(8)] for worker in range(50)]
    assert set(runs.values()) == {3}
    assert store.records() == []


def test_fifty_threads_on_one_key_share_its_budget(store, naps):
    retryer = PersistentRetrying(
        key=KEY, max_tries=7, store=store, sleep=naps, wait=wait_none(), reraise=True
    )
    numbers = []

    def job():
        numbers.append(1)
        raise OSError("busy")

    def work(_):
        try:
            retryer(job)
        except Exception as error:  # noqa: BLE001  # each kind is asked for below
            return type(error).__name__

    with ThreadPoolExecutor(50) as pool:
        ends = set(pool.map(work, range(50)))
    assert len(numbers) == 7
    assert ends <= {"OSError", "PersistentRetryExhausted"}
    assert (store.load(KEY).attempts, store.load(KEY).exhausted) == (7, True)
