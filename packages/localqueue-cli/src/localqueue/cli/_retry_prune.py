"""``localqueue retry prune``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from localqueue.cli._commands import Command
from localqueue.cli._confirm import confirm, somebody_is_there
from localqueue.cli._options import (
    DURATION,
    dry_run_option,
    output_option,
    store_options,
    yes_option,
)
from localqueue.cli._output import is_terminal, print_object
from localqueue.cli._stores import open_attempt_store

if TYPE_CHECKING:
    from localqueue.core import AttemptStore

_BATCH = 1000


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  localqueue retry prune --older-than 604800
  localqueue retry prune --older-than 7d --dry-run""",
)
@click.option("--older-than", type=DURATION, help="The least time since a budget was exhausted.")
@dry_run_option
@yes_option
@output_option
@store_options
def prune(
    older_than: float | None,
    dry_run: bool,
    yes: bool,
    output: str,
    store: str | None,
    store_path: str | None,
) -> None:
    """Remove records that were exhausted long ago, and nothing else.

    The age is --older-than, or else the setting retry_record_ttl_seconds. On a terminal you are
    asked first. It may be interrupted at any time; what is removed is removed.
    """
    age = _age(older_than)
    now = time.time()
    with open_attempt_store(store, store_path) as opened:
        count = opened.count_exhausted_older_than(older_than=age, now=now)
        removed = 0
        if count and not dry_run:
            # Without a terminal the age is consent enough: this is how a cron job cleans up.
            confirm(_question(count, age), yes=yes or not somebody_is_there())
            removed = _remove(opened, age, now, count)
    print_object(
        {
            "older_than_seconds": age,
            "dry_run": dry_run,
            "would_remove" if dry_run else "removed": count if dry_run else removed,
        },
        output,
        [("would remove", f"{count}") if dry_run else ("removed", f"{removed}")],
    )


def _age(older_than: float | None) -> float:
    from localqueue.cli._settings import load_settings

    age = load_settings().retry_record_ttl_seconds if older_than is None else older_than
    if age is None:
        raise click.UsageError(
            "how old? give --older-than, or choose an age for good with "
            "'localqueue config set retry_record_ttl_seconds 604800'"
        )
    return age


def _question(count: int, age: float) -> str:
    from localqueue.cli._records import length

    records = "record" if count == 1 else "records"
    return f"Remove {count} {records} exhausted {length(age)} ago or earlier?"


def _remove(store: AttemptStore, age: float, now: float, count: int) -> int:
    removed = 0
    hidden = count <= _BATCH or not is_terminal(sys.stderr)
    with click.progressbar(length=count, label="Pruning", file=sys.stderr, hidden=hidden) as bar:
        while True:
            done = store.prune_exhausted(older_than=age, now=now, limit=_BATCH)
            removed += done
            bar.update(done)
            if done < _BATCH:
                return removed
