"""The commands about the settings of the user."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from localqueue.cli._commands import Group
from localqueue.cli._errors import NOTHING_THERE, CliError
from localqueue.cli._options import output_option
from localqueue.cli._output import is_terminal, note, print_object, visible

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class NameType(click.ParamType[str]):
    """The name of a setting; ``is_lenient`` leaves the check to the command."""

    name = "name"

    def __init__(self, *, is_lenient: bool = False) -> None:
        self.is_lenient = is_lenient

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check what was typed."""
        from localqueue.cli._settings import NAMES, unknown

        if value not in NAMES and not self.is_lenient:
            self.fail(unknown(value), param, ctx)
        return value

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002 - as above
        incomplete: str,
    ) -> list[CompletionItem]:
        """The names that begin with what was typed."""
        from click.shell_completion import CompletionItem

        from localqueue.cli._settings import NAMES

        return [CompletionItem(name) for name in NAMES if name.startswith(incomplete)]


@click.group(
    cls=Group,
    epilog="""\b
Settings:
  store_path                the SQLite file of the queues (budgets do not use it)
  retry_store_path          the SQLite file of the retry budgets
  dead_letter_ttl_seconds   the age from which dead letters may be pruned
  retry_record_ttl_seconds  the age from which "retry prune" removes records

\b
Example:
  localqueue config set retry_record_ttl_seconds 7d""",
)
def config() -> None:
    """See and change the settings: a TOML file, in which comments stay.

    The file is $XDG_CONFIG_HOME/localqueue/config.toml, or the same under ~/.config.
    """


@config.command(
    epilog="""\b
Example:
  $EDITOR "$(localqueue config path)\""""
)
def path() -> None:
    """Print where the settings file is, or would be."""
    from localqueue.cli._settings import settings_path

    _print_text(str(settings_path()))


@config.command(
    epilog="""\b
Example:
  localqueue config show -o json | jq .retry_store_path"""
)
@output_option
def show(output: str) -> None:
    """Show every setting; one that is not set is null in JSON."""
    from dataclasses import asdict

    from localqueue.cli._settings import old_settings, read_settings, settings_path

    place = settings_path()
    values = asdict(read_settings(place))
    lines = [(name, "not set" if value is None else str(value)) for name, value in values.items()]
    print_object(values, output, [*lines, ("file", _described(str(place)))])
    if (advice := old_settings(place)) is not None:
        note(advice)


@config.command(
    epilog="""\b
Example:
  localqueue config get retry_store_path"""
)
@click.argument("name", type=NameType())
def get(name: str) -> None:
    """Print the value of the setting NAME alone.

    The exit status is 3 where it is not set.
    """
    from localqueue.cli._settings import load_settings, settings_path

    value = getattr(load_settings(), name)
    if value is None:
        raise CliError(f"{settings_path()}: {name} is not set", NOTHING_THERE)
    _print_text(str(value))


@config.command(
    "set",
    # A negative age is an argument that is refused, and no option.
    context_settings={"ignore_unknown_options": True},
    epilog="""\b
Examples:
  localqueue config set retry_record_ttl_seconds 7d
  localqueue config set retry_store_path /var/lib/jobs/retries.sqlite3""",
)
@click.argument("name", type=NameType())
@click.argument("value")
def set_setting(name: str, value: str) -> None:
    """Give the setting NAME a VALUE.

    Ages are seconds, or 90s, 12h, 7d; the path of a file is made absolute.
    """
    from localqueue.cli._settings import mention_old_settings, settings_path
    from localqueue.cli._settings_edit import from_text, set_value

    place = settings_path()
    mention_old_settings(place)
    try:
        checked = from_text(name, value)
    except ValueError as error:
        raise click.UsageError(f"{name}: {error}") from error
    set_value(place, name, checked)
    note(f"{name} = {checked} in {place}")


@config.command(
    epilog="""\b
Example:
  localqueue config unset retry_record_ttl_seconds"""
)
@click.argument("name", type=NameType(is_lenient=True))
def unset(name: str) -> None:
    """Take the setting NAME out of the file, so that the default counts.

    What is no setting can be taken out, too, where the file holds it.
    """
    from localqueue.cli._settings import settings_path
    from localqueue.cli._settings_edit import unset_value

    place = settings_path()
    try:
        was_there = unset_value(place, name)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    note(f"{name} {'is not set any more' if was_there else 'was not set'} in {place}")


@config.command(
    epilog="""\b
Example:
  localqueue config init"""
)
def init() -> None:
    """Write a settings file that explains every setting and sets none."""
    from localqueue.cli._settings import old_settings, settings_path
    from localqueue.cli._settings_edit import create

    place = settings_path()
    if not create(place):
        raise CliError(f"{place}: is there already")
    note(f"{place} is written; it sets nothing yet")
    if (advice := old_settings(place)) is not None:
        note(advice)


def _described(place: str) -> str:
    return place if os.path.exists(place) else f"{place} (not there)"


def _print_text(text: str) -> None:
    # With a colour, click leaves the text as it is.
    click.echo(visible(text) if is_terminal(sys.stdout) else text, color=True)
