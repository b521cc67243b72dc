"""How a length of time may be written."""

import click
import pytest

from localqueue.cli._options import DURATION, WAIT, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("604800", 604800),
        ("0", 0),
        ("90s", 90),
        ("15m", 900),
        ("12h", 43200),
        ("7d", 604800),
        ("2w", 1209600),
        ("1.5h", 5400),
        (".5", 0.5),
        ("36600d", 36600 * 86400),
    ],
)
def test_seconds_and_units_are_understood(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert isinstance(parse_duration(text), float)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "-7d", "+5", "7x", "7 d", "7D", "1h30m", "nan", "inf", "1e9", "1_0", "٣", "s"],
)
def test_another_way_to_write_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        DURATION.convert(text, None, None)


@pytest.mark.parametrize("text", ["36601d", "9" * 400])
def test_more_than_a_hundred_years_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="a hundred years"):
        DURATION.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "wait"), [("30s", (30, 30)), ("0", (0, 0)), ("1m..2h", (60, 7200)), ("5..5", (5, 5))]
)
def test_a_wait_is_one_length_or_grows_from_one_to_another(
    text: str, wait: tuple[float, float]
) -> None:
    assert WAIT.convert(text, None, None) == wait


@pytest.mark.parametrize("text", ["2h..1m", "0..5", "..", "1..", "..1", "1..2..3", "-1..5"])
def test_a_wait_that_does_not_grow_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        WAIT.convert(text, None, None)
