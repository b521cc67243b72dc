"""Where the default store lies, and how a URL names a path."""

from pathlib import Path

import pytest

from localqueue.core import default_attempt_store_path, path_from_url, path_to_url


def test_the_default_store_lies_in_xdg_data_home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_attempt_store_path() == tmp_path / "localqueue" / "retries.sqlite3"


@pytest.mark.parametrize("value", [None, "", "relative/data", "./data", "~/data"])
def test_without_a_usable_xdg_data_home_it_lies_below_the_home(monkeypatch, tmp_path, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    if value is None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_DATA_HOME", value)
    expected = tmp_path / ".local" / "share" / "localqueue" / "retries.sqlite3"
    assert default_attempt_store_path() == expected


@pytest.mark.parametrize(
    "path",
    ["/var/lib/x.sqlite3", "/a b/c", "/a#b/c?d", "/100%/x", "/é/ü", "/a:b", "/line\nbreak", "/a;b"],
    ids=ascii,
)
def test_a_path_survives_the_way_through_a_url(path):
    url = path_to_url("sqlite", path)
    assert url.startswith("sqlite:///")
    assert url.isascii()
    assert path_from_url(url) == Path(path)


def test_a_path_that_is_not_valid_utf_8_survives_too():
    path = Path("/caf\udce9/x")
    assert path_from_url(path_to_url("sqlite", path)) == path


def test_relative_paths_are_taken_from_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert path_from_url(path_to_url("sqlite", "jobs/x.sqlite3")) == tmp_path / "jobs/x.sqlite3"
    assert path_from_url("sqlite:jobs/x.sqlite3") == tmp_path / "jobs/x.sqlite3"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite://jobs/x.sqlite3", "has a host"),
        ("sqlite:///x.sqlite3?mode=ro", "has a '\\?' or '#'"),
        ("sqlite:///x.sqlite3#top", "has a '\\?' or '#'"),
        ("sqlite:", "has no path"),
        ("sqlite:///", "has no path"),
    ],
)
def test_what_is_no_path_is_refused(url, text):
    with pytest.raises(ValueError, match=text):
        path_from_url(url)
