"""Check the files of the tree, tracked or about to be, for what none of them may hold.

A namespace package must have no ``__init__.py`` (one file would hide the sibling distributions), a
lock that names registry hosts must not be committed, no file may name a registry's host or a path
of the machine it was written on, and each distribution has the same licence as the root.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# In pieces, so that this file does not hold what it forbids.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("pythonhosted", "org"),
        ("pepy", "tech"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("conda", "anaconda", "org"),
    )
]
SHORTEST_PATH = 2


def listed(*options: str) -> list[Path]:
    """Return the files that git lists with *options*."""
    command = ["git", "ls-files", "-z", *options]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    return [ROOT / name for name in output.decode().split("\0") if name]


def forbidden_words() -> list[str]:
    """Return the words that no file may hold on this machine."""
    here = [path.as_posix() for path in (ROOT, Path.home()) if len(path.parts) > SHORTEST_PATH]
    return HOSTS + here


def check() -> list[str]:
    """Return what is wrong, one sentence for each file and fault."""
    problems: list[str] = []
    words = forbidden_words()
    for path in listed("--cached", "--others", "--exclude-standard"):
        name = path.relative_to(ROOT).as_posix()
        if name.endswith("localqueue/__init__.py"):
            problems.append(f"{name}: the namespace must have no __init__.py")
        if not path.is_file():
            continue
        text = path.read_bytes().decode(errors="replace").lower()
        problems += [f"{name}: it holds {word!r}" for word in words if word.lower() in text]
    problems += [
        f"{path.relative_to(ROOT).as_posix()}: it must not be committed"
        for path in listed("--cached")
        if path.name == "uv.lock"
    ]
    licence = (ROOT / "LICENSE").read_bytes()
    for project in sorted(ROOT.glob("packages/*/pyproject.toml")):
        copy = project.with_name("LICENSE")
        if copy.is_symlink() or not copy.is_file() or copy.read_bytes() != licence:
            problems.append(f"{project.parent.name}: its LICENSE is not a copy of the root's")
    return problems


def main() -> int:
    """Print the problems."""
    problems = check()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
