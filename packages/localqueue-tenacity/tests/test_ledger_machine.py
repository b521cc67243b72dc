"""Several retryers on one store, in any order of events, against a model of ten lines."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tenacity
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from localqueue.core import AttemptStore, MemoryAttemptStore
from localqueue.retry import PersistentRetryExhausted, PersistentRetrying, _account, _call, _state
from localqueue.sqlite import SQLiteAttemptStore

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

TRIES = 3
INTERRUPTIONS = 1
WAIT_SECONDS = 60.0
KEYS = ("shared", "shared", "shared", "own")
HOUR = 3600.0


class Clock:
    """The wall clock of the retry layer, which anybody may move."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= WAIT_SECONDS
        self.now += seconds


@dataclass
class Budget:
    """What a key's record has to say."""

    attempts: int = 0
    interruptions: int = 0
    exhausted: bool = False
    is_over: bool = False
    failed: int = 0
    failed_at: float = -math.inf
    exhausted_at: float = 0.0

    def fail(self, now: float) -> None:
        self.failed += 1
        self.failed_at = now

    def spend(self, now: float) -> None:
        if not self.exhausted:
            self.exhausted, self.exhausted_at = True, now


class Actor:
    """A process with a retryer of its own; it makes one call at a time."""

    def __init__(self, key: str, store: AttemptStore, clock: Clock, *, clear: bool) -> None:
        self.key = key
        self.clear = clear
        self.retryer = PersistentRetrying(
            key=key,
            store=store,
            max_tries=TRIES,
            max_interruptions=INTERRUPTIONS,
            clear_on_success=clear,
            wait=tenacity.wait_fixed(WAIT_SECONDS),
            retry=tenacity.retry_if_exception_type(ConnectionError),
            sleep=clock.sleep,
        )
        self.call: Generator[tenacity.AttemptManager, None, None] | None = None
        self.attempt: Any = None
        self.budget = Budget()
        self.number = 0

    def go_on(self) -> None:
        """Until the next attempt; at the end of the call the actor is idle."""
        assert self.call is not None
        try:
            self.attempt = next(self.call)
        except BaseException:
            self.call = None
            raise

    def end_attempt(self, error: Exception | None) -> None:
        with self.attempt:
            if error is not None:
                raise error
        assert self.attempt.retry_state.seconds_since_start >= 0


class Machine(RuleBasedStateMachine):
    """Each rule does something with real retryers, and the same with the model."""

    clear = True

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.patch = pytest.MonkeyPatch()
        clock = SimpleNamespace(time=self.clock.time, monotonic=time.monotonic)
        for module in (_account, _call, _state):
            self.patch.setattr(module, "time", clock)
        self.open_stores()
        self.actors = [
            Actor(key, store, self.clock, clear=self.clear)
            for key, store in zip(KEYS, self.stores, strict=True)
        ]
        self.books: dict[str, Budget] = {}
        self.crashed: list[object] = []

    def open_stores(self) -> None:
        self.stores: list[AttemptStore] = [MemoryAttemptStore()] * len(KEYS)

    def teardown(self) -> None:
        for call in [*self.crashed, *(actor.call for actor in self.actors)]:
            if call is not None:
                call.close()  # type: ignore[attr-defined]
        for store in self.stores:
            store.close()
        self.patch.undo()

    # What the model knows.

    def idle(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.call is None]

    def running(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.call is not None]

    def counts(self, actor: Actor) -> bool:
        """Whether the actor's attempt still belongs to the budget of its key."""
        return self.books.get(actor.key) is actor.budget and not actor.budget.is_over

    def admit(self, actor: Actor) -> bool:
        budget = self.books.get(actor.key)
        if budget is None or budget.is_over:
            budget = self.books[actor.key] = Budget()
        if budget.exhausted or budget.attempts >= TRIES:
            budget.spend(self.clock.now)
            return False
        budget.attempts += 1
        actor.budget, actor.number = budget, budget.attempts
        return True

    def take_back(self, actor: Actor) -> None:
        budget = actor.budget
        budget.attempts -= 1
        # A refusal while the attempt ran has said "exhausted" too early.
        budget.exhausted &= budget.failed_at >= budget.exhausted_at
        if not (budget.attempts or budget.interruptions or budget.exhausted):
            del self.books[actor.key]

    def succeed_in_books(self, actor: Actor) -> None:
        if not self.counts(actor):
            return
        if self.clear:
            del self.books[actor.key]
        else:
            budget = actor.budget
            budget.attempts -= 1
            budget.exhausted, budget.is_over = False, True

    # What happens.

    @precondition(lambda self: self.idle())
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from(self.idle()))
        actor.call = iter(actor.retryer)
        if self.admit(actor):
            actor.go_on()
        else:
            with pytest.raises(PersistentRetryExhausted):
                actor.go_on()

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from(self.running()))
        actor.end_attempt(ConnectionError("down"))
        is_last = actor.number >= TRIES
        if self.counts(actor):
            actor.budget.fail(self.clock.now)
            if is_last:
                actor.budget.spend(self.clock.now)
            is_last = actor.budget.exhausted
        was = self.books.get(actor.key)
        was_spent = was is not None and was.exhausted
        if not is_last and self.admit(actor):
            actor.go_on()
        else:
            with pytest.raises(ConnectionError):
                actor.go_on()
            if was is not None and not was_spent:
                was.exhausted_at = self.clock.now  # the refusal came after the sleep

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def fail_for_good(self, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from(self.running()))
        actor.end_attempt(ValueError("wrong"))
        if self.counts(actor):
            self.take_back(actor)
        with pytest.raises(ValueError, match="wrong"):
            actor.go_on()

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from(self.running()))
        actor.end_attempt(None)
        self.succeed_in_books(actor)
        with pytest.raises(StopIteration):
            actor.go_on()

    @precondition(lambda self: self.running())
    @rule(data=st.data(), outcome=st.sampled_from(["none", "failure", "success"]))
    def leave(self, data: st.DataObject, outcome: str) -> None:
        """Leave the loop: in the attempt, or when it has ended but before it is judged."""
        actor = data.draw(st.sampled_from(self.running()))
        if outcome == "success":
            actor.end_attempt(None)
            self.succeed_in_books(actor)
        elif outcome == "failure":
            actor.end_attempt(ConnectionError("down"))
            actor.budget.fail(self.clock.now)
        elif self.counts(actor) and actor.budget.interruptions < INTERRUPTIONS:
            actor.budget.interruptions += 1
            self.take_back(actor)
        else:
            actor.budget.failed_at = self.clock.now
        assert actor.call is not None
        actor.call.close()
        actor.call = None

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """The process dies: nothing of the call is ever cleaned up."""
        actor = data.draw(st.sampled_from(self.running()))
        self.crashed.append(actor.call)
        actor.call = None

    @rule(key=st.sampled_from(KEYS))
    def reset(self, key: str) -> None:
        actor = next(actor for actor in self.actors if actor.key == key)
        assert actor.retryer.reset() is (self.books.pop(key, None) is not None)

    @rule(seconds=st.sampled_from([-30 * 24 * HOUR, -HOUR, -1.0, 1.0, HOUR, 30 * 24 * HOUR]))
    def move_the_clock(self, seconds: float) -> None:
        self.clock.now += seconds

    # What must hold.

    @invariant()
    def records_say_what_the_model_says(self) -> None:
        for actor in self.actors:
            record, budget = actor.retryer.get_record(), self.books.get(actor.key)
            assert (record is None) == (budget is None)
            if record is not None and budget is not None:
                assert record.attempts == budget.attempts <= TRIES
                assert record.interruptions == budget.interruptions <= INTERRUPTIONS
                assert record.exhausted == budget.exhausted
                assert (record.succeeded_at is not None) == budget.is_over
                assert budget.failed <= TRIES

    @invariant()
    def running_attempts_have_their_numbers(self) -> None:
        for actor in self.running():
            assert actor.attempt.retry_state.attempt_number == actor.number <= TRIES


class KeepingMachine(Machine):
    clear = False


class SQLiteMachine(Machine):
    """Each actor has a connection of its own, as processes have."""

    def open_stores(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        path = f"{self.folder.name}/retries.sqlite3"
        self.stores = [SQLiteAttemptStore(path) for _ in KEYS]

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


def bounded(machine: type[Machine], examples: int) -> Callable[..., Any]:
    case = machine.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    return case


TestMemory = bounded(Machine, 300)
TestMemoryKeepingSuccesses = bounded(KeepingMachine, 200)
TestSQLite = bounded(SQLiteMachine, 80)
