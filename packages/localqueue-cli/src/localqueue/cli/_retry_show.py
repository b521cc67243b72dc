"""``localqueue retry show``."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from localqueue.cli._commands import Command
from localqueue.cli._errors import NOT_FOUND, CliError
from localqueue.cli._options import KEY, output_option, store_options
from localqueue.cli._output import print_object
from localqueue.cli._stores import open_attempt_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localqueue.core import Failure, RetryRecord


@click.command(
    cls=Command,
    epilog="""\b
Example:
  localqueue retry show nightly-backup""",
)
@click.argument("key", type=KEY)
@output_option
@store_options
def show(key: str, output: str, store: str | None, store_path: str | None) -> None:
    """Show what happened under KEY, when, and what comes next.

    The last 20 failures are kept. The exit status is 4 where there is no such record.
    """
    from localqueue.cli._records import as_item, reset_command, unanswered, what_next
    from localqueue.core.transitions import due_at

    with open_attempt_store(store, store_path) as opened:
        record = opened.load(key)
        history = [] if record is None else opened.history(key)
        place = str(opened)
    if record is None:
        raise CliError(f"{place}: there is no record of {key!r}", NOT_FOUND)
    now = time.time()
    then = what_next(record, now)
    again = reset_command(key, store, store_path)
    print_object(
        as_item(key, record)
        | {
            "store": place,
            "history": [asdict(failure) for failure in history],
            "due_at": due_at(record, now) if record.state == "active" else None,
            "unanswered": unanswered(record, now),
            "next": then,
            "reset_command": again,
        },
        output,
        [
            *_story(key, record, now),
            *_failures(history, now),
            ("next", then),
            ("to start over", again),
        ],
    )


def _story(key: str, record: RetryRecord, now: float) -> Iterator[tuple[str, str]]:
    from localqueue.cli._records import error_text, moment, unanswered

    yield "key", key
    yield "state", record.state
    yield "attempts", str(record.attempts)
    if record.interruptions:
        yield "interrupted", f"{record.interruptions} (not counted as attempts)"
    if record.function is not None:
        yield "function", record.function
    yield "first attempt", moment(record.first_attempt_at, now)
    if record.last_attempt_at is not None:
        yield (
            "last attempt",
            f"{moment(record.last_attempt_at, now)}, by {record.owner or 'unknown'}",
        )
    if record.exhausted_at is not None:
        yield "exhausted", moment(record.exhausted_at, now)
    if record.succeeded_at is not None:
        yield "succeeded", moment(record.succeeded_at, now)
    if record.last_error_at is not None:
        error = error_text(record.last_error_type, record.last_error_message)
        yield "last error", f"{moment(record.last_error_at, now)}: {error}"
    pending = unanswered(record, now)
    if pending is not None:
        yield "no outcome", pending


def _failures(history: list[Failure], now: float) -> Iterator[tuple[str, str]]:
    from localqueue.cli._records import error_text, moment

    for failure in history:
        error = error_text(failure.error_type, failure.error_message)
        yield f"failure {failure.attempt}", f"{moment(failure.failed_at, now)}: {error}"
