"""On a fresh key, a retryer does what Tenacity's own does: the same questions, in the same order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import tenacity
from hypothesis import example, given
from hypothesis import strategies as st

from localqueue.retry import PersistentAsyncRetrying, PersistentRetrying

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
