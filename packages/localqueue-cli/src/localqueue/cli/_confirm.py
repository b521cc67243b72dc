"""Asking before something is deleted."""

from __future__ import annotations

import sys

import click

from localqueue.cli._output import is_terminal


def somebody_is_there() -> bool:
    """Whether a question would be seen, and can be answered."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def confirm(question: str, *, yes: bool) -> None:
    """Go on only with consent: ``--yes``, or an answer on the terminal."""
    if yes:
        return
    if not somebody_is_there():
        raise click.UsageError("there is no terminal to ask on; give --yes")
    click.confirm(question, abort=True, err=True)
