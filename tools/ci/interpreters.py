"""Print the path of each further interpreter that CI tests, one ``version path`` a line.

    python tools/ci/interpreters.py 3.12 3.13

A version is looked for on PATH and among the installations of pyenv. One that is not there is named
on standard error, and left out.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def candidates(version: str) -> Iterator[Path]:
    """Yield the places where an interpreter of *version* may be."""
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for folder in sorted((pyenv / "versions").glob(f"{version}.*"), reverse=True):
        yield folder / "bin" / "python"


def works(python: Path, version: str) -> bool:
    """Say whether *python* runs and is of *version*; a pyenv shim may do neither."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.strip() == version


def main(versions: list[str]) -> int:
    """Print what was found."""
    for version in versions:
        python = next((each for each in candidates(version) if works(each, version)), None)
        if python is None:
            print(f"skip   Python {version}: not on this machine", file=sys.stderr)
        else:
            print(version, python)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
