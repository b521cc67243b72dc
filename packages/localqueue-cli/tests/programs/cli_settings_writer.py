"""Write one setting COUNT times; tell how often another process has undone it meanwhile.

    cli_settings_writer.py HOW FILE NAME COUNT

It says that it is ready, and begins when a line comes in.

HOW is "ours", or a way that it must not be done: "unlocked" (each writer replaces the whole file,
but looks at it before the others are done) or "in-place" (the file is emptied and written).
"""

import os
import sys
import tempfile
import tomllib
from pathlib import Path

import tomlkit

from localqueue.cli._settings import read_settings
from localqueue.cli._settings_edit import set_value


def unlocked(path: Path, name: str, value: int) -> None:
    document = tomlkit.parse(path.read_text())
    document[name] = value
    descriptor, new = tempfile.mkstemp(dir=path.parent)
    os.write(descriptor, tomlkit.dumps(document).encode())
    os.close(descriptor)
    Path(new).replace(path)


def in_place(path: Path, name: str, value: int) -> None:
    document = tomlkit.parse(path.read_text())
    document[name] = value
    path.write_text(tomlkit.dumps(document))


WRITERS = {"ours": set_value, "unlocked": unlocked, "in-place": in_place}


def main() -> None:
    how, file, name, count = sys.argv[1:]
    path = Path(file)
    answer("ready")
    sys.stdin.readline()
    undone = 0
    for number in range(int(count)):
        WRITERS[how](path, name, number)
        if how == "in-place":
            continue  # its readers count
        found = tomllib.loads(path.read_text())
        undone += found.get(name) != number
        assert how != "ours" or getattr(read_settings(path), name) == found[name]
    answer(undone)


def answer(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


main()
