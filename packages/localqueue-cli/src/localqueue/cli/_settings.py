"""The settings of one user: a TOML file that may be missing, and that may be broken."""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

_AT = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")


class SettingsError(Exception):
    """The settings cannot be used; ``path`` and ``line`` say where, ``problem`` says why.

    >>> str(SettingsError("/home/me/.config/localqueue/config.toml", 3, "Invalid value"))
    '/home/me/.config/localqueue/config.toml, line 3: Invalid value'
    """

    def __init__(self, path: str | os.PathLike[str], line: int | None, problem: str) -> None:
        self.path = os.fspath(path)
        self.line = line
        self.problem = problem
        super().__init__(self.path, line, problem)

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{place}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user has chosen; None leaves it to the default.

    Paths are absolute paths of SQLite files, ages are seconds.
    """

    store_path: str | None = None
    retry_store_path: str | None = None
    dead_letter_ttl_seconds: float | None = None
    retry_record_ttl_seconds: float | None = None


NAMES = tuple(field.name for field in fields(Settings))


def settings_path() -> Path:
    """``$XDG_CONFIG_HOME/localqueue/config.toml``, or the same under ``~/.config``.

    A relative ``XDG_CONFIG_HOME`` is ignored, as the XDG base directory specification demands.
    Raises SettingsError where the home folder is not known.

    >>> settings_path().name
    'config.toml'
    """
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        config_home = Path(base) if os.path.isabs(base) else Path.home() / ".config"
    except RuntimeError:
        problem = "the home folder is not known; set HOME or XDG_CONFIG_HOME"
        raise SettingsError("~/.config/localqueue/config.toml", None, problem) from None
    return config_home / "localqueue" / "config.toml"


def load_settings() -> Settings:
    """What :func:`read_settings` finds at :func:`settings_path`.

    Settings of localqueue 0.x are mentioned on the standard error, once.
    """
    path = settings_path()
    mention_old_settings(path)
    return read_settings(path)


def read_settings(path: Path) -> Settings:
    """The settings in a file; all None where there is none.

    Raises SettingsError for a file that cannot be read, is no TOML or holds what is no setting.
    """
    text = read_text(path)
    return Settings() if text is None else _settings(text, path)


def read_text(path: Path) -> str | None:
    """The text of the file with its line ends as they are; None where there is no file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # A pipe would be waited for, and a device would be replaced by the next change.
            raise SettingsError(path, None, "is not a regular file")
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(path, None, f"cannot be read ({error.strerror})") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(path, line, "is not UTF-8 text") from None


def parse_text(text: str, path: Path) -> dict[str, Any]:
    """The data of the TOML ``text``; SettingsError names the line that is none."""
    import tomllib  # most machines have no file

    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number with thousands of digits
        message = str(error)
        place = _AT.search(message)
        if place is None:
            raise SettingsError(path, None, f"is not valid TOML: {message}") from None
        line = int(place["line"] or text.count("\n") + 1)
        problem = f"is not valid TOML: {message[: place.start()]}"
        raise SettingsError(path, line, problem) from None
    except RecursionError:
        raise SettingsError(path, None, "is not valid TOML: it is nested too deeply") from None


def check(name: str, value: object) -> str | float:
    """The value as :class:`Settings` holds it; a ValueError says why it is none.

    >>> check("retry_record_ttl_seconds", 604800)
    604800
    >>> check("retry_store_path", "/var/lib/retries.sqlite3")
    '/var/lib/retries.sqlite3'
    """
    return _seconds(value) if name.endswith("_seconds") else _file(value)


def is_url(text: str) -> bool:
    """Whether a text that should be a path is a URL (``C:`` is the drive of a path).

    >>> is_url("sqlite:///var/lib/x.sqlite3"), is_url("/var/lib/x.sqlite3")
    (True, False)
    """
    return re.match(r"[a-z]{2,}:", text) is not None


def unknown(name: str) -> str:
    """A sentence about a setting that does not exist.

    >>> unknown("retry_store_pth")
    "there is no setting 'retry_store_pth'; did you mean 'retry_store_path'?"
    """
    from difflib import get_close_matches  # only for an error

    close = get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(NAMES)}"
    return f"there is no setting {name!r}; {hint}"


def old_settings(path: Path) -> str | None:
    """What to do with settings of localqueue 0.x beside ``path``; None where there are none."""
    old = path.with_name("config.yaml")
    if not os.path.isfile(old):
        return None
    return (
        f"{old} is of localqueue 0.x and is not read any more: give its values to"
        " 'localqueue config set', then remove it"
    )


def mention_old_settings(path: Path) -> None:
    """Say what to do with settings of localqueue 0.x, unless there are new ones or it was said."""
    advice = old_settings(path)
    if advice is None or os.path.exists(path):
        return
    from localqueue.cli._output import note

    try:
        os.close(os.open(path.with_name(".config.yaml.mentioned"), os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError:
        pass  # a folder that cannot be written hears it again
    note(advice)


def _settings(text: str, path: Path) -> Settings:
    values: dict[str, Any] = {}
    for name, value in parse_text(text, path).items():
        if name not in NAMES:
            raise SettingsError(path, _line_of(name, text), unknown(name))
        try:
            values[name] = check(name, value)
        except ValueError as error:
            raise SettingsError(path, _line_of(name, text), f"{name} {error}") from None
    return Settings(**values)


def _line_of(name: str, text: str) -> int | None:
    """The line that gives ``name`` a value or opens its table; tomllib does not say."""
    start = re.search(rf"(?m)^[ \t]*\[?[ \t]*([\"']?){re.escape(name)}\1[ \t]*[].=]", text)
    return None if start is None else text.count("\n", 0, start.start()) + 1


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number of seconds, not {value!r}")
    if not 0 <= value <= sys.float_info.max:
        raise ValueError(f"must be 0 or more seconds, not {value!r}")
    return value


def _file(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"must be the path of a file, not {value!r}")
    if is_url(value):
        raise ValueError(f"must be the path of a SQLite file and no URL, not {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"must be UTF-8 text, which {value!r} is not") from None
    path = os.path.expanduser(value)
    # What a relative path names would change with the folder that a command is started in.
    if not os.path.isabs(path):
        raise ValueError(f"must be an absolute path, not {value!r}")
    return path
