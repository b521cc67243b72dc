"""What a user's guide to persistent retries promises, in the order in which it promises it."""

import time
from types import SimpleNamespace

import pytest
from tenacity import retry_if_exception_type, stop_after_attempt, wait_fixed

from localqueue.core import RetryRecord
from localqueue.retry import (
    MemoryAttemptStore,
    PersistentAsyncRetrying,
    PersistentRetryExhausted,
    PersistentRetrying,
    idempotency_key_from_id,
    key_from_argument,
    key_from_attr,
    persistent_async_retry,
    persistent_retry,
)

MONTH = 30 * 24 * 3600.0


pytestmark = pytest.mark.usefixtures("home")


def test_the_decorator_with_tenacity_s_own_strategies(naps):
    runs = []

    @persistent_retry(
        key_fn=key_from_argument("job_id"),
        stop=stop_after_attempt(3),
        wait=wait_fixed(1),
        retry=retry_if_exception_type(ConnectionError),
        sleep=naps,
    )
    def call_remote(job_id: str) -> str:
        runs.append(job_id)
        if len(runs) < 3:
            raise ConnectionError("unreachable")
        return f"answer to {job_id}"

    assert call_remote("a1") == "answer to a1"
    assert runs == ["a1"] * 3
    assert naps == [1.0, 1.0]


def test_the_async_decorator(style, naps):
    if not style.is_async:
        return
    runs = []

    @persistent_async_retry(
        key_fn=key_from_argument("job_id"), stop=stop_after_attempt(3), sleep=naps
    )
    async def fetch(job_id: str) -> dict[str, str]:
        runs.append(job_id)
        if len(runs) < 3:
            raise TimeoutError("slow")
        return {"id": job_id}

    assert style.run(fetch, "a1") == {"id": "a1"}
    assert len(runs) == 3


@pytest.mark.parametrize(
    ("retried", "raised"),
    [
        ((ConnectionError, TimeoutError), TimeoutError("slow")),
        ((ConnectionError, TimeoutError), ConnectionError("unreachable")),
        (OSError, BlockingIOError("held by another")),
    ],
)
def test_transient_failures_are_retried(store, style, script, retried, raised):
    job = script(raised)
    retryer = style.retryer(
        key="hook", max_tries=5, store=store, retry=retry_if_exception_type(retried)
    )
    assert style.call(retryer, job) == "done"
    assert job.calls == 2


def test_bad_input_fails_fast_and_is_not_in_the_history(store, style):
    calls = []

    def charge(job_id, amount):
        calls.append(amount)
        if amount <= 0:
            raise ValueError("amount must be positive")
        raise ConnectionError("bank is away")

    decorated = style.decorated(
        charge,
        key_fn=key_from_argument("job_id"),
        stop=stop_after_attempt(3),
        retry=retry_if_exception_type(ConnectionError),
        store=store,
    )
    with pytest.raises(ValueError, match="positive"):
        style.run(decorated, "i1", 0)
    assert calls == [0]
    assert store.load("i1") is None
    with pytest.raises(ConnectionError):
        style.run(decorated, "i1", 5)
    assert calls == [0, 5, 5, 5]
    assert {failure.error_type for failure in store.history("i1")} == {"ConnectionError"}


def test_old_exhausted_records_can_be_removed_and_active_ones_stay(store, style, script):
    now = time.time()
    retryer = style.retryer(key="new", max_tries=1, store=store)
    with pytest.raises(OSError, match="busy"):
        style.call(retryer, script(OSError("busy")))
    store.save("old", RetryRecord(3, now - MONTH, exhausted=True, exhausted_at=now - MONTH))
    store.save("active", RetryRecord(2, now - MONTH))
    # Its first attempt is old; that it is exhausted is news.
    store.save("long", RetryRecord(9, now - MONTH, exhausted=True, exhausted_at=now))

    week = 604_800
    assert store.count_exhausted_older_than(older_than=week, now=now) == 1
    assert store.prune_exhausted(older_than=week, now=now) == 1
    assert [key for key, _ in store.records()] == ["active", "long", "new"]


def test_a_bound_key_and_a_direct_call(home):
    retryer = PersistentRetrying(key="invoice:1001", max_tries=5)
    assert retryer(lambda: "made") == "made"
    assert (home / "data" / "localqueue" / "retries.sqlite3").exists()


def test_every_documented_way_to_a_key(store, naps):
    def own_key(fn, args, kwargs):
        return f"{kwargs['tenant_id']}:invoice:{kwargs['invoice_id']}"

    options = {"max_tries": 1, "store": store, "sleep": naps}

    @persistent_retry(key_fn=own_key, **options)
    def export_invoice(*, tenant_id, invoice_id):
        raise OSError("busy")

    @persistent_retry(key_fn=key_from_argument("job_id"), **options)
    def export_job(*, job_id):
        raise OSError("busy")

    @persistent_retry(key_fn=key_from_attr("task", "id", prefix="video"), **options)
    def process_video(task):
        raise OSError("busy")

    @persistent_retry(key_fn=idempotency_key_from_id("task", prefix="transcode"), **options)
    def transcode_video(task):
        raise OSError("busy")

    task = SimpleNamespace(id="v7")
    for call in (
        lambda: export_invoice(tenant_id="acme", invoice_id="1001"),
        lambda: export_job(job_id="j1"),
        lambda: process_video(task),
        lambda: transcode_video(task=task),
    ):
        with pytest.raises(OSError, match="busy"):
            call()
    assert [key for key, _ in store.records()] == [
        "acme:invoice:1001",
        "j1",
        "transcode:v7",
        "video:v7",
    ]


def test_a_spent_budget_refuses_and_tells_key_and_attempts(style, script, naps):
    job = script(*[ConnectionError("bank is away")] * 4)
    charge = style.decorated(
        lambda payment_id: job(), key_fn=key_from_argument("payment_id"), max_tries=4
    )
    with pytest.raises(ConnectionError):
        style.run(charge, "payment:123")
    with pytest.raises(PersistentRetryExhausted) as refused:
        style.run(charge, "payment:123")
    assert (refused.value.key, refused.value.attempts) == ("payment:123", 4)
    assert job.calls == 4


def test_a_memory_store_without_waits(script):
    store = MemoryAttemptStore()
    job = script(OSError("busy"))

    @persistent_retry(
        store=store, key_fn=key_from_argument("job_id"), max_tries=2, wait=lambda state: 0
    )
    def flaky(job_id):
        return job()

    started = time.monotonic()
    assert flaky("a1") == "done"
    assert time.monotonic() - started < 1  # with the default wait it would be more


def test_a_callback_sees_the_durable_number_and_time(style, script):
    store = MemoryAttemptStore()
    store.save("a1", RetryRecord(attempts=2, first_attempt_at=time.time() - 60))
    seen = []

    def before_sleep(state):
        seen.append((state.attempt_number, round(state.seconds_since_start)))

    retryer = style.retryer(key="a1", max_tries=5, store=store, before_sleep=before_sleep)
    style.call(retryer, script(OSError("busy")))
    assert seen == [(3, 60)]


def test_records_can_be_looked_at_and_reset(style, script):
    retryer = style.retryer(key_fn=key_from_argument("job_id"), max_tries=3, clear_on_success=False)

    def process(job_id):
        return f"processed {job_id}"

    assert retryer.get_record("job:1") is None
    assert style.call(retryer, process, "job:1") == "processed job:1"
    assert retryer.get_record("job:1").state == "succeeded"
    assert retryer.reset("job:1") is True
    assert retryer.get_record("job:1") is None


def test_direct_calls_pass_their_arguments_on(style):
    kind = PersistentAsyncRetrying if style.is_async else PersistentRetrying
    retryer = kind(key_fn=key_from_argument("job_id"), max_tries=5)

    def run_job(job_id, options):
        return job_id, options["priority"]

    assert style.call(retryer, run_job, "job:123", {"priority": "high"}) == ("job:123", "high")


def test_retry_with_for_one_call(style, script):
    job = script(OSError("one"), "never")
    task = style.decorated(lambda job_id: job(), key_fn=key_from_argument("job_id"), max_tries=9)
    urgent = task.retry_with(max_tries=1)
    with pytest.raises(OSError, match="one"):
        style.run(urgent, "job:urgent")
    assert job.calls == 1
