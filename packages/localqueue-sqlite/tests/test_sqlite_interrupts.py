"""Signals at any moment of a call: it is done or not done, and no transaction stays open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
