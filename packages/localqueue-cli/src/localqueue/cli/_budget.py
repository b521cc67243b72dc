"""A command under a durable budget: what is tried, what is said, and the exit status."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import tenacity

from localqueue.cli._child import CommandFailed
from localqueue.cli._errors import DONE, EXHAUSTED, TRY_LATER
from localqueue.cli._output import note, silence
from localqueue.cli._records import length, moment
from localqueue.core import StoreError
from localqueue.retry import (
    PersistentRetryExhausted,
    PersistentRetrying,
    RetryDeferred,
    SharedKeyWarning,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from localqueue.cli._child import Runner
    from localqueue.core import AttemptStore, RetryRecord


class Budget:
    """One process's part in the budget of a key.

    ``wait``: the first and the longest time between two attempts, in seconds. ``max_wait``: the
    longest time to wait in this process; None for any.
    """

    def __init__(
        self,
        key: str,
        store: AttemptStore,
        runner: Runner,
        *,
        max_tries: int | None,
        wait: tuple[float, float],
        max_wait: float | None,
        quiet: bool,
        reset_command: str,
    ) -> None:
        self._key = key
        self._runner = runner
        self._is_quiet = quiet
        self._reset_command = reset_command
        first, longest = wait
        self._retryer = PersistentRetrying(
            key=key,
            name=f"command {runner.name}",
            store=store,
            max_tries=max_tries,
            max_in_process_wait=max_wait,
            retry=tenacity.retry_if_exception_type(CommandFailed),
            wait=tenacity.wait_fixed(first)
            if first == longest
            else tenacity.wait_exponential_jitter(initial=first, max=longest),
            before_sleep=self._tell_failure,
            sleep=self._sleep,
        )

    def run(self) -> int:
        """Run the command until it succeeds or nothing more may be done; returns the exit status.

        Raises StoreError and CliError where the command was not run, and Interrupted.
        """
        with self._voice():
            try:
                for attempt in self._retryer:
                    with attempt:
                        self._runner()
            except CommandFailed as error:
                return self._after(error)
            except RetryDeferred as later:
                failed = f"attempt {later.attempts} failed: {later.__cause__}; "
                due = moment(later.next_attempt_at, time.time())
                self._say(
                    f"{failed if later.__cause__ else ''}the next attempt is not due before {due}"
                )
                return TRY_LATER
            except PersistentRetryExhausted as spent:
                return self._spent(spent.record)
        return DONE

    def _after(self, error: CommandFailed) -> int:
        try:
            record = self._retryer.get_record()
        except StoreError as failure:
            self._say(str(failure))
            record = None
        if record is not None and record.exhausted:
            return self._spent(record)
        self._say(f"{error}; whether this was the last attempt is not known")
        return TRY_LATER

    def _spent(self, record: RetryRecord) -> int:
        error = record.last_error_message or "no outcome is known"
        attempts = "attempt" if record.attempts == 1 else "attempts"
        self._say(
            f"the budget is spent after {record.attempts} {attempts} (last: {error}); "
            f"to let it run again: {self._reset_command}"
        )
        return EXHAUSTED

    def _tell_failure(self, state: tenacity.RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        self._say(f"attempt {state.attempt_number} failed: {error}")

    def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._say(f"the next attempt is due in {length(seconds)}")
        self._runner.sleep(seconds)

    def _say(self, text: str) -> None:
        if not self._is_quiet:
            try:
                note(f"localqueue: {self._key}: {text}")
            except OSError:  # nobody listens, and the job matters more
                silence(sys.stderr)

    @contextmanager
    def _voice(self) -> Generator[None, None, None]:
        """Say what the retry layer logs as an error, and what it warns of."""
        log = logging.getLogger("localqueue.retry")
        handler = _Speaker(self._say)
        log.addHandler(handler)
        with warnings.catch_warnings():
            warnings.simplefilter("default", SharedKeyWarning)
            warnings.showwarning = lambda message, *_, **__: self._say(str(message))
            try:
                yield
            finally:
                log.removeHandler(handler)


class _Speaker(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())
