"""One call under a durable budget, written once for blocking and for async retryers."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import tenacity

from localqueue.core import StoreError
from localqueue.retry import _ledger
from localqueue.retry._errors import PersistentRetryExhausted, RetryDeferred
from localqueue.retry._steps import Ask, End, Nap, OnStore

if TYPE_CHECKING:
    from localqueue.core import RetryRecord
    from localqueue.retry._account import Account
    from localqueue.retry._steps import Steps


class Call:
    """The protocol of one call: what it asks the store and the user, and in which order.

    The user's strategies and callbacks are asked in Tenacity's order. Its own loop (``iter``) is
    not used: it knows no moment between ``stop`` and ``before_sleep`` at which a failure could be
    written down, and its machinery costs as much as half a write to the store.
    """

    def __init__(
        self, retryer: tenacity.BaseRetrying, account: Account, statistics: dict[str, Any]
    ) -> None:
        self.store = account.store
        self.state = account.state
        # Whoever holds the retryer may put others in their place; a call keeps those that it began
        # with, as Tenacity's decorated functions do.
        self._asked = SimpleNamespace(
            sleep=retryer.sleep,
            stop=retryer.stop,
            wait=retryer.wait,
            retry=retryer.retry,
            before=retryer.before,
            after=retryer.after,
            before_sleep=retryer.before_sleep,
            reraise=retryer.reraise,
            retry_error_cls=retryer.retry_error_cls,
            retry_error_callback=retryer.retry_error_callback,
        )
        self._account = account
        # Of this call, under Tenacity's names.
        self._statistics = statistics

    def run(self) -> Steps[End]:
        """The whole call. Each None is answered by putting the outcome into the state."""
        refusal = yield from self._enter(is_first=True)
        if refusal is not None:
            self._account.tell("refused", attempt=refusal.attempts)
            raise PersistentRetryExhausted(self._account.key, refusal, str(self.store))
        self._statistics |= {
            "start_time": time.monotonic(),
            "idle_for": 0,
            "delay_since_first_attempt": 0,
        }
        while True:
            self._statistics["attempt_number"] = self.state.attempt_number
            end = yield from self._begin_attempt()
            if end is None:
                yield None
                if self.state.outcome is None:
                    raise RuntimeError("a loop over attempts needs 'with attempt:' around its body")
                end = yield from self._end_attempt()
                if end is None:
                    end = yield from self._pause()
            if end is not None:
                return end

    def abandon(self, error: BaseException) -> Steps[None]:
        """End a call that nobody answers: interrupted, cancelled, or a loop that was left early.

        An attempt without an outcome is given back, one that has ended is written down.
        """
        if self._account.is_unanswered and self.state.outcome is not None:
            if self.state.outcome.failed:
                yield from self._account.settle(self._account.error, due=None, exhausted=False)
            else:
                yield from self._account.accept()
        else:
            yield from self._account.give_back(error)

    def _enter(
        self, *, is_first: bool, last_error: BaseException | None = None
    ) -> Steps[RetryRecord | None]:
        """Reserve the next attempt. Returns the record that forbids it, or None."""
        account = self._account
        while True:
            seen = yield from account.look()
            if account.reservation is not None:  # there was none, and now it is this call's
                account.begin(account.reservation, 1)
                return None
            match (yield from self._decide(seen, is_first=is_first)):
                case _ledger.Wait(seen, seconds):
                    account.tell("scheduled", attempt=seen.attempts, wait_for=seconds)
                    yield Nap(self._asked.sleep, seconds)
                    account.served = seen.next_attempt_at
                case _ledger.Defer(seen, due):
                    account.tell("deferred", attempt=seen.attempts, wait_for=due - time.time())
                    raise RetryDeferred(account.key, due, seen.attempts, seen) from last_error
                case _ledger.Refuse(seen, mark):
                    if mark is None:
                        return seen
                    if (yield OnStore(self.store.reserve, account.key, mark, expected=seen)):
                        return mark
                case _ledger.Start(attempt):
                    if (yield from account.start(seen, attempt)):
                        return None

    def _decide(self, seen: RetryRecord | None, *, is_first: bool) -> Steps[_ledger.Admission]:
        account, now = self._account, time.time()
        if is_first and seen is not None:
            account.warn_if_shared(seen)
        spent = False
        if _ledger.holds_attempts(seen):
            past = self.state.looking_back(seen, now=now)
            spent = bool((yield Ask(self._asked.stop, past)))
        return _ledger.admission(
            seen,
            now=now,
            spent=spent,
            served=account.served,
            max_wait=account.settings.max_in_process_wait,
        )

    def _enter_again(self, last_error: BaseException | None) -> Steps[bool]:
        account, settled = self._account, self._account.settled
        try:
            # All has been asked about this record; the reservation fails if it was touched since.
            if (
                account.reserves
                and settled is not None
                and settled.attempts == self.state.attempt_number - 1
                and (yield from account.start(settled, self.state.attempt_number))
            ):
                return True
            refusal = yield from self._enter(is_first=False, last_error=last_error)
        except StoreError as error:
            # The job has an error of its own by now, and that is the one to come out.
            self._account.report(error)
            return False
        return refusal is None

    def _begin_attempt(self) -> Steps[End | None]:
        try:
            if self._asked.before is not None:
                yield Ask(self._asked.before, self.state)
        except GeneratorExit:
            raise
        except BaseException as error:
            yield from self.abandon(error)
            return End(error=error)
        return None

    def _end_attempt(self) -> Steps[End | None]:
        """What the outcome of an attempt means: the end of the call, or another attempt (None)."""
        try:
            return (yield from self._judge())
        except GeneratorExit:
            raise
        except BaseException as error:  # of a callback or a strategy
            if self._account.is_unanswered and isinstance(error, Exception):
                yield from self._account.settle(self._account.error, due=None, exhausted=False)
            else:
                yield from self.abandon(error)
            return End(error=error)

    def _pause(self) -> Steps[End | None]:
        """Sleep, and reserve the next attempt; the end of the call where there is none."""
        state, outcome = self.state, self._outcome
        ended_at, number = state.outcome_timestamp, state.attempt_number
        seconds = float(state.upcoming_sleep)
        state.prepare_for_next_attempt()
        yield Nap(self._asked.sleep, seconds)
        if (yield from self._enter_again(outcome.exception())):
            return None
        state.outcome, state.outcome_timestamp = outcome, ended_at
        state.attempt_number = number
        return (yield from self._give_up())

    @property
    def _outcome(self) -> tenacity.Future:
        return cast("tenacity.Future", self.state.outcome)

    def _judge(self) -> Steps[End | None]:
        state, account, asked = self.state, self._account, self._asked
        outcome, error = state.outcome, account.error
        if not isinstance(error, tenacity.TryAgain) and not (yield Ask(asked.retry, state)):
            if state.outcome is not outcome:  # the predicate has put another one in its place
                error = account.error
            if error is not None:
                yield from account.reject(error)
                return End(error=error)
            yield from account.accept()
            return End(self._outcome.result())
        if asked.after is not None:
            yield Ask(asked.after, state)
        # Tenacity takes None, and some versions anything that is false, for no wait.
        state.upcoming_sleep = (yield Ask(asked.wait, state)) if callable(asked.wait) else 0.0
        self._statistics["delay_since_first_attempt"] = state.seconds_since_start
        if (yield from self._is_over()):
            return (yield from self._give_up())
        seconds = float(state.upcoming_sleep)
        state.next_action = tenacity.RetryAction(seconds)
        state.idle_for += seconds
        self._statistics["idle_for"] += seconds
        self._statistics["attempt_number"] += 1
        if asked.before_sleep is not None:
            yield Ask(asked.before_sleep, state)
        return None

    def _is_over(self) -> Steps[bool]:
        """Ask the stop strategy, and write the failure down."""
        state, account = self.state, self._account
        yield from account.count()
        spent = bool((yield Ask(self._asked.stop, state)))
        error, wait = account.error, 0.0 if spent else float(state.upcoming_sleep)
        now = time.time()
        due = now + max(0.0, wait)
        record = yield from account.settle(
            error, due=due if wait > 0 else None, exhausted=spent, now=now
        )
        if spent or (record is not None and record.exhausted):
            account.tell("exhausted", attempt=state.attempt_number)
            return True
        if _ledger.too_long(wait, account.settings.max_in_process_wait):
            if record is None:  # nothing keeps the place: the job's own error is the answer
                return True
            account.tell("deferred", attempt=state.attempt_number, wait_for=wait)
            raise RetryDeferred(account.key, due, state.attempt_number) from error
        account.tell("scheduled", attempt=state.attempt_number, wait_for=wait)
        return False

    def _give_up(self) -> Steps[End]:
        """The end that the retryer has for a call without further attempts."""
        asked = self._asked
        try:
            if asked.retry_error_callback:
                return End((yield Ask(asked.retry_error_callback, self.state)))
            last = asked.retry_error_cls(self._outcome)
            if asked.reraise:
                last.reraise()
        except GeneratorExit:
            raise
        except BaseException as error:
            return End(error=error)
        last.__cause__ = self._account.error
        return End(error=last)
