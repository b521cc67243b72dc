"""Attempt stores: processes that are killed, at any time and at any line."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from localqueue.core import HISTORY_LIMIT, Failure, RetryRecord
from localqueue.core.testing._base import StoreContract, needs
from localqueue.core.testing._children import Child
from localqueue.core.testing._steps import KEY, everything, fail, fail_often, reserve
from localqueue.core.testing._worker import LIFE

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.core import AttemptStore


class _Progress(NamedTuple):
    """How far the program ``live`` has come with its budget."""

    reserved: int
    settled: int


def _progress(store: AttemptStore) -> _Progress:
    """What the store says of it, which must be of one piece."""
    record, failures = store.load(KEY), store.history(KEY)
    if record is None:
        assert failures == [], "a history without a record"
        return _Progress(0, 0)
    settled = int(record.last_error_at or 0)
    assert failures == [
        Failure(number, float(number), str(number))
        for number in range(max(1, settled - HISTORY_LIMIT + 1), settled + 1)
    ], "the history is not that of the record"
    assert record.last_error_type == (str(settled) if settled else None)
    return _Progress(record.attempts, settled)


def _acknowledged(before: _Progress, said: list[Any]) -> _Progress:
    if not said:
        return before
    step, number = said[-1]
    return {
        "reserved": _Progress(number, number - 1),
        "settled": _Progress(number, number),
        "completed": _Progress(0, 0),
    }[step]


def _next(now: _Progress) -> _Progress:
    """What the operation that was under way leads to."""
    if now.settled < now.reserved:
        return _Progress(now.reserved, now.reserved)
    if now.settled and now.settled % LIFE == 0:
        return _Progress(0, 0)
    return _Progress(now.reserved + 1, now.settled)


def _fail_twice(store: AttemptStore) -> None:
    fail_often(store, 2)
    reserve(store)


def _fill_the_history(store: AttemptStore) -> None:
    fail_often(store, HISTORY_LIMIT)
    reserve(store)


def _exhaust(store: AttemptStore) -> None:
    fail(store)
    fail(store, exhausted=True)


# Each begins with an empty store.
SITUATIONS: dict[str, tuple[str, Callable[[AttemptStore], object]]] = {
    "reserve a new key": ("reserve", lambda store: None),
    "reserve the next attempt": ("reserve", fail),
    "settle": ("settle", _fail_twice),
    "settle with a full history": ("settle", _fill_the_history),
    "release": ("release", _fail_twice),
    "release the only attempt": ("release", fail),
    "interrupt": ("interrupt", _fail_twice),
    "complete": ("complete", _fail_twice),
    "complete and keep": ("complete and keep", _fail_twice),
    "delete": ("delete", _fail_twice),
    "save": ("save", _fail_twice),
    "prune": ("prune", _exhaust),
}


class Kills(StoreContract):
    """What a process was told to be done is done; what it was not told is done or not."""

    @needs("shared_between_processes", "survives_reopening")
    def test_a_kill_at_any_time_loses_nothing_and_leaves_nothing_half_done(
        self, store: AttemptStore, store_url: str
    ) -> None:
        progress = _Progress(0, 0)
        steps = 0
        for number in range(self.kills):
            with Child("live", store_url) as child:
                said = []
                if number % 4:  # otherwise perhaps while it opens the store
                    said.append(child.hear())
                    time.sleep(random.uniform(0, 0.03))
                else:
                    time.sleep(random.uniform(0, 0.15))
                said += child.kill()
            steps += len(said)
            acknowledged = _acknowledged(progress, said)
            progress = _progress(store)
            assert progress in {acknowledged, _next(acknowledged)}, (
                f"kill {number}: {acknowledged} was acknowledged"
            )
        assert steps > self.kills, "the processes have done next to nothing"

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the program forks")
    @pytest.mark.parametrize("situation", SITUATIONS)
    @needs("shared_between_processes", "survives_reopening")
    def test_a_kill_at_any_line_leaves_an_operation_done_or_not_done(
        self, store: AttemptStore, store_url: str, situation: str
    ) -> None:
        operation, prepare = SITUATIONS[situation]
        with Child("die", store_url) as child:
            store.delete(KEY)  # as before each kill; the first use of a store may make its files
            prepare(store)
            lines = child.ask(operation, 0)
            assert child.hear() == 0
            done = _state(store)
            step = max(1, lines // self.kills)
            for line in range(1, lines + 1, step):
                store.delete(KEY)
                prepare(store)
                before, exactly = _state(store), everything(store.load(KEY))
                status = child.ask(operation, line)
                assert os.WTERMSIG(status) == signal.SIGKILL, f"it came past line {line}"
                after = _state(store)
                assert after in (before, done), f"killed at line {line} of {lines}"
                if after == before:
                    assert everything(store.load(KEY)) == exactly
            store.delete(KEY)
            assert fail(store).attempts == 1


def _state(store: AttemptStore) -> tuple[RetryRecord | None, list[Failure]]:
    return store.load(KEY), store.history(KEY)
