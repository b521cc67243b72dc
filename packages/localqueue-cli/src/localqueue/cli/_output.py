"""What is printed: a table on a terminal, JSON elsewhere, and nobody's data as commands to either."""

from __future__ import annotations

import json
import math
import os
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Item: TypeAlias = Mapping[str, Any]

T = TypeVar("T")

FORMATS = ("auto", "table", "json", "ndjson")
_ROWS_OF_A_TABLE = 200


def visible(text: str) -> str:
    r"""The text in one line, with everything escaped that does not print as itself.

    Control characters, line breaks, marks that turn the direction of writing, and invisible
    characters could otherwise move the cursor, or show what is not there.

    >>> print(visible("red \x1b[31m, a\nbreak"))
    red \x1b[31m, a\nbreak
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def is_terminal(stream: Any) -> bool:
    """Whether somebody looks at the stream; a closed one is None."""
    return stream is not None and stream.isatty()


def note(text: str) -> None:
    """Say something beside the result, on the standard error."""
    click.echo(visible(text), err=True)


def silence(stream: TextIO) -> None:
    """Throw away what is still to be written to a stream that failed.

    The interpreter would try again at its end, and exit with a status of its own.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def chosen_format(output: str) -> str:
    """``table``, ``json`` or ``ndjson``."""
    if output != "auto":
        return output
    return "table" if is_terminal(sys.stdout) else "json"


def _as_it_is(item: Any) -> Item:
    return dict(item)


def _plain(_: object) -> None:
    return None


def print_items(
    items: Iterable[T],
    output: str,
    columns: Mapping[str, Callable[[T], str]],
    as_json: Callable[[T], Item] = _as_it_is,
    style: Callable[[T], str | None] = _plain,
) -> int:
    """Print a list, each item as soon as it is there; returns how many there were.

    ``columns`` makes the cells of a table out of an item: plain text, which is escaped here.
    ``style`` gives a row of it one of rich's styles.
    """
    seen = 0

    def counted() -> Iterator[T]:
        nonlocal seen
        for item in items:
            seen += 1
            yield item

    match chosen_format(output):
        case "table":
            _print_tables(counted(), columns, style)
        case "ndjson":
            for item in counted():
                click.echo(_json(as_json(item)))
        case _:
            _print_array(map(as_json, counted()))
    return seen


def print_object(item: Item, output: str, lines: Iterable[tuple[str, str]]) -> None:
    """Print one thing; ``lines`` are its names and values for a terminal, which are escaped here."""
    match chosen_format(output):
        case "table":
            table = _new_table(show_header=False)
            table.add_column(no_wrap=True, style="bold")
            table.add_column(overflow="fold")
            for name, value in lines:
                table.add_row(name, _cell(value))
            _print_table(table)
        case "ndjson":
            click.echo(_json(item))
        case _:
            click.echo(_json(item, indent=2))


def _print_array(items: Iterable[Item]) -> None:
    before = "["
    for item in items:
        click.echo(f"{before}\n  {_json(item)}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def _print_tables(
    items: Iterator[T],
    columns: Mapping[str, Callable[[T], str]],
    style: Callable[[T], str | None],
) -> None:
    # The widths of a table are known when its last row is, so that a long list is several tables.
    while page := list(islice(items, _ROWS_OF_A_TABLE)):
        table = _new_table(show_header=True)
        for name in columns:
            table.add_column(name, overflow="fold")
        for item in page:
            table.add_row(*(_cell(cell(item)) for cell in columns.values()), style=style(item))
        _print_table(table)


def _new_table(*, show_header: bool) -> Any:
    from rich.table import Table

    return Table(box=None, show_header=show_header, header_style="bold", pad_edge=False)


def _cell(text: str) -> Any:
    from rich.text import Text  # never markup

    return Text(visible(text))


def _print_table(table: Any) -> None:
    from rich.console import Console

    # Elsewhere than on a terminal nothing is cut to a width that nobody has.
    width = None if is_terminal(sys.stdout) else 10_000
    Console(markup=False, emoji=False, highlight=False, width=width).print(table)


def _json(value: Any, indent: int | None = None) -> str:
    # ASCII only: what JSON escapes, no terminal takes for a command.
    return json.dumps(_finite(value), indent=indent)


def _finite(value: Any) -> Any:
    """The value with null for the numbers that JSON has not."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
