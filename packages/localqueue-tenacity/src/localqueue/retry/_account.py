"""The durable side of one call: what it has reserved, and how its outcomes are written down."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from localqueue.core import StoreError, transitions
from localqueue.retry import _hooks, _ledger
from localqueue.retry._errors import SharedKeyWarning
from localqueue.retry._owner import owner
from localqueue.retry._steps import OnStore, OnStoreOnce, perform

if TYPE_CHECKING:
    from localqueue.core import AttemptStore, RetryRecord
    from localqueue.retry._options import Settings
    from localqueue.retry._state import PersistentRetryCallState
    from localqueue.retry._steps import Steps


class Account:
    """One call's entry in the books of its key."""

    def __init__(
        self,
        settings: Settings,
        store: AttemptStore,
        state: PersistentRetryCallState,
        function: str | None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.state = state
        self.key = state.key
        self.function = function
        self.reserves = settings.count == "started"
        #: What reserves the current attempt.
        self.reservation: RetryRecord | None = None
        #: An attempt has begun, and its outcome is not written down.
        self.is_unanswered = False
        #: The record after the latest failure, where it was written.
        self.settled: RetryRecord | None = None
        #: The end of the backoff that this call has slept already, or is about to.
        self.served: float | None = None
        # When the current attempt began, in Unix seconds.
        self._began_at = 0.0
        # Whether the reservation is known to be in the store.
        self._is_stored = False
        # Whether the current attempt is among the record's attempts.
        self._is_counted = False
        # The budget that this call's outcomes belong to; None while nothing is stored.
        self._budget: str | None = None

    @property
    def error(self) -> BaseException | None:
        """What the latest attempt raised."""
        outcome = self.state.outcome
        return None if outcome is None else outcome.exception()

    def look(self) -> Steps[RetryRecord | None]:
        """Load the record; where there is none, reserve the first attempt in the same breath."""
        seen: RetryRecord | None = yield from self._reserving(OnStore(self._look))
        return seen

    def start(self, seen: RetryRecord | None, attempt: int) -> Steps[bool]:
        """Begin the attempt that comes after what was seen; False if others were faster."""
        if not self.reserves:
            self.begin(seen, attempt)
            return True
        yield from self._reserving(OnStore(self._reserve, seen))
        if self.reservation is None:
            return False
        self.begin(self.reservation, attempt)
        return True

    def _reserving(self, operation: OnStore) -> Steps[Any]:
        try:
            return (yield operation)
        except StoreError:
            self.reservation = None  # whatever had been done of it is undone
            raise

    def _look(self) -> RetryRecord | None:
        self.reservation = None
        seen = self.store.load(self.key)
        if seen is None and self.reserves:
            self._reserve(None)
        return seen

    def _reserve(self, seen: RetryRecord | None) -> None:
        record = self._next_record(seen, time.time())
        # Before the write: a signal may come between it and its answer. It may also be a part of a
        # transaction that comes to nothing: only the answer says that it is stored.
        self.reservation, self._is_stored = record, False
        if not self.store.reserve(self.key, record, expected=seen):
            self.reservation = None

    def _next_record(self, seen: RetryRecord | None, now: float) -> RetryRecord:
        return transitions.started(seen, now=now, function=self.function, owner=owner())

    def begin(self, record: RetryRecord | None, attempt: int) -> None:
        self.is_unanswered = self._is_stored = True
        self._is_counted = self.reserves
        self._budget = None if record is None else record.budget
        self._began_at = time.time()
        self.state.follow(record, attempt=attempt, now=self._began_at)
        self.tell("started", attempt=attempt)

    def accept(self) -> Steps[None]:
        """The attempt succeeded."""
        keep = not self.settings.clear_on_success
        if keep:
            yield from self.count()
        if self._budget is not None:
            try:
                yield OnStore(
                    self.store.complete,
                    self.key,
                    budget=self._budget,
                    succeeded_at=time.time() if keep else None,
                )
            except StoreError as error:
                self.report(error)
        # Not before: who is interrupted on the way comes here again, so that a success never
        # counts as a failure.
        self.reservation, self.is_unanswered = None, False
        self.tell("succeeded", attempt=self.state.attempt_number)

    def settle(
        self,
        error: BaseException | None,
        *,
        due: float | None,
        exhausted: bool,
        now: float | None = None,
    ) -> Steps[RetryRecord | None]:
        """The attempt failed. Returns the record; None where it could not be written."""
        self.reservation, self.is_unanswered = None, False
        yield from self.count()
        attempt = self.state.attempt_number
        failure = _ledger.failure(
            error,
            attempt=attempt,
            # One reading of the clock for both: their distance says how long the backoff is.
            now=time.time() if now is None else now,
            with_message=self.settings.record_errors == "message",
        )
        self.tell("failed", attempt=attempt, error=error)
        if self._budget is None:
            return None
        try:
            record: RetryRecord | None = yield OnStore(
                self.store.settle,
                self.key,
                failure,
                budget=self._budget,
                next_attempt_at=due,
                exhausted=exhausted,
            )
        except StoreError as failed:
            self.report(failed)
            return None
        self.settled = record
        if record is not None:
            self.state.record, self.served = record, record.next_attempt_at
        return record

    def reject(self, error: BaseException) -> Steps[None]:
        """The attempt failed for good: the predicate wants no other one, and it does not count."""
        self.is_unanswered = False
        self.tell("failed", attempt=self.state.attempt_number, error=error)
        yield from self.give_back(error)

    def give_back(self, error: BaseException) -> Steps[None]:
        """The attempt was interrupted, or did not run, or failed for good: it does not count."""
        reservation, self.reservation = self.reservation, None
        interrupted, self.is_unanswered = (
            self.is_unanswered and not isinstance(error, Exception),
            False,
        )
        if reservation is None:
            return
        try:
            # All in one, because whoever is cancelled for good gets no second answer.
            yield OnStoreOnce(self._release, reservation, error if interrupted else None)
        except StoreError as failed:
            self.report(failed)

    def _release(self, reservation: RetryRecord, interruption: BaseException | None) -> None:
        if not self._is_stored:  # a signal came before the answer of the store
            stored = self.store.load(self.key)
            if stored is None or stored.revision != reservation.revision:
                return
        given_back = self.store.release(
            self.key,
            budget=reservation.budget,
            interruptions_allowed=None if interruption is None else self.settings.max_interruptions,
        )
        if interruption is not None and not given_back:
            perform(self.settle(interruption, due=None, exhausted=False))

    def count(self) -> Steps[None]:
        """Count an attempt that was not reserved (``count="failed"``), once."""
        if self._is_counted:
            return
        self._is_counted = True
        try:
            while True:
                seen = yield OnStore(self.store.load, self.key)
                record = self._next_record(seen, self._began_at)
                if (yield OnStore(self.store.reserve, self.key, record, expected=seen)):
                    break
        except StoreError as error:
            self._budget = None
            self.report(error)
        else:
            self._budget = record.budget
            self.state.follow(record, attempt=record.attempts, now=time.time())

    def warn_if_shared(self, seen: RetryRecord) -> None:
        other = _ledger.shared_with(seen, self.function)
        if other is not None:
            warnings.warn(
                f"the retry key {self.key!r} in {self.store} is used by two functions, "
                f"{other} and {self.function}; give each a key or a prefix of its own",
                SharedKeyWarning,
                stacklevel=2,
            )

    def report(self, error: StoreError) -> None:
        _hooks.log_store_failure(self.key, error)
        self.tell("store_failed", attempt=self.state.attempt_number, error=error)

    def tell(
        self,
        kind: _hooks.EventKind,
        *,
        attempt: int,
        wait_for: float | None = None,
        error: BaseException | None = None,
    ) -> None:
        if _hooks.is_heard(kind):
            _hooks.emit(
                _hooks.AttemptEvent(
                    kind,
                    key=self.key,
                    function=self.function,
                    attempt=attempt,
                    wait_for=wait_for,
                    error_type=None if error is None else _ledger.error_type(error),
                    store=str(self.store),
                )
            )
