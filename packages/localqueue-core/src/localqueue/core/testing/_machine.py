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
from localqueue.core.testing._values import any_record, any_text

Open: TypeAlias = Callable[[], AttemptStore]

keys = st.sampled_from(["a", "a\0", "b", "k" * 600, "\uffff", "\U00010000"])
times = st.integers(0, 100).map(float)
failures = st.builds(Failure, st.integers(1, 30), times, st.none() | any_text, st.none() | any_text)


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

    @rule(key=keys, now=times, late=st.booleans(), data=st.data())
    def reserve(self, key: str, now: float, late: bool, data: st.DataObject) -> None:
        present = self.model.get(key)
        expected = data.draw(st.sampled_from(self.seen)) if late else present
        record = transitions.started(expected, now=now, function="f", owner="host:1")
        fits = (expected and expected.revision) == (present and present.revision)
        assert self.store.reserve(key, record, expected=expected) is fits
        if fits:
            self.write(key, record)
            assert self.model[key].revision == record.revision

    @rule(key=keys, now=times)
    def refuse(self, key: str, now: float) -> None:
        present = self.model.get(key)
        if present is not None:
            record = transitions.refused(present, now=now)
            assert self.store.reserve(key, record, expected=present) is True
            self.write(key, record)

    def budget(self, key: str, late: bool, data: st.DataObject) -> str:
        present = self.model.get(key)
        if late or present is None:
            return data.draw(st.sampled_from(self.budgets))
        return present.budget

    @rule(
        key=keys,
        failure=failures,
        later=st.none() | times,
        exhausted=st.booleans(),
        late=st.booleans(),
        data=st.data(),
    )
    def settle(
        self,
        key: str,
        failure: Failure,
        later: float | None,
        exhausted: bool,
        late: bool,
        data: st.DataObject,
    ) -> None:
        budget = self.budget(key, late, data)
        present = self.model.get(key)
        answer = self.store.settle(
            key, failure, budget=budget, next_attempt_at=later, exhausted=exhausted
        )
        if not transitions.is_running(present, budget):
            assert answer is None
            return
        record = transitions.failed(present, failure, next_attempt_at=later, exhausted=exhausted)
        assert answer == record
        self.write(key, record)
        assert answer.revision == self.model[key].revision != present.revision
        past = self.histories.setdefault(key, [])
        self.histories[key] = [*past, failure][-HISTORY_LIMIT:]

    @rule(key=keys, allowed=st.none() | st.integers(0, 3), late=st.booleans(), data=st.data())
    def release(self, key: str, allowed: int | None, late: bool, data: st.DataObject) -> None:
        budget = self.budget(key, late, data)
        present = self.model.get(key)
        answer = self.store.release(key, budget=budget, interruptions_allowed=allowed)
        fits = transitions.is_releasable(present, budget, allowed)
        assert answer is fits
        if transitions.is_releasable(present, budget, allowed):
            self.write(key, transitions.released(present, interrupted=allowed is not None))

    @rule(key=keys, at=st.none() | times, late=st.booleans(), data=st.data())
    def complete(self, key: str, at: float | None, late: bool, data: st.DataObject) -> None:
        budget = self.budget(key, late, data)
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
        for key, record in found:
            assert self.store.load(key) == record
            assert (record.budget, record.revision) == (
                self.model[key].budget,
                self.model[key].revision,
            )
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

        class Machine(AttemptStoreMachine):
            def __init__(machine) -> None:  # noqa: N805  # self is the test
                super().__init__(opened[-1], reopen if self.survives_reopening else None)

        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=self.examples,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            opened[-1].close()
