"""``localqueue retry run``."""

from __future__ import annotations

import os
import signal

import click

from localqueue.cli._commands import Command
from localqueue.cli._errors import CliError, end_by_signal
from localqueue.cli._options import DURATION, KEY, WAIT, store_options
from localqueue.cli._stores import open_attempt_store


@click.command(
    cls=Command,
    options_metavar="[OPTIONS]",
    epilog="""\b
Examples:
  localqueue retry run nightly-backup --max-tries 5 -- backup.sh /srv
  localqueue retry run report --max-tries 8 --wait 1m..2h --max-wait 0 -- make report

\b
Exit status: 0 when the command succeeds, 75 when it failed or is not due yet, 69 when
the budget is spent, 126 or 127 when the command cannot be run or found.""",
)
@click.argument("key", type=KEY)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--max-tries",
    type=click.IntRange(min=1),
    help="How often the command may run, in all processes.  [default: no limit]",
)
@click.option(
    "--wait",
    type=WAIT,
    default="1s..60s",
    show_default=True,
    metavar="D|D..D",
    help="The time between two attempts; 1m..2h doubles it each time.",
)
@click.option(
    "--max-wait",
    type=DURATION,
    help="Exit with 75 rather than wait longer than this; 0 never waits.  [default: no limit]",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing; the exit status tells.")
@store_options
@click.pass_context
def run(
    context: click.Context,
    key: str,
    command: tuple[str, ...],
    max_tries: int | None,
    wait: tuple[float, float],
    max_wait: float | None,
    quiet: bool,
    store: str | None,
    store_path: str | None,
) -> None:
    """Run COMMAND under the durable retry budget of KEY.

    An attempt is counted before it begins, so that one which dies with its machine counts, too. A
    success ends the budget. Ctrl-C or SIGTERM gives the attempt back. Streams and signals are the
    command's own.
    """
    if not hasattr(os, "posix_spawnp"):
        raise CliError("retry run needs Linux, macOS or another Unix")
    from localqueue.cli._budget import Budget
    from localqueue.cli._child import Interrupted, Runner
    from localqueue.cli._records import reset_command

    # A standard error that nobody reads must not end this process in the middle of an attempt.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    runner = Runner(command)
    try:
        with open_attempt_store(store, store_path, create=True) as opened:
            budget = Budget(
                key,
                opened,
                runner,
                max_tries=max_tries,
                wait=wait,
                max_wait=max_wait,
                quiet=quiet,
                reset_command=reset_command(key, store, store_path),
            )
            status = budget.run()
    except Interrupted as signalled:
        end_by_signal(signalled.number)
    else:
        context.exit(status)
