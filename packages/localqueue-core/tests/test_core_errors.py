"""What a store's errors tell, and what is written down of a job's."""

import pickle
from pathlib import Path

import pytest

from localqueue.core import (
    MESSAGE_LIMIT,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreVersionError,
    describe_error,
)

KINDS = [StoreError, StoreLockedError, StoreFullError, StoreCorruptError, StoreVersionError]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_names_the_store_the_problem_and_the_remedy(kind):
    error = kind(Path("/var/lib/x.sqlite3"), "went wrong", "try this")
    assert (error.path, error.problem, error.remedy) == (
        "/var/lib/x.sqlite3",
        "went wrong",
        "try this",
    )
    assert str(error) == "/var/lib/x.sqlite3: went wrong; try this"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_words_of_its_own(kind):
    error = kind("/x")
    assert error.problem
    assert str(error).startswith(f"/x: {error.problem}")
    assert kind is StoreError or error.remedy


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling(kind):
    error = kind("/x", "went wrong", "try this")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), copy.path, copy.remedy) == (str(error), "/x", "try this")


def test_all_are_store_errors_and_a_wrong_version_is_a_value_error():
    assert all(issubclass(kind, StoreError) for kind in KINDS)
    assert [kind for kind in KINDS if issubclass(kind, ValueError)] == [StoreVersionError]


class Refused(Exception):
    pass


class Unprintable(Exception):
    def __str__(self):
        raise LookupError("no words")


def test_builtin_types_go_by_their_name_and_others_by_their_module():
    assert describe_error(ConnectionError("refused")) == ("ConnectionError", "refused")
    assert describe_error(Refused("no"))[0] == f"{__name__}.Refused"
    assert describe_error(KeyboardInterrupt()) == ("KeyboardInterrupt", "")


def test_an_error_that_cannot_print_is_described_all_the_same():
    assert describe_error(Unprintable())[1] == "<no message: str() raised LookupError>"


def test_a_message_is_cut_at_two_kilobytes_of_utf_8():
    for text in ("x" * 5000, "é" * 5000, "\U0001f600" * 5000, "x" + "é" * 5000):
        message = describe_error(OSError(text))[1]
        assert MESSAGE_LIMIT - 8 < len(message.encode()) <= MESSAGE_LIMIT
        assert message.endswith("...")
    exact = "x" * MESSAGE_LIMIT
    assert describe_error(OSError(exact))[1] == exact


def test_control_characters_stay_and_surrogates_are_escaped():
    assert describe_error(OSError("\x00\x1b[31m\n\x7f"))[1] == "\x00\x1b[31m\n\x7f"
    assert describe_error(OSError("\udcff"))[1] == "\\udcff"
