"""The command line: what there is, and in which module it lives."""

from __future__ import annotations

import click

from localqueue.cli._commands import Root
from localqueue.cli._version import __version__


@click.group(
    cls=Root,
    lazy={
        "config": "localqueue.cli._config_commands:config",
        "doctor": "localqueue.cli._doctor:doctor",
        "retry": "localqueue.cli._retry:retry",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  localqueue retry list --state exhausted
  localqueue retry run nightly-backup --max-tries 5 -- backup.sh

\b
Exit status: 0 done, 1 error or declined, 2 usage, 3 nothing there, 4 not found,
69 budget exhausted, 75 failed or deferred with budget left.""",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Look after durable retry budgets, and give one to any command.

    Lists are tables on a terminal and JSON elsewhere. Durations are seconds, or 90s, 15m, 12h, 7d.
    """
