"""One call under a durable budget, written once for blocking and for async retryers."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from localqueue.core import StoreError
from localqueue.retry import _ledger
from localqueue.retry._errors import PersistentRetryExhausted, RetryDeferred
from localqueue.retry._steps import Ask, End, OnStore

if TYPE_CHECKING:
    from collections.abc import Callable

    import tenacity

    from localqueue.core import RetryRecord
    from localqueue.retry._account import Account
    from localqueue.retry._steps import Steps


class Call:
    """The protocol of one call: what it asks the store and the user, and in which order."""

    def __init__(
        self,
        account: Account,
        statistics: dict[str, Any],
        stop: Callable[[Any], Any],
        sleep: Callable[[Any], Any],
        engine: Callable[[Call], tenacity.BaseRetrying],
        ending: Callable[[], tenacity.BaseRetrying],
    ) -> None:
        self.store = account.store
        self.state = account.state
        #: Tenacity's statistics of the call.
        self.statistics = statistics
        # What the attempt before raised, once it is no longer in the state.
        self._last_error: BaseException | None = None
        # Whether Tenacity's step means another attempt. Its value does not tell: a job may
        # return anything.
        self._goes_on = False
        self._account = account
        self._stop = stop
        self._sleep = sleep
        # Tenacity's machinery for the attempts, and for giving up; a refused call needs neither.
        self._make_engine = engine
        self._make_ending = ending

    def run(self) -> Steps[End]:
        """The whole call. Each None is answered by putting the outcome into the state."""
        refusal = yield from self._enter(is_first=True)
        if refusal is not None:
            self._account.tell("refused", attempt=refusal.attempts)
            raise PersistentRetryExhausted(self._account.key, refusal, str(self.store))
        engine = self._make_engine(self)
        engine.begin()
        while True:
            self.statistics["attempt_number"] = self.state.attempt_number
            end = yield from self._iterate(engine)  # the ``before`` callback
            if isinstance(end, End):
                return end
            yield None
            if self.state.outcome is None:
                raise RuntimeError("a loop over attempts needs 'with attempt:' around its body")
            step = yield from self._iterate(engine)
            if isinstance(step, End):
                return step
            outcome, ended_at = self.state.outcome, self.state.outcome_timestamp
            number = self.state.attempt_number
            self._last_error = self._account.error
            self.state.prepare_for_next_attempt()
            yield Ask(partial(self._sleep, step))
            if not (yield from self._enter_again()):
                self.state.outcome, self.state.outcome_timestamp = outcome, ended_at
                self.state.attempt_number = number
                return (yield from self._finish())

    def judge(self) -> Steps[bool]:
        """Tenacity's stop strategy: ask the user's, and write the failure down."""
        state, account = self.state, self._account
        if not account.reserves:
            yield from account.count()
        spent = bool((yield Ask(partial(self._stop, state))))
        wait = float(state.upcoming_sleep)
        now = time.time()
        due = now + max(0.0, wait)
        record = yield from account.settle(
            account.error, due=due if wait > 0 and not spent else None, exhausted=spent, now=now
        )
        if spent or (record is not None and record.exhausted):
            account.tell("exhausted", attempt=state.attempt_number)
            return True
        if _ledger.too_long(wait, account.settings.max_in_process_wait):
            if record is None:  # nothing keeps the place: the job's own error is the answer
                return True
            account.tell("deferred", attempt=state.attempt_number, wait_for=wait)
            raise RetryDeferred(account.key, due, state.attempt_number) from account.error
        account.tell("scheduled", attempt=state.attempt_number, wait_for=wait)
        self._goes_on = True
        return False

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

    def _enter(self, *, is_first: bool) -> Steps[RetryRecord | None]:
        """Reserve the next attempt. Returns the record that forbids it, or None."""
        account = self._account
        while True:
            seen: RetryRecord | None = yield OnStore(account.look)
            if account.reservation is not None:  # there was none, and now it is this call's
                account.begin(account.reservation, 1)
                return None
            match (yield from self._decide(seen, is_first=is_first)):
                case _ledger.Wait(seen, seconds):
                    account.tell("scheduled", attempt=seen.attempts, wait_for=seconds)
                    yield Ask(partial(self._sleep, seconds))
                    account.served = seen.next_attempt_at
                case _ledger.Defer(seen, due):
                    account.tell("deferred", attempt=seen.attempts, wait_for=due - time.time())
                    raise RetryDeferred(account.key, due, seen.attempts, seen) from self._last_error
                case _ledger.Refuse(seen, mark):
                    if mark is None:
                        return seen
                    if (
                        yield OnStore(partial(self.store.reserve, account.key, mark, expected=seen))
                    ):
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
            spent = bool((yield Ask(partial(self._stop, past))))
        return _ledger.admission(
            seen,
            now=now,
            spent=spent,
            served=account.served,
            max_wait=account.settings.max_in_process_wait,
        )

    def _enter_again(self) -> Steps[bool]:
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
            refusal = yield from self._enter(is_first=False)
        except StoreError as error:
            # The job has an error of its own by now, and that is the one to come out.
            self._account.report(error)
            return False
        return refusal is None

    def _iterate(self, engine: tenacity.BaseRetrying) -> Steps[Any]:
        """Tenacity's next step, or an End where the call is over."""
        self._goes_on = self.state.outcome is None
        try:
            step = yield Ask(partial(engine.iter, self.state))
        except GeneratorExit:
            raise
        except BaseException as error:
            yield from self._conclude(error)
            return End(error=error)
        if self._goes_on:
            return step
        if self._account.is_unanswered:  # else it is the value of a retry_error_callback
            yield from self._account.accept()
        return End(step)

    def _conclude(self, error: BaseException) -> Steps[None]:
        """Write down what Tenacity's last step means, unless ``judge`` has done so."""
        if not self._account.is_unanswered:
            return
        outcome = self.state.outcome
        if not isinstance(error, Exception):
            yield from self.abandon(error)
        elif outcome is None:  # ``before`` raised: the function did not run
            yield from self._account.give_back(error)
        elif outcome.failed and outcome.exception() is error:  # the predicate said no
            self._account.is_unanswered = False
            self._account.tell("failed", attempt=self.state.attempt_number, error=error)
            yield from self._account.give_back(error)
        else:  # a callback or a strategy of the user raised
            yield from self._account.settle(self._account.error, due=None, exhausted=False)

    def _finish(self) -> Steps[End]:
        """End as if this call's own stop had said yes: others have used the budget up."""
        try:
            return End((yield Ask(partial(self._make_ending().iter, self.state))))
        except GeneratorExit:
            raise
        except BaseException as error:
            return End(error=error)
