"""Print the lowest version of each third-party dependency that the distributions claim to work with.

One requirement a line (``tenacity==8.5.0``), from the ``>=`` of dependencies and extras, for CI to
install. Only standard forms, ``name>=version``, are understood; anything else stops the run.
"""

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOOR = re.compile(r"(?P<name>[A-Za-z0-9._-]+)>=(?P<version>[^,;\s]+)")


def main() -> int:
    """Print the floors."""
    floors: set[str] = set()
    for project in sorted(ROOT.glob("packages/*/pyproject.toml")):
        table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        extras: dict[str, list[str]] = table.get("optional-dependencies", {})
        for requirement in chain(table["dependencies"], *extras.values()):
            if requirement.startswith("localqueue"):
                continue
            found = FLOOR.match(requirement)
            if found is None:
                sys.exit(f"{project.parent.name}: {requirement!r} names no lowest version")
            floors.add(f"{found['name']}=={found['version']}")
    print("\n".join(sorted(floors)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
