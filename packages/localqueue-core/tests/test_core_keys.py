"""Which key a call gets: what the function would receive, and nothing that names no job."""

import datetime as dt
import decimal
import functools
import io
import uuid
from collections import UserString
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from types import SimpleNamespace

import pytest

from localqueue.core import (
    check_key,
    function_name,
    idempotency_key_from_id,
    key_from_argument,
    key_from_attr,
)


@pytest.mark.parametrize(
    "key",
    ["a", "a" * 10_000, "é" * 5_000, "\x00", "\n\t\x1b[31m", " ", "\U0010ffff", "'; DROP TABLE"],
    ids=lambda key: ascii(key[:8]),
)
def test_any_text_is_a_key(key):
    assert check_key(key) is key


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (None, "must be a str, not None"),
        (7, "must be a str, not of type 'int'"),
        (b"job", "must be a str, not of type 'bytes'"),
        (True, "must be a str"),
        ("", "must not be empty"),
        ("\ud800", r"lone surrogate at index 0"),
        ("job:\udcff", r"lone surrogate at index 4"),
    ],
    ids=ascii,
)
def test_what_no_store_can_hold_is_refused(key, text):
    with pytest.raises(ValueError, match=text):
        check_key(key)


def test_a_refused_key_is_cut_in_the_message_and_printed_in_ascii():
    with pytest.raises(ValueError, match="UTF-8") as raised:
        check_key("\ud800" * 10_000)
    assert len(str(raised.value)) < 300
    assert str(raised.value).isascii()


def plain(job_id, day="monday", *rest, urgent=False, **others):
    """What the key functions look at."""


def positional_only(job_id, /, **others):
    """Its keyword argument job_id is another one."""


def keyword_only(*, job_id="none"):
    """As the guide's export function."""


def anything(*args, **kwargs):
    """Takes whatever there is."""


@pytest.mark.parametrize(
    ("fn", "args", "kwargs", "key"),
    [
        (plain, ("7",), {}, "7"),
        (plain, (), {"job_id": "7"}, "7"),
        (keyword_only, (), {"job_id": "7"}, "7"),
        (keyword_only, (), {}, "none"),
        (positional_only, ("7",), {}, "7"),
        (positional_only, ("7",), {"job_id": "8"}, "7"),
        (anything, (), {"job_id": "7"}, "7"),
        (lambda job_id: None, ("7",), {}, "7"),
        (functools.partial(plain, "7"), (), {}, "7"),
        (functools.partial(plain, "7"), ("tuesday",), {}, "7"),
        (functools.partial(plain, job_id="7"), (), {}, "7"),
        (functools.partial(plain, job_id="7"), (), {"job_id": "8"}, "8"),
        (functools.partial(functools.partial(plain, "7"), "tuesday"), (), {}, "7"),
        (functools.partial(anything, job_id="7"), (), {}, "7"),
    ],
)
def test_the_key_is_what_the_function_would_receive(fn, args, kwargs, key):
    assert key_from_argument("job_id")(fn, args, kwargs) == key


def test_defaults_count():
    assert key_from_argument("day")(plain, ("7",), {}) == "monday"
    assert key_from_argument("day")(plain, ("7", "tuesday"), {}) == "tuesday"
    assert key_from_argument("day")(functools.partial(plain, day="friday"), ("7",), {}) == "friday"


class Worker:
    """Its methods, and itself, take a job."""

    id = "worker:1"

    def run(self, job_id):
        """A method."""

    @classmethod
    def run_class(cls, job_id):
        """A class method."""

    @staticmethod
    def run_static(job_id):
        """A static method."""

    def __call__(self, job_id):
        """A callable object."""


@pytest.mark.parametrize(
    "fn",
    [
        Worker().run,
        Worker.run_class,
        Worker().run_class,
        Worker.run_static,
        Worker(),
        functools.partial(Worker().run),
        functools.partial(Worker(), "7"),
    ],
)
def test_methods_and_callable_objects_are_looked_into(fn):
    args = () if getattr(fn, "args", ()) else ("7",)
    assert key_from_argument("job_id")(fn, args, {}) == "7"


def test_an_unbound_method_takes_its_instance_first():
    assert key_from_argument("job_id")(Worker.run, (Worker(), "7"), {}) == "7"
    assert key_from_attr("self", "id")(Worker.run, (Worker(), "7"), {}) == "worker:1"
    assert key_from_attr("self", "id")(Worker().run, ("7",), {}) == "worker:1"


def test_a_decorated_function_is_seen_through():
    @functools.wraps(plain)
    def wrapper(*args, **kwargs):
        return plain(*args, **kwargs)

    assert key_from_argument("job_id")(wrapper, ("7",), {}) == "7"


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Invoice:
    number: int


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (7, "7"),
        (0, "0"),
        (-1.5, "-1.5"),
        (decimal.Decimal("1.50"), "1.50"),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (PurePosixPath("/a/b"), "/a/b"),
        (Colour.RED, "Colour.RED"),
        (Invoice(7), "Invoice(number=7)"),
    ],
    ids=repr,
)
def test_values_with_a_text_of_their_own_become_it(value, key):
    assert key_from_argument("job_id")(plain, (value,), {}) == key


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        True,
        b"7",
        bytearray(b"7"),
        [7],
        (7,),
        {"id": 7},
        {7},
        frozenset({7}),
        object(),
        io.StringIO("7"),
        memoryview(b"7"),
        (one for one in "7"),
        iter([7]),
        UserString(""),
        plain,
        Worker,
        Worker(),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("prefix", [None, "export"])
def test_values_that_name_no_job_are_refused(value, prefix):
    with pytest.raises(ValueError, match="no retry key: the argument 'job_id'"):
        key_from_argument("job_id", prefix=prefix)(plain, (value,), {})


@pytest.mark.parametrize(
    ("fn", "args"), [(plain, ()), (keyword_only, ("7",)), (anything, ("7",)), (print, ("7",))]
)
def test_a_missing_argument_is_refused_by_its_name(fn, args):
    with pytest.raises(ValueError, match="no argument 'task'"):
        key_from_argument("task")(fn, args, {})


def test_the_name_of_variadic_arguments_is_no_argument():
    with pytest.raises(ValueError, match="no argument 'args'"):
        key_from_argument("args")(anything, ("7",), {})
    with pytest.raises(ValueError, match="no argument 'args'"):
        key_from_argument("args")(lambda *args: None, ("7",), {})


def test_an_attribute_makes_the_key():
    task = SimpleNamespace(id="a1", owner=None)
    assert key_from_attr("job_id", "id")(plain, (task,), {}) == "a1"
    assert key_from_attr("job_id", "id", prefix="video")(plain, (), {"job_id": task}) == "video:a1"
    assert idempotency_key_from_id("job_id", prefix="video")(plain, (task,), {}) == "video:a1"
    with pytest.raises(ValueError, match="attribute 'owner' is None"):
        key_from_attr("job_id", "owner")(plain, (task,), {})
    with pytest.raises(ValueError, match="attribute 'number' does not exist"):
        key_from_attr("job_id", "number")(plain, (task,), {})
    with pytest.raises(ValueError, match="attribute 'id' does not exist on None"):
        idempotency_key_from_id("job_id")(plain, (None,), {})


@pytest.mark.parametrize("wrong", ["", 5, b"x"])
def test_names_and_prefixes_are_checked_when_they_are_given(wrong):
    for make in (
        lambda: key_from_argument(wrong),
        lambda: key_from_argument("job_id", prefix=wrong),
        lambda: key_from_attr("task", wrong),
        lambda: key_from_attr(wrong, "id"),
        lambda: idempotency_key_from_id(wrong),
    ):
        with pytest.raises(ValueError, match="must be a non-empty str"):
            make()


class CountsLooks:
    """A callable whose signature says how often it was asked for."""

    def __init__(self):
        self.looks = 0

    @property
    def __signature__(self):
        import inspect

        self.looks += 1
        return inspect.signature(plain)

    def __call__(self, *args):
        """Not looked at."""


def test_a_signature_is_analysed_once():
    fn, key_fn = CountsLooks(), key_from_argument("job_id")
    assert [key_fn(fn, (n,), {}) for n in range(5)] == ["0", "1", "2", "3", "4"]
    assert fn.looks == 1
    assert key_fn(functools.partial(fn, 5), (), {}) == "5"
    assert fn.looks == 1


def test_a_callable_that_cannot_be_remembered_still_has_a_key():
    class Unreferable:
        __slots__ = ()

        def __call__(self, job_id):
            """Not called."""

    class Unhashable(Unreferable):
        __hash__ = None

    for fn in (Unhashable(), Unreferable()):
        assert key_from_argument("job_id")(fn, ("7",), {}) == "7"


def test_functions_are_named_with_their_module():
    assert function_name(plain) == f"{__name__}.plain"
    assert function_name(Worker().run) == f"{__name__}.Worker.run"
    assert function_name(Worker()) == f"{__name__}.Worker"
    assert function_name(functools.partial(functools.partial(plain, 1), 2)) == f"{__name__}.plain"
    assert function_name(len) == "builtins.len"
