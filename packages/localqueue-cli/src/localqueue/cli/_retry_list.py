"""``localqueue retry list``."""

from __future__ import annotations

import time
from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from localqueue.cli._commands import Command
from localqueue.cli._errors import NOTHING_THERE, CliError
from localqueue.cli._options import KEY, output_option, store_options
from localqueue.cli._output import note, print_items
from localqueue.cli._stores import open_attempt_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localqueue.core import RecordState, RetryRecord

STATES = ("active", "exhausted", "succeeded")
_STYLES: dict[RecordState, str | None] = {"active": None, "exhausted": "red", "succeeded": "green"}
_LONGEST_ERROR = 100


@click.command(
    "list",
    cls=Command,
    epilog="""\b
Examples:
  localqueue retry list --state exhausted
  localqueue retry list --prefix invoice: --limit 1000 -o ndjson | jq -r .key""",
)
@click.option("--prefix", default="", help="Only keys that begin with this.")
@click.option("--state", type=click.Choice(STATES), help="Only records in this state.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="At most this many records.",
)
@click.option("--after", type=KEY, metavar="KEY", help="Only keys that come after this one.")
@output_option
@store_options
def list_records(
    prefix: str,
    state: RecordState | None,
    limit: int,
    after: str | None,
    output: str,
    store: str | None,
    store_path: str | None,
) -> None:
    """List budgets in the order of their keys.

    The exit status is 3 where there are none.
    """
    from localqueue.cli._records import as_item, error_text, pages, shell_word

    now = time.time()
    with open_attempt_store(store, store_path) as opened:
        found = chain.from_iterable(pages(opened, prefix=prefix, state=state, after=after))
        listed = _Listed(islice(found, limit))
        count = print_items(
            listed,
            output,
            {
                "key": lambda item: item[0],
                "state": lambda item: item[1].state,
                "attempts": lambda item: str(item[1].attempts),
                "when": lambda item: _when(item[1], now),
                "last error": lambda item: _cut(
                    error_text(item[1].last_error_type, item[1].last_error_message)
                ),
            },
            as_json=lambda item: as_item(*item),
            style=lambda item: _STYLES[item[1].state],
        )
        is_cut = next(found, None) is not None
    if count == 0:
        raise CliError(f"{opened}: no record matches", NOTHING_THERE)
    if is_cut:
        note(f"There are more; to go on: --after {shell_word(listed.last)}")


class _Listed:
    """Records on their way out, and the key of the last one."""

    def __init__(self, records: Iterator[tuple[str, RetryRecord]]) -> None:
        self.last = ""
        self._records = records

    def __iter__(self) -> Iterator[tuple[str, RetryRecord]]:
        for key, record in self._records:
            self.last = key
            yield key, record


def _when(record: RetryRecord, now: float) -> str:
    from localqueue.cli._records import distance
    from localqueue.core.transitions import due_at

    if record.state == "succeeded":
        at = record.succeeded_at
    elif record.state == "exhausted":
        at = record.exhausted_at
    else:
        due = due_at(record, now)
        return f"due {distance(due - now)}" if due > now else "due"
    return "" if at is None else distance(at - now)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_ERROR else f"{text[:_LONGEST_ERROR]}..."
