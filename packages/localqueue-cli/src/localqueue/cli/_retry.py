"""The commands about retry budgets."""

from __future__ import annotations

import click

from localqueue.cli._commands import Group


@click.group(
    cls=Group,
    lazy={
        "list": "localqueue.cli._retry_list:list_records",
        "prune": "localqueue.cli._retry_prune:prune",
        "reset": "localqueue.cli._retry_reset:reset",
        "run": "localqueue.cli._retry_run:run",
        "show": "localqueue.cli._retry_show:show",
        "stats": "localqueue.cli._retry_stats:stats",
    },
    epilog="""\b
Example:
  localqueue retry show nightly-backup""",
)
def retry() -> None:
    """See retry budgets, let them run again, clean up, and run a command under one.

    Without --store or --store-path, the store is the setting retry_store_path, or else the SQLite
    file that localqueue.retry uses by default.
    """
