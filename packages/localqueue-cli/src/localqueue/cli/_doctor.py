"""``localqueue doctor``."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from localqueue.cli._commands import Command
from localqueue.cli._errors import FAILED, as_cli_error
from localqueue.cli._options import output_option, store_options
from localqueue.cli._output import chosen_format, note, print_items, visible

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from localqueue.cli._doctor_places import Finding
    from localqueue.core import RetryRecord


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  localqueue doctor
  localqueue doctor --store-path /var/lib/jobs/retries.sqlite3""",
)
@output_option
@store_options
@click.pass_context
def doctor(context: click.Context, output: str, store: str | None, store_path: str | None) -> None:
    """Look for trouble with the settings and with the attempt store, and say what to do.

    Nothing is changed. The whole store is read, which takes seconds for each gigabyte. The exit
    status is 0 when all is well, also where there is no store yet, and 1 otherwise.
    """
    with _ends_at_ctrl_c():
        findings = list(_examine(store, store_path))
    print_items(
        findings,
        output,
        {
            "check": lambda finding: finding.check,
            "status": lambda finding: finding.status,
            "found": lambda finding: finding.found,
        },
        lambda finding: finding._asdict(),
    )
    if chosen_format(output) == "table":
        _print_remedies(findings)
    problems = sum(finding.status == "problem" for finding in findings)
    if problems:
        note(f"{problems} {'problem was' if problems == 1 else 'problems were'} found")
        context.exit(FAILED)


def _print_remedies(findings: list[Finding]) -> None:
    """Outside the table, where no line is folded: a command can be copied."""
    remedies = [f"  {each.check}: {each.remedy}" for each in findings if each.remedy]
    if remedies:
        click.echo("\n".join(["\nWhat to do:", *map(visible, remedies)]))


def _examine(store: str | None, store_path: str | None) -> Iterator[Finding]:
    from localqueue.cli._doctor_sqlite import look_at_library
    from localqueue.cli._stores import attempt_store_url

    is_named = store is not None or store_path is not None
    settings = _settings()
    yield _versions()
    yield look_at_library()
    yield from settings
    if is_named or all(finding.status != "problem" for finding in settings):
        yield from _store(attempt_store_url(store, store_path))


def _settings() -> list[Finding]:
    from localqueue.cli._doctor_places import Finding
    from localqueue.cli._settings import SettingsError, old_settings, read_settings, settings_path

    try:
        path = settings_path()
        old = old_settings(path)
        read_settings(path)
    except SettingsError as error:
        return [Finding("settings", "problem", str(error), "mend or remove the file")]
    is_there = os.path.exists(path)
    findings = [Finding("settings", "ok", f"{path}{'' if is_there else ' is not there: defaults'}")]
    if old is not None:
        findings.append(Finding("settings", "note", old))
    return findings


def _versions() -> Finding:
    import platform
    from importlib.metadata import distributions

    from localqueue.cli._doctor_places import Finding

    found = {
        (each.name, each.version) for each in distributions() if each.name.startswith("localqueue")
    }
    names = ", ".join(f"{name} {version}" for name, version in sorted(found))
    text = f"{names}, Python {platform.python_version()}, {platform.platform()}"
    if len({version for _, version in found}) > 1:
        remedy = "upgrade all of them to one version"
        return Finding("versions", "problem", f"do not fit together: {text}", remedy)
    return Finding("versions", "ok", text)


def _store(url: str) -> Iterator[Finding]:
    from localqueue.cli._doctor_places import Finding, look_at_permissions, look_at_place

    _refuse_unknown(url)
    path = _path_of(url)
    if path is None:
        yield Finding("store", "ok", url)
        yield from _other_store(url)
        return
    try:
        os.lstat(path)
    except FileNotFoundError:
        yield Finding("store", "ok", f"{path} is not there yet; its first use makes it")
        yield from look_at_place(path)
        return
    except OSError as error:
        found = f"{path} cannot be looked at ({error.strerror})"
        yield Finding("store", "problem", found, "check the path, its owner and permissions")
        return
    yield Finding("store", "ok", path)
    yield from look_at_place(path)
    before = list(look_at_permissions(path))
    if url.startswith("sqlite:"):
        from localqueue.cli._doctor_sqlite import look_into

        yield from look_into(path)
    else:
        yield from _other_store(url)
    # Again: SQLite makes its helper files with the mode of the store, and mends some of them.
    after = list(look_at_permissions(path))
    faults = dict.fromkeys(each for each in before + after if each.status != "ok")
    yield from faults or after


def _refuse_unknown(url: str) -> None:
    from importlib.metadata import entry_points

    from localqueue.cli._stores import open_attempt_store
    from localqueue.core import ATTEMPT_STORES

    if not entry_points(group=ATTEMPT_STORES, name=url.partition(":")[0]):
        open_attempt_store(url, None, create=True)  # makes nothing, and says what to install


def _path_of(url: str) -> str | None:
    from localqueue.core import path_from_url

    try:
        return str(path_from_url(url))
    except ValueError:  # a store that has none; opening it says whether it should have one
        return None


def _other_store(url: str) -> Iterator[Finding]:
    import time

    from localqueue.cli._doctor_places import TOLERANCE_SECONDS, Finding, future_records
    from localqueue.cli._records import pages
    from localqueue.cli._stores import open_attempt_store

    now = time.time()
    late: list[float] = []
    count = 0
    try:
        with open_attempt_store(url, None) as opened:
            for page in pages(opened):
                count += len(page)
                late += [
                    at for _, record in page if (at := _newest(record)) > now + TOLERANCE_SECONDS
                ]
    except click.UsageError:
        raise
    except Exception as error:  # noqa: BLE001  # a store from elsewhere may raise anything
        yield Finding("records", "problem", as_cli_error(error).message)
        return
    yield Finding("records", "ok", f"{count} can be read")
    yield future_records(len(late), max(late, default=None), now)


def _newest(record: RetryRecord) -> float:
    times = (
        record.first_attempt_at,
        record.last_attempt_at,
        record.last_error_at,
        record.exhausted_at,
        record.succeeded_at,
    )
    return max(at for at in times if at is not None)


@contextmanager
def _ends_at_ctrl_c() -> Generator[None, None, None]:
    """Let Ctrl-C end the process at once: SQLite's check of a large file hears no Python handler.

    Nothing has been printed by then, and nothing has to be put in order.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
