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


def interrupted_at(opcode: int, action: Callable[[], object]) -> BaseException | None:
    """Run ``action``, with Ctrl-C before that instruction of the function that asks SQLite."""
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if frame.f_code.co_name != "_execute":
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            seen += 1
            if seen == opcode:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.settrace(None)
    return None


def test_a_kept_traceback_keeps_no_old_view_of_the_file(path: Path) -> None:
    """As a debugger, a logger or an interactive session keeps it."""
    with SQLiteAttemptStore(path, timeout=0) as store, SQLiteAttemptStore(path) as other:
        other.save("job:1", RetryRecord(attempts=1))
        opcode = 0
        kept = []
        while opcode == 0 or kept[-1] is not None:
            opcode += 1
            kept.append(interrupted_at(opcode, store.records))
            # Where this is set and taken back, nothing is called, and no signal comes between.
            store._database.is_busy = False
            other.save("job:1", RetryRecord(attempts=opcode))
            seen = store.load("job:1")
            assert seen is not None
            assert seen.attempts == opcode
            store.save("job:2", RetryRecord(attempts=opcode))
        assert opcode > 30
