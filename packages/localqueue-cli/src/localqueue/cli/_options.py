"""Options that mean the same in every command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import click

from localqueue.cli._output import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)(?P<unit>[smhdw]?)", re.ASCII)
_LONGEST_SECONDS = 100 * 366 * 86400


def parse_duration(text: str) -> float:
    """Seconds from ``604800``, ``90s``, ``15m``, ``12h``, ``7d`` or ``2w``.

    Raises ValueError for anything else, and for more than a hundred years.

    >>> parse_duration("12h")
    43200.0
    >>> parse_duration("0.5")
    0.5
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration: write seconds, or 90s, 15m, 12h, 7d")
    seconds = float(found["number"]) * _UNITS[found["unit"]]
    if seconds > _LONGEST_SECONDS:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return seconds


class DurationType(click.ParamType[float]):
    """A length of time, as a float of seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse what was typed."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class WaitType(click.ParamType[tuple[float, float]]):
    """The first and the longest of waits that double, ``1m..2h``; or one that stays, ``30s``."""

    name = "wait"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Parse what was typed."""
        if isinstance(value, tuple):
            return value
        first, dots, longest = value.partition("..")
        try:
            shortest = parse_duration(first)
            wait = (shortest, parse_duration(longest) if dots else shortest)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if dots and not 0 < wait[0] <= wait[1]:
            self.fail(f"{value!r} does not grow from its first to its last", param, ctx)
        return wait


class KeyType(click.ParamType[str]):
    """A retry key that a store can hold."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check what was typed."""
        from localqueue.core import check_key

        try:
            return check_key(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = DurationType()
KEY = KeyType()
WAIT = WaitType()


def output_option(function: F) -> F:
    """``-o``: how a result is printed; the parameter ``output``."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="auto",
        show_default=True,
        help="How to print: auto is a table on a terminal and JSON elsewhere.",
    )(function)


def store_options(function: F) -> F:
    """``--store`` and ``--store-path``; the parameters ``store`` and ``store_path``."""
    by_url = click.option("--store", metavar="URL", help="The store, such as sqlite:///FILE.")
    by_path = click.option("--store-path", metavar="FILE", help="The SQLite file of the store.")
    return by_url(by_path(function))


def dry_run_option(function: F) -> F:
    """``-n``; the parameter ``dry_run``."""
    return click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")(
        function
    )


def yes_option(function: F) -> F:
    """``--yes``; the parameter ``yes``."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)
