"""``localqueue retry run``."""

from __future__ import annotations

import os
import signal

import click

from localqueue.cli._commands import Command
from localqueue.cli._errors import CliError, end_by_signal
from localqueue.cli._options import DURATION, KEY, WAIT, store_options
from localqueue.cli._stores import open_attempt_store


class _RunCommand(Command):
    """Wants ``--`` before the command, whose options are not localqueue's to read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse a line without ``--``, unless it asks for help."""
        asks_for_help = not args or not set(ctx.help_option_names).isdisjoint(args)
        if "--" not in args and not asks_for_help and not ctx.resilient_parsing:
            raise click.UsageError("put -- before the command: KEY [OPTIONS] -- COMMAND...", ctx)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """The order in which the words have to come."""
        return ["KEY", "[OPTIONS]", "--", "COMMAND..."]


@click.command(
    cls=_RunCommand,
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
