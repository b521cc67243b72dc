"""``localqueue retry stats``."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from localqueue.cli._commands import Command
from localqueue.cli._options import output_option, store_options
from localqueue.cli._output import is_terminal, note, print_object
from localqueue.cli._stores import open_attempt_store

if TYPE_CHECKING:
    from localqueue.core import RetryRecord

_MOST_ERRORS = 5


@click.command(
    cls=Command,
    epilog="""\b
Example:
  localqueue retry stats --prefix invoice:""",
)
@click.option("--prefix", default="", help="Only keys that begin with this.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Look at this many records at most, the first in the order of their keys.",
)
@output_option
@store_options
def stats(
    prefix: str, limit: int | None, output: str, store: str | None, store_path: str | None
) -> None:
    """Count budgets by state, their attempts, and their most frequent last errors.

    Every record is read once, page by page, which takes a while where there are millions.
    """
    from localqueue.cli._records import pages

    counts = _Counts(time.time())
    is_complete = True
    hidden = not is_terminal(sys.stderr)
    with (
        open_attempt_store(store, store_path) as opened,
        click.progressbar(
            pages(opened, prefix=prefix),
            label="Counting",
            file=sys.stderr,
            hidden=hidden,
            item_show_func=lambda _: f"{counts.records:,} records",
        ) as found,
    ):
        for page in found:
            for _, record in page:
                if counts.records == limit:
                    is_complete = False
                    break
                counts.add(record)
            if not is_complete:
                break
    if not is_complete:
        note(f"only the first {limit:,} records were looked at")
    result = {**counts.as_item(), "complete": is_complete, "store": str(opened)}
    print_object(result, output, counts.as_lines())


class _Counts:
    """What has been seen so far."""

    def __init__(self, now: float) -> None:
        self.records = 0
        self._now = now
        self._states: Counter[str] = Counter()
        self._attempts = 0
        self._waiting = 0
        self._errors: Counter[str] = Counter()
        self._oldest: float | None = None

    def add(self, record: RetryRecord) -> None:
        from localqueue.core.transitions import due_at

        self.records += 1
        self._attempts += record.attempts
        self._states[record.state] += 1
        if record.state == "active":
            self._waiting += due_at(record, self._now) > self._now
        if record.last_error_type is not None:
            self._errors[record.last_error_type] += 1
        at = record.first_attempt_at
        self._oldest = at if self._oldest is None else min(at, self._oldest)

    def as_item(self) -> dict[str, Any]:
        return {
            "records": self.records,
            "active": self._states["active"],
            "waiting": self._waiting,
            "exhausted": self._states["exhausted"],
            "succeeded": self._states["succeeded"],
            "attempts": self._attempts,
            "oldest_first_attempt_at": self._oldest,
            "last_errors": dict(self._errors.most_common(_MOST_ERRORS)),
        }

    def as_lines(self) -> list[tuple[str, str]]:
        from localqueue.cli._records import moment

        item = self.as_item()
        oldest, errors = item.pop("oldest_first_attempt_at"), item.pop("last_errors")
        lines = [(name, f"{value:,}") for name, value in item.items()]
        lines.append(("oldest", moment(oldest, self._now)))
        return lines + [("last error", f"{count:,} x {name}") for name, count in errors.items()]
