"""Groups and commands of click that load when they are used and that never show a traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from localqueue.cli._errors import CliError, as_cli_error, end_by_signal
from localqueue.cli._output import silence

_DEBUG = "localqueue.debug"


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by their names; each is imported when it is asked for.

    ``places`` says where they are, as ``"module:attribute"``.

    >>> commands = LazyCommands({"show": "localqueue.cli._retry_show:show"})
    >>> list(commands), commands["show"].name
    (['show'], 'show')
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            module, _, attribute = self._places[name].partition(":")
            self._loaded[name] = getattr(import_module(module), attribute)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._places[name] = ""
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._places[name]
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _remember_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.meta[_DEBUG] = True


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_remember_debug,
        help="Show the traceback of an error.",
    )


class Command(click.Command):
    """A command of ours: it has ``--debug``."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params.append(_debug_option())


class Group(click.Group):
    """A group of ours; ``lazy`` says where its commands are."""

    command_class = Command

    def __init__(
        self, *args: Any, lazy: Mapping[str, str] | None = None, **attributes: Any
    ) -> None:
        if lazy is not None:
            attributes["commands"] = LazyCommands(lazy)
        super().__init__(*args, **attributes)
        self.params.append(_debug_option())


class Root(Group):
    """The whole program: here, every error becomes one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            with _interruptible():
                result = super().invoke(ctx)
                _flush()
        except KeyboardInterrupt:
            end_by_signal(signal.SIGINT)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            if ctx.meta.get(_DEBUG):
                _print_traceback()
            raise
        except Exception as error:
            if ctx.meta.get(_DEBUG):
                _print_traceback()
            _flush()
            raise as_cli_error(error) from error
        else:
            return result


@contextmanager
def _interruptible() -> Generator[None, None, None]:
    """Let Ctrl-C raise KeyboardInterrupt, unless this process was told to ignore it."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _flush() -> None:
    """Write what is left now: at the interpreter's end, a full disk could not be reported."""
    stream = sys.stdout
    if stream is None:
        return
    try:
        stream.flush()
    except OSError as error:
        silence(stream)
        raise CliError(f"the output cannot be written: {error.strerror}") from error


def _print_traceback() -> None:
    import traceback

    if not isinstance(sys.exception(), click.exceptions.Exit):
        traceback.print_exc()
