"""Attempt stores: random sequences of operations, beside a plain model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from localqueue.core import (
    HISTORY_LIMIT,
    AttemptStore,
    Failure,
    RetryRecord,
    open_attempt_store,
    transitions,
)
from localqueue.core.testing._base import StoreContract
from localqueue.core.testing._steps import everything
from localqueue.core.testing._values import any_record, any_text

Open: TypeAlias = Callable[[], AttemptStore]

KEYS = ("a", "a\0", "k" * 600, "\uffff", "\U00010000")

keys = st.sampled_from(KEYS)
times = st.integers(0, 100).map(float)
failures = st.builds(Failure, st.integers(1, 30), times, st.none() | any_text, st.none() | any_text)


running = precondition(lambda self: self.model)


class AttemptStoreMachine(RuleBasedStateMachine):
    """A store and a model, which applies :mod:`localqueue.core.transitions` to a dict."""

    def __init__(self, store: AttemptStore, reopen: Open | None) -> None:
        super().__init__()
        self.store = store
        self.reopen = reopen
        self.model: dict[str, RetryRecord] = {}
        self.histories: dict[str, list[Failure]] = {}
        self.seen: list[RetryRecord | None] = [None]
        self.budgets = ["", "unknown"]
        for key, _ in store.records(limit=1_000):
            store.delete(key)

    def write(self, key: str, record: RetryRecord | None) -> None:
        """Let the model hold what the store should hold; the revision is the store's own."""
        if record is None:
            self.model.pop(key, None)
            self.histories.pop(key, None)
            return
        stored = self.store.load(key)
        assert stored is not None, f"{key!r} has no record"
        self.model[key] = replace(record, revision=stored.revision)
        self.seen.append(self.model[key])
        self.budgets.append(record.budget)

    def target(self, data: st.DataObject) -> tuple[str, str]:
        """A running budget, as a rule; sometimes any key and any budget."""
        if data.draw(st.integers(0, 4)) == 0:
            return data.draw(keys), data.draw(st.sampled_from(self.budgets))
        key = data.draw(st.sampled_from(sorted(self.model)))
        return key, self.model[key].budget

    @rule(key=keys, now=times)
    def reserve(self, key: str, now: float) -> None:
        present = self.model.get(key)
        record = transitions.started(present, now=now, function="f", owner="host:1")
        assert self.store.reserve(key, record, expected=present) is True
        self.write(key, record)
        assert self.model[key].revision == record.revision

    @rule(key=keys, now=times, data=st.data())
    def reserve_after_an_older_look(self, key: str, now: float, data: st.DataObject) -> None:
        present = self.model.get(key)
        seen = data.draw(st.sampled_from(self.seen))
        record = transitions.started(seen, now=now)
        fits = (seen and seen.revision) == (present and present.revision)
        assert self.store.reserve(key, record, expected=seen) is fits
        if fits:
            self.write(key, record)

    @running
    @rule(now=times, data=st.data())
    def refuse(self, now: float, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.model)))
        record = transitions.refused(self.model[key], now=now)
        assert self.store.reserve(key, record, expected=self.model[key]) is True
        self.write(key, record)

    @rule(key=keys, failure=failures, exhausted=st.booleans())
    def reserve_and_fail(self, key: str, failure: Failure, exhausted: bool) -> None:
        self.reserve(key, failure.failed_at)
        self.settled(key, self.model[key].budget, failure, None, exhausted)

    @running
    @rule(failure=failures, later=st.none() | times, exhausted=st.booleans(), data=st.data())
    def settle(
        self, failure: Failure, later: float | None, exhausted: bool, data: st.DataObject
    ) -> None:
        self.settled(*self.target(data), failure, later, exhausted)

    def settled(
        self, key: str, budget: str, failure: Failure, later: float | None, exhausted: bool
    ) -> None:
        """The step that two rules share."""
        present = self.model.get(key)
        answer = self.store.settle(
            key, failure, budget=budget, next_attempt_at=later, exhausted=exhausted
        )
        if not transitions.is_running(present, budget):
            assert answer is None
            return
        record = transitions.failed(present, failure, next_attempt_at=later, exhausted=exhausted)
        assert answer is not None
        assert answer == record
        self.write(key, record)
        assert answer.revision == self.model[key].revision != present.revision
        past = self.histories.setdefault(key, [])
        self.histories[key] = [*past, failure][-HISTORY_LIMIT:]

    @running
    @rule(allowed=st.none() | st.integers(0, 3), data=st.data())
    def release(self, allowed: int | None, data: st.DataObject) -> None:
        key, budget = self.target(data)
        present = self.model.get(key)
        answer = self.store.release(key, budget=budget, interruptions_allowed=allowed)
        if not transitions.is_releasable(present, budget, allowed):
            assert answer is False
            return
        assert answer is True
        self.write(key, transitions.released(present, interrupted=allowed is not None))

    @running
    @rule(at=st.none() | times, data=st.data())
    def complete(self, at: float | None, data: st.DataObject) -> None:
        key, budget = self.target(data)
        present = self.model.get(key)
        answer = self.store.complete(key, budget=budget, succeeded_at=at)
        if not transitions.is_running(present, budget):
            assert answer is False
            return
        assert answer is True
        self.write(key, None if at is None else transitions.succeeded(present, at=at))

    @rule(key=keys)
    def delete(self, key: str) -> None:
        assert self.store.delete(key) is (key in self.model)
        self.write(key, None)

    @rule(key=keys, record=any_record)
    def save(self, key: str, record: RetryRecord) -> None:
        self.store.save(key, record)
        stored = self.store.load(key)
        assert stored is not None
        self.write(key, replace(record, budget=record.budget or stored.budget))
        assert stored.budget

    @rule(age=times, now=times, limit=st.none() | st.integers(0, 3))
    def prune(self, age: float, now: float, limit: int | None) -> None:
        old = {
            key: transitions.exhaustion_time(record)
            for key, record in self.model.items()
            if record.state == "exhausted" and transitions.exhaustion_time(record) <= now - age
        }
        assert self.store.count_exhausted_older_than(older_than=age, now=now) == len(old)
        removed = self.store.prune_exhausted(older_than=age, now=now, limit=limit)
        assert removed == (len(old) if limit is None else min(limit, len(old)))
        gone = [key for key in old if self.store.load(key) is None]
        # Of equally old ones, any may go.
        assert sorted(old[key] for key in gone) == sorted(old.values())[:removed]
        for key in gone:
            self.write(key, None)

    @precondition(lambda self: self.reopen is not None)
    @rule()
    def close_and_reopen(self) -> None:
        assert self.reopen is not None
        self.store.close()
        self.store = self.reopen()

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        found = self.store.records(limit=1_000)
        assert found == sorted(self.model.items())
        for key in KEYS:
            record = everything(self.model.get(key))
            assert everything(self.store.load(key)) == record
            assert everything(dict(found).get(key)) == record
            assert self.store.history(key) == self.histories.get(key, [])


class Sequences(StoreContract):
    """Operations in any order."""

    def test_any_sequence_of_operations_does_what_the_model_does(
        self, store: AttemptStore, store_url: str
    ) -> None:
        opened = [store]

        def reopen() -> AttemptStore:
            opened.append(open_attempt_store(store_url))
            return opened[-1]

        survives = self.survives_reopening

        class Machine(AttemptStoreMachine):
            def __init__(self) -> None:
                super().__init__(opened[-1], reopen if survives else None)

        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=self.examples,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=[HealthCheck.too_slow],
                ),
            )
        finally:
            opened[-1].close()
