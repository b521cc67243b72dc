"""Running a command as if it had been started directly: its streams, its signals, its end."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from localqueue.cli._errors import CANNOT_RUN, COMMAND_NOT_FOUND, CliError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
_OTHERS = ("SIGUSR1", "SIGUSR2")
# Python ignores these two, and a command must not inherit that.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)


class CommandFailed(Exception):
    """The command ended with another status than 0."""

    # This is the name that records keep.
    __module__ = "localqueue.cli"


class Interrupted(BaseException):
    """A signal wants this process to end; ``number`` says which.

    Not an Exception: the retry layer gives an interrupted attempt back.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Runner:
    """Runs a command, as often as it is called; signals go on to it while it runs.

    From now on, this process heeds signals that want its end only while it sleeps, so that the
    outcome of a command that has ended is always written down. A signal that this process was
    told to ignore (``nohup``) stays ignored.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.name = os.path.basename(command[0]) or command[0]
        self._command = tuple(command)
        self._ending = _heeded(_ENDING)
        self._others = _heeded(_OTHERS)
        self._waited_for = {*self._ending, *self._others, signal.SIGCHLD}
        # Whoever started this process may have asked to hear nothing of children, and a child
        # that nobody hears of cannot fail.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in self._ending:
            signal.signal(number, _interrupt)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._waited_for)

    def __call__(self) -> None:
        """Run the command to its end.

        Raises CommandFailed, Interrupted where a signal ended it, and CliError where there is no
        such command.
        """
        while stale := signal.sigpending() & self._others:  # it was meant for the command before
            signal.sigwait(stale)
        status, received = self._wait_for(self._start())
        if status != 0:
            if received is not None:
                raise Interrupted(received)
            raise CommandFailed(f"{self.name} {_described(status)}")

    def sleep(self, seconds: float) -> None:
        """Sleep; raises Interrupted at a signal."""
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._ending)
            time.sleep(seconds)
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, self._ending)

    def _start(self) -> int:
        program = self._command[0]
        try:
            return os.posix_spawnp(
                program,
                self._command,
                os.environ,
                setsigmask=self._mask,
                setsigdef=_RESTORED,
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CliError(f"{program}: {error.strerror}", COMMAND_NOT_FOUND) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CliError(f"{program}: {reason}", CANNOT_RUN) from error

    def _wait_for(self, child: int) -> tuple[int, int | None]:
        """The exit status, negative for a signal, and the signal that wanted an end before."""
        received = None
        while True:
            number, sent_to_child = _next_signal(self._waited_for)
            if number == signal.SIGCHLD:
                pid, status = os.waitpid(child, os.WNOHANG)
                if pid == child:
                    return os.waitstatus_to_exitcode(status), received
                continue
            if number in self._ending:
                received = number
            if not sent_to_child:
                os.kill(child, number)  # it is there until it is waited for


def _heeded(names: Sequence[str]) -> set[signal.Signals]:
    numbers = {getattr(signal, name) for name in names}
    return {number for number in numbers if signal.getsignal(number) != signal.SIG_IGN}


def _interrupt(number: int, _: FrameType | None) -> None:
    raise Interrupted(number)


def _next_signal(waited_for: set[signal.Signals]) -> tuple[int, bool]:
    """The next signal, and whether the command has got it as well.

    What a terminal sends, at Ctrl-C or when it is closed, goes to all processes that run on it.
    """
    if hasattr(signal, "sigwaitinfo"):  # macOS has it not
        info = signal.sigwaitinfo(waited_for)
        return info.si_signo, info.si_code > 0
    number = signal.sigwait(waited_for)
    return number, number in (signal.SIGINT, signal.SIGQUIT) and os.isatty(0)


def _described(status: int) -> str:
    if status > 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}"
