"""How a command ends: exit codes, errors of one sentence, and death by a signal."""

from __future__ import annotations

import os
import signal
import sys
from typing import IO, Any

import click

from localqueue.cli._output import visible

DONE = 0
FAILED = 1
"""An error, or a question that was answered with no."""
NOTHING_THERE = 3
NOT_FOUND = 4
EXHAUSTED = 69
"""EX_UNAVAILABLE of sysexits.h: the budget is spent."""
TRY_LATER = 75
"""EX_TEMPFAIL of sysexits.h: failed or not due yet, and there is budget left."""
CANNOT_RUN = 126
COMMAND_NOT_FOUND = 127
"""As shells and their wrappers (``env``, ``nice``, ``timeout``) say it."""


class CliError(click.ClickException):
    """An error that the operator can understand from one sentence.

    The message may hold anything that a key, a path or an error holds; it is shown escaped.

    >>> CliError("there is no record of 'job:1'", NOT_FOUND).exit_code
    4
    """

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        # click reads it from the exception, and takes it for a constant of the class.
        self.__dict__["exit_code"] = exit_code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence on the standard error."""
        click.echo(f"localqueue: {visible(self.message)}", file=file, err=True)


def as_cli_error(error: Exception) -> CliError:
    """The sentence about an error that no command has expected.

    >>> as_cli_error(PermissionError(13, "Permission denied", "/root/x")).message
    '/root/x: Permission denied'
    """
    from localqueue.cli._settings import SettingsError
    from localqueue.core import StoreError

    if isinstance(error, CliError):
        return error
    if isinstance(error, StoreError | SettingsError):
        return CliError(str(error))
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return CliError(f"{place}{error.strerror}")
    return CliError(
        f"unexpected {type(error).__qualname__}: {error}; --debug shows where it came from"
    )


def end_by_signal(number: int) -> None:
    """End this process as the signal would have ended it, so that its parent can tell.

    A shell stops its script after a program that died of Ctrl-C, not after one that exited.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    if os.name == "posix":
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    sys.exit(128 + number)
