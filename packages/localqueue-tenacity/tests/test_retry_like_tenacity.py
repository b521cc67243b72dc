"""On a fresh key, a retryer does what Tenacity's own does: the same questions, in the same order."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import tenacity
from hypothesis import example, given
from hypothesis import strategies as st

from localqueue.core import MemoryAttemptStore
from localqueue.retry import PersistentAsyncRetrying, PersistentRetrying, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

OUTCOMES = ("fine", "wrong", OSError, ValueError, tenacity.TryAgain)
CALLBACKS = ("before", "after", "before_sleep", "retry_error_callback")
STRATEGIES = ("retry", "wait", "stop")

scripts = st.lists(st.sampled_from(OUTCOMES), max_size=6)
raising = st.one_of(st.none(), st.sampled_from(CALLBACKS + STRATEGIES))


class Diary:
    """A job and a retryer's options that write down whatever is asked of them."""

    def __init__(
        self,
        script: list[Any],
        chosen: set[str],
        raising: str | None,
        *,
        reraise: bool,
        is_async: bool,
    ) -> None:
        self.lines: list[Any] = []
        self.outcomes = list(script)
        self.raising = raising
        answers: dict[str, Callable[[tenacity.RetryCallState], Any]] = {
            "retry": tenacity.retry_if_exception_type(OSError)
            | tenacity.retry_if_result(lambda value: value == "wrong"),
            "wait": tenacity.wait_incrementing(start=0, increment=2),
            "stop": tenacity.stop_after_attempt(4) | tenacity.stop_after_delay(60),
        }
        self.options = {
            "reraise": reraise,
            "sleep": self.sleep_async if is_async else self.sleep,
            **{name: self.answer(name, answers[name]) for name in STRATEGIES},
            **{name: self.answer(name, lambda state: "called back") for name in chosen},
        }

    def sleep(self, seconds: float) -> None:
        self.lines.append(("sleep", float(seconds)))

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def answer(self, name: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def asked(state: tenacity.RetryCallState) -> Any:
            self.lines.append((name, *self.seen(state)))
            if name == self.raising:
                raise LookupError(name)
            return function(state)

        return asked

    def seen(self, state: tenacity.RetryCallState) -> tuple[Any, ...]:
        outcome = state.outcome
        return (
            state.attempt_number,
            outcome and (outcome.attempt_number, repr(outcome.exception() or outcome.result())),
            state.idle_for,
            state.next_action and state.next_action.sleep,
            state.args,
            state.kwargs,
        )

    def job(self, *args: Any, **kwargs: Any) -> str:
        self.lines.append("job")
        outcome = self.outcomes.pop(0) if self.outcomes else "fine"
        if isinstance(outcome, str):
            return outcome
        raise outcome("no luck")

    def play(self, call: Callable[[], Any], statistics: Callable[[], dict[str, Any]]) -> list[Any]:
        try:
            self.lines.append(("returned", call()))
        except Exception as error:  # noqa: BLE001  # compared with Tenacity's
            text = "" if isinstance(error, tenacity.RetryError) else str(error)
            self.lines.append(("raised", type(error), text, repr(error.__cause__)))
        counted = {"attempt_number", "idle_for"}
        self.lines.append({name: statistics()[name] for name in counted})
        return self.lines


@pytest.mark.parametrize("is_async", [False, True])
@given(script=scripts, chosen=st.sets(st.sampled_from(CALLBACKS)), raising=raising, reraise=...)
@example([OSError] * 4, set(), None, True)
@example(["wrong"] * 4, set(), None, True)
@example([tenacity.TryAgain] * 4, set(CALLBACKS), None, False)
def test_as_tenacity(
    is_async: bool, script: list[Any], chosen: set[str], raising: str | None, reraise: bool
) -> None:
    def played(retryer_of: Callable[..., Any]) -> list[Any]:
        diary = Diary(script, chosen, raising, reraise=reraise, is_async=is_async)
        retryer = retryer_of(**diary.options)

        async def job(*args: Any, **kwargs: Any) -> str:
            return diary.job(*args, **kwargs)

        async def run() -> Any:
            return await retryer(job, 1, two=2)

        call = (lambda: asyncio.run(run())) if is_async else lambda: retryer(diary.job, 1, two=2)
        return diary.play(call, lambda: retryer.statistics)

    kind: Any = PersistentAsyncRetrying if is_async else PersistentRetrying
    theirs: Any = tenacity.AsyncRetrying if is_async else tenacity.Retrying
    assert played(lambda **options: kind(key="job", store="memory:", **options)) == played(theirs)


def fail() -> None:
    try:
        {}["first"]
    except KeyError:
        raise OSError("no luck")  # noqa: B904  # the context is looked at


def raised_by(kind: type[tenacity.BaseRetrying], **options: Any) -> tuple[Any, ...]:
    """What a call ends with: its value, or its error with what hangs on it."""
    ours = {"key": "job", "store": options.pop("store", "memory:")}
    retryer = kind(
        **{"reraise": True, "sleep": lambda seconds: None, "wait": tenacity.wait_none()}
        | (ours if issubclass(kind, PersistentRetrying) else {})
        | options
    )
    try:
        return ("returned", retryer(fail))
    except Exception as error:  # noqa: BLE001  # compared with Tenacity's
        last = error.last_attempt.exception() if isinstance(error, tenacity.RetryError) else error
        return (type(error), repr(last), repr(error.__cause__), repr(last.__context__))


def translating(state: tenacity.RetryCallState) -> bool:
    error = ValueError("translated")
    state.set_exception((ValueError, error, None))
    return False


def healing(state: tenacity.RetryCallState) -> bool:
    state.set_result("healed")
    return False


def stopping(*_: Any) -> Any:
    return next(iter(()))


TWICE = tenacity.stop_after_attempt(2)


@pytest.mark.parametrize(
    "options",
    [
        {"stop": TWICE},
        {"stop": TWICE, "reraise": False},
        {"retry": translating},
        {"retry": healing},
        {"stop": TWICE, "after": translating},
        {"stop": TWICE, "after": translating, "reraise": False},
        {"stop": TWICE, "before": None, "after": None},
        {"stop": tenacity.stop_after_attempt(1), "wait": lambda state: None},
        *({"stop": TWICE, name: stopping} for name in (*CALLBACKS, *STRATEGIES, "sleep")),
    ],
    ids=" ".join,
)
def test_an_error_is_tenacity_s(options: dict[str, Any]) -> None:
    assert raised_by(PersistentRetrying, **options) == raised_by(tenacity.Retrying, **options)


def test_a_failing_store_leaves_no_trace_on_the_error_of_the_job() -> None:
    class Broken(MemoryAttemptStore):
        def settle(self, *args: Any, **options: Any) -> None:
            raise StoreError("memory:", "is broken")

    options = {"stop": TWICE}
    expected = raised_by(tenacity.Retrying, **options)
    assert raised_by(PersistentRetrying, store=Broken(), **options) == expected
    assert "KeyError" in expected[3]


def test_a_wait_that_is_taken_away_later_is_none() -> None:
    decorated = PersistentRetrying(key="job", store="memory:", stop=TWICE).wraps(fail)
    decorated.retry.wait = None
    with pytest.raises(OSError, match="no luck"):
        decorated()


def test_what_a_plain_callback_starts_is_not_waited_for() -> None:
    """As in a callback that only starts a task."""

    async def main() -> str:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        runs: list[int] = []

        async def job() -> str:
            runs.append(1)
            if len(runs) == 1:
                raise OSError("no luck")
            return "done"

        retryer = PersistentAsyncRetrying(
            key="job",
            store="memory:",
            wait=None,
            before_sleep=lambda state: never,
        )
        return await asyncio.wait_for(retryer(job), 10)

    assert asyncio.run(main()) == "done"


class Thing:
    """Something that a weak reference can watch."""


def test_nothing_is_kept_of_a_call_that_failed_first() -> None:
    argument = Thing()
    watched = weakref.ref(argument)
    outcomes: list[Exception] = [OSError("no luck")]

    def job(thing: Thing) -> None:
        if outcomes:
            raise outcomes.pop()

    gc.collect()
    gc.disable()
    try:
        PersistentRetrying(key="job", store="memory:", wait=None)(job, argument)
        del argument
        assert watched() is None
    finally:
        gc.enable()


def test_nothing_is_kept_of_a_call_whose_success_was_not_written_down() -> None:
    class Broken(MemoryAttemptStore):
        def complete(self, *args: Any, **options: Any) -> bool:
            raise StoreError("memory:", "is broken")

    argument = Thing()
    watched = weakref.ref(argument)
    logging.disable()  # pytest keeps what is logged, and the error with it
    gc.collect()
    gc.disable()
    try:
        PersistentRetrying(key="job", store=Broken())(lambda thing: None, argument)
        del argument
        assert watched() is None
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)


def test_a_call_keeps_the_strategies_that_it_began_with() -> None:
    runs = []

    def job() -> None:
        runs.append(1)
        decorated.retry.stop = tenacity.stop_after_attempt(1)
        fail()

    decorated = PersistentRetrying(key="job", store="memory:", wait=None, max_tries=4).wraps(job)
    with pytest.raises(OSError, match="no luck"):
        decorated()
    assert len(runs) == 4


@pytest.mark.parametrize("name", ["sleep", "stop", "retry"])
def test_a_stop_iteration_becomes_what_python_makes_of_it_in_a_coroutine(name: str) -> None:
    async def job() -> None:
        fail()

    retryer = PersistentAsyncRetrying(
        **{"key": "job", "store": "memory:", "wait": None, name: stopping}
    )
    with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
        asyncio.run(retryer(job))
