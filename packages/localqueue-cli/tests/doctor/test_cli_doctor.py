"""``localqueue doctor``: what it looks at, and what it says of settings and versions."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.cli._doctor_sqlite import has_wal_reset_bug

ALWAYS = ["versions", "SQLite", "settings", "store", "file system", "free space"]
OF_A_STORE = ["format", "write-ahead log", "integrity", "clock", "permissions"]

Run = Callable[..., Any]
Look = Callable[..., Any]
Digest = Callable[[Path], str]


def test_nothing_there_is_fine_and_stays_so(look: Look, env: dict[str, str]) -> None:
    seen = look()
    home = Path(env["HOME"])
    path = home / ".local" / "share" / "localqueue" / "retries.sqlite3"
    assert seen.of("store") == ("ok", f"{path} is not there yet; its first use makes it")
    config = home / ".config" / "localqueue" / "config.toml"
    assert seen.of("settings") == ("ok", f"{config} is not there: defaults")
    assert [each["check"] for each in seen.findings] == ALWAYS
    assert list(home.iterdir()) == []


def test_a_healthy_store_is_well_and_unchanged(look: Look, healthy: Path, digest: Digest) -> None:
    before = digest(healthy)
    seen = look("--store-path", healthy)
    assert [each["check"] for each in seen.findings] == ALWAYS + OF_A_STORE
    assert seen.of("store") == ("ok", str(healthy))
    assert seen.of("permissions") == ("ok", "the owner's alone")
    assert seen.of("format") == ("ok", "2")
    assert seen.of("integrity") == ("ok", "the quick check found nothing")
    assert seen.of("clock") == ("ok", "no record is from the future")
    assert "localqueue-cli 2." in seen.of("versions")[1]
    assert sqlite3.sqlite_version in seen.of("SQLite")[1]
    assert digest(healthy) == before


def test_the_store_is_the_configured_one_or_the_named_one(
    look: Look, localqueue: Run, healthy: Path
) -> None:
    localqueue("config", "set", "retry_store_path", healthy)
    for options in ([], ["--store-path", healthy.name], ["--store", f"sqlite://{healthy}"]):
        assert look(*options).of("store") == ("ok", str(healthy))
    assert look("--store", "memory:").of("store") == ("ok", "memory:")
    assert look("--store", "memory:").of("records") == ("ok", "0 can be read")


@pytest.mark.parametrize("arguments", [
    ["--store", "memory:", "--store-path", "x"], ["--store", "nowhere:"], ["--store", "x"],
    ["--store", "sqlite://host/x"], ["--store-path", ""], ["x"], ["-o", "xml"], ["--nope"],
])  # fmt: skip
def test_a_wrong_use_ends_with_2(localqueue: Run, arguments: list[str]) -> None:
    done = localqueue("doctor", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr


def test_the_table_of_a_terminal_ends_with_the_same_status(
    terminal: Callable[..., Any], plain: Callable[[str], str], healthy: Path
) -> None:
    status, shown = terminal("doctor", "--store-path", healthy).end()
    lines = [" ".join(line.split()) for line in plain(shown).splitlines()]
    assert status == 0
    assert lines[0] == "check status found"
    assert "integrity ok the quick check found nothing" in lines
    healthy.chmod(0o644)
    status, shown = terminal("doctor", "--store-path", healthy, "-o", "table").end()
    assert status == 1
    assert plain(shown).endswith(" found\n")
    assert "\nWhat to do:\n" in plain(shown)
    assert f"\n  permissions: chmod 600 {healthy}\n" in plain(shown)


def test_help_has_an_example_and_every_output_works(localqueue: Run, healthy: Path) -> None:
    assert "  localqueue doctor --store-path " in localqueue("doctor", "--help").stdout
    options = ["doctor", "--store-path", healthy, "--output"]
    rows = [json.loads(line) for line in localqueue(*options, "ndjson").stdout.splitlines()]
    assert rows[0]["check"] == "versions"
    assert [row["check"] for row in json.loads(localqueue(*options, "json").stdout)] == [
        row["check"] for row in rows
    ]
    assert localqueue(*options, "table").stdout.startswith("check")


def test_a_broken_settings_file_is_a_problem_and_hides_which_store_is_meant(
    look: Look, env: dict[str, str], healthy: Path
) -> None:
    file = Path(env["HOME"]) / ".config" / "localqueue" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("# x\nbroken\n")
    seen = look()
    ((check, found, _),) = seen.problems()
    assert check == "settings"
    assert found.startswith(f"{file}, line 2: is not valid TOML")
    assert "store" not in {each["check"] for each in seen.findings}
    named = look("--store-path", healthy)
    assert [check for check, _, _ in named.problems()] == ["settings"]
    assert named.of("integrity")[0] == "ok"


def test_settings_of_an_older_version_are_noted_each_time(
    look: Look, env: dict[str, str], healthy: Path
) -> None:
    old = Path(env["HOME"]) / ".config" / "localqueue" / "config.yaml"
    old.parent.mkdir(parents=True)
    old.write_text("retry_store_path: /x\n")
    for _ in range(2):
        notes = [each["found"] for each in look("--store-path", healthy).findings]
        assert any(note.startswith(f"{old} is of localqueue 0.x") for note in notes)


def test_distributions_of_different_versions_are_a_problem(
    look: Look, env: dict[str, str], tmp_path: Path, healthy: Path
) -> None:
    metadata = tmp_path / "left" / "localqueue_left-1.4.1.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: localqueue-left\nVersion: 1.4.1\n")
    env["PYTHONPATH"] = str(tmp_path / "left")
    ((check, found, remedy),) = look("--store-path", healthy).problems()
    assert check == "versions"
    assert "localqueue-left 1.4.1" in found
    assert remedy == "upgrade all of them to one version"


@pytest.mark.parametrize(("version", "has_bug"), [
    ((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False),
    ((3, 44, 9), False), ((3, 45, 0), True), ((3, 50, 6), True), ((3, 50, 7), False), ((3, 51, 0), True),
    ((3, 51, 2), True), ((3, 51, 3), False), ((3, 52, 0), False), ((4, 0, 0), False),
])  # fmt: skip
def test_the_versions_of_sqlite_with_the_bug(version: tuple[int, int, int], has_bug: bool) -> None:
    assert has_wal_reset_bug(version) == has_bug
