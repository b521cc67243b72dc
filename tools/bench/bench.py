"""Measure this project against its peers, on large stores and under contention; print the ratios.

    python tools/run.py uv run python tools/bench/bench.py [PART...] [--quick] [--json FILE]

The parts: ``peers`` (the same work under other libraries), ``starts`` (imports and commands),
``scale`` (up to ten million records) and ``contention`` (up to 16 processes on one file).
``--quick`` only proves that everything runs.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import contention
import peers
import scale
import starts
from environment import describe
from pictures import draw

PARTS = ("peers", "starts", "scale", "contention")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of the chosen parts, printed as they come."""
    figures: dict[str, Any] = {"environment": describe()}
    print(", ".join(f"{name} {value}" for name, value in figures["environment"].items()))
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        if "peers" in options.parts:
            figures["peers"] = peers.run(folder, rounds, options.quick)
            peers.print_result(figures["peers"])
        if "starts" in options.parts:
            figures["starts"] = starts.run(folder, rounds * 5)
            starts.print_result(figures["starts"])
        if "scale" in options.parts:
            figures["scale"] = scale.run(folder, 10_000 if options.quick else options.records)
            scale.print_result(figures["scale"])
        if "contention" in options.parts:
            counts = (1, 2) if options.quick else contention.PROCESSES
            seconds = 0.1 if options.quick else 3.0
            figures["contention"] = {
                scheme: contention.run(folder, scheme, counts, seconds)
                for scheme in ("sqlite", "lmdb")
            }
            contention.print_result(figures["contention"])
    return figures


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    parser.add_argument("--quick", action="store_true", help="a few calls only")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--records", type=int, default=10_000_000, help="for the part scale")
    parser.add_argument("--folder", type=Path, help="where the stores lie while it runs")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--pictures", type=Path, help="draw what was measured into this folder")
    options = parser.parse_args()
    options.parts = options.parts or PARTS
    if not set(options.parts) <= set(PARTS):
        parser.error(f"the parts are: {', '.join(PARTS)}")
    figures = measure(options)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    if options.pictures is not None:
        draw(figures, options.pictures)


if __name__ == "__main__":
    main()
