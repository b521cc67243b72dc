"""Signals at any moment of a call: it is done or not done, and no transaction stays open."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

SIGNALS = 1500


def test_interrupts_leave_neither_half_a_write_nor_a_lock(
    ask: Callable[..., Any],
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    told = ask("sqlite_interrupts.py", tmp_path, SIGNALS, "real")
    record_testsuite_property("interrupts", told)
    assert told["delivered"] == SIGNALS
    assert told["hits"] > SIGNALS / 2
    assert told["hits_opening"] > 50
    assert (told["left_open"], told["half_done"], told["unusable"]) == (0, 0, 0)
    assert told["sound"]


def test_the_same_interrupts_find_a_naive_store_out(
    ask: Callable[..., Any],
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    told = ask("sqlite_interrupts.py", tmp_path, SIGNALS, "naive")
    record_testsuite_property("interrupts of a naive store", told)
    assert told["left_open"] > 0


def interrupted_at(moment: int, action: Callable[[], object]) -> BaseException | None:
    """Run ``action``, with Ctrl-C where the function that asks SQLite makes or ends its n-th call."""
    seen = 0

    def profile(frame: FrameType, event: str, called: object) -> None:
        nonlocal seen
        del called  # a method of the cursor, which this frame must not keep either
        if frame.f_code.co_name == "_execute" and event in ("c_call", "c_return"):
            seen += 1
            if seen == moment:
                raise KeyboardInterrupt

    sys.setprofile(profile)
    try:
        action()
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.setprofile(None)
    return None


def test_a_kept_traceback_keeps_no_old_view_of_the_file(path: Path) -> None:
    """As a debugger, a logger or an interactive session keeps it."""
    with SQLiteAttemptStore(path, timeout=0) as store, SQLiteAttemptStore(path) as other:
        other.save("job:1", RetryRecord(attempts=1))
        store.load("job:1")
        kept: list[BaseException | None] = []
        while not kept or kept[-1] is not None:
            kept.append(interrupted_at(len(kept) + 1, store.records))
            other.save("job:1", RetryRecord(attempts=len(kept)))
            seen = store.load("job:1")
            assert seen is not None
            assert seen.attempts == len(kept)
            store.save("job:2", RetryRecord(attempts=1))
        # Before and behind execute() and fetchall() at least.
        assert len(kept) > 4
