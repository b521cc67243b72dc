"""``localqueue retry reset``."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import click

from localqueue.cli._commands import Command
from localqueue.cli._confirm import confirm
from localqueue.cli._errors import NOT_FOUND, NOTHING_THERE, CliError
from localqueue.cli._options import (
    KEY,
    dry_run_option,
    output_option,
    store_options,
    yes_option,
)
from localqueue.cli._output import print_items
from localqueue.cli._stores import open_attempt_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from localqueue.core import AttemptStore


class _Answer(NamedTuple):
    key: str
    found: bool
    reset: bool


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  localqueue retry reset nightly-backup
  localqueue retry reset --prefix invoice: --dry-run""",
)
@click.argument("keys", nargs=-1, type=KEY, metavar="[KEY]...")
@click.option("--prefix", metavar="TEXT", help="All keys that begin with this, after a question.")
@dry_run_option
@yes_option
@output_option
@store_options
def reset(
    keys: tuple[str, ...],
    prefix: str | None,
    dry_run: bool,
    yes: bool,
    output: str,
    store: str | None,
    store_path: str | None,
) -> None:
    """Forget budgets, so that their keys start new ones.

    It wins over an attempt that still runs. The exit status is 4 where a KEY has no record (the
    others are reset), and 3 where no key has the prefix.
    """
    if (prefix is None) == (not keys):
        raise click.UsageError("give one KEY or more, or --prefix, but not both")
    with open_attempt_store(store, store_path) as opened:
        chosen: Iterable[str] = keys
        if prefix is not None:
            count = sum(1 for _ in _with_prefix(opened, prefix))
            if count == 0:
                raise CliError(f"{opened}: no key begins with {prefix!r}", NOTHING_THERE)
            if not dry_run:
                confirm(f"Reset {count} {'budget' if count == 1 else 'budgets'}?", yes=yes)
            chosen = _with_prefix(opened, prefix)
        missing: list[str] = []
        print_items(
            _forget(opened, chosen, missing, dry_run=dry_run),
            output,
            {"key": lambda answer: answer.key, "result": _result},
            as_json=_Answer._asdict,
        )
    if keys and missing:
        names = ", ".join(map(repr, missing))
        raise CliError(f"{opened}: there is no record of {names}", NOT_FOUND)


def _with_prefix(store: AttemptStore, prefix: str) -> Iterator[str]:
    from localqueue.cli._records import pages

    return (key for key, _ in chain.from_iterable(pages(store, prefix=prefix)))


def _forget(
    store: AttemptStore, keys: Iterable[str], missing: list[str], *, dry_run: bool
) -> Iterator[_Answer]:
    for key in keys:
        found = store.load(key) is not None if dry_run else store.delete(key)
        if not found:
            missing.append(key)
        yield _Answer(key, found=found, reset=found and not dry_run)


def _result(answer: _Answer) -> str:
    if answer.reset:
        return "reset"
    return "would be reset" if answer.found else "no record"
