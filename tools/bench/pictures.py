"""The figures as pictures. The drawing library lives in an environment of its own."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from environment import UV

LIBRARY = "matplotlib==3.10.7"


def draw(figures: dict[str, Any], folder: Path) -> None:
    """Write an SVG for each part that has one."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(figures, file)
        file.flush()
        program = str(Path(__file__).parent / "drawing" / "draw.py")
        alone = ["run", "-q", "--no-project", "--no-config", "--with", LIBRARY, "python"]
        subprocess.run([UV, *alone, program, file.name, str(folder.resolve())], check=True)
