"""Measure the retry layer against its peers, in one run, and print the ratios.

    python tools/run.py uv run python tools/bench/bench.py [PART...] [--quick] [--json FILE]

Each side lives in an environment of its own, made here from pinned versions. A round measures all
sides of a workload one after the other (A B C, A B C, ...), and a ratio is taken within a round, so
that a machine whose speed drifts does not matter. ``--quick`` only proves that everything runs.
"""

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contention
import scale

ROOT = Path(__file__).resolve().parents[2]
SIDES = Path(__file__).parent / "sides"
UV = os.environ.get("UV", "uv")  # "uv run" says where it is


@dataclass(frozen=True)
class Workload:
    """What is measured, on which sides, and how many calls make one measurement."""

    name: str
    title: str
    calls: int
    sides: tuple[str, ...]


WORKLOADS = (
    Workload("succeed", "first-try success", 5000, ("ours", "plain", "released", "raw", "durable")),
    Workload("succeed_uncounted", 'first-try success, count="failed"', 20000, ("ours", "plain")),
    Workload(
        "fail_once", "one failure, then success", 3000, ("ours", "plain", "released", "durable")
    ),
    Workload("refuse", "refused call", 10000, ("ours", "released", "raw")),
    Workload("gather", "500 asyncio tasks at once", 2000, ("ours", "plain", "released")),
)
PEERS = {
    "plain": ["tenacity"],
    "released": ["localqueue==0.5.0", "tenacity"],
    "raw": [],
    "durable": ["dbos==3.4.0"],
}
NAMES = {
    "plain": "Tenacity",
    "released": "localqueue 0.5.0",
    "raw": "raw SQLite",
    "durable": "DBOS 3.4.0",
}
# A peer that is slower by orders of magnitude needs fewer calls for the same figure.
FEWER = {"durable": 50}
PARTS = ("peers", "scale", "contention")


def pinned(requirement: str) -> str:
    """The requirement with the exact version that the root pyproject.toml pins, if it has one."""
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = settings["tool"]["uv"]["constraint-dependencies"]
    return next((pin for pin in pins if pin.startswith(f"{requirement}==")), requirement)


def make_environments(folder: Path) -> dict[str, str]:
    """An interpreter for each side. Ours is the one that runs this."""
    interpreters = {"ours": sys.executable}
    for side, requirements in PEERS.items():
        where = folder / side
        subprocess.run([UV, "venv", "-q", "--python", sys.executable, where], check=True)
        interpreters[side] = str(where / "bin" / "python")
        if requirements:
            install = [UV, "pip", "install", "-q", "--no-config", "--python", str(where)]
            subprocess.run([*install, *map(pinned, requirements)], check=True)
    return interpreters


def measure(interpreter: str, side: str, workload: Workload, calls: int) -> dict[str, Any]:
    """One measurement in a new process."""
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    command = [interpreter, str(SIDES / f"{side}.py"), workload.name, str(calls)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def run(
    workload: Workload, interpreters: dict[str, str], rounds: int, calls: int
) -> dict[str, Any]:
    """Paired rounds of one workload."""
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in workload.sides}
    for _ in range(rounds):
        for side in workload.sides:
            some = max(1, calls // FEWER.get(side, 1))
            found[side].append(measure(interpreters[side], side, workload, some))
    seconds = {side: [one["seconds"] for one in results] for side, results in found.items()}
    return {
        "title": workload.title,
        "microseconds": {side: summary(values, 1e6) for side, values in seconds.items()},
        "ratios": {
            side: summary([a / b for a, b in zip(seconds["ours"], values, strict=True)])
            for side, values in seconds.items()
            if side != "ours"
        },
        "longest_stall_ms": {
            side: summary([one["extra"] for one in results], 1e3)
            for side, results in found.items()
            if results[0]["extra"] is not None
        },
        "versions": {side: results[0]["versions"] for side, results in found.items()},
    }


def summary(values: list[float], factor: float = 1.0) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": statistics.median(values) * factor,
        "min": min(values) * factor,
        "max": max(values) * factor,
    }


def print_table(results: list[dict[str, Any]]) -> None:
    """One row a workload: our time, and the ratio to each peer with its spread."""
    for result in results:
        ours = result["microseconds"]["ours"]
        print(f"{result['title']}: {ours['median']:.1f} µs ({ours['min']:.1f}-{ours['max']:.1f})")
        for side, ratio in result["ratios"].items():
            spread = f"{ratio['min']:.2f}-{ratio['max']:.2f}"
            print(f"    {ratio['median']:6.2f} x {NAMES[side]} ({spread})")
        for side, stall in result["longest_stall_ms"].items():
            print(
                f"    longest stall of the loop, {NAMES.get(side, side)}: {stall['median']:.1f} ms"
            )


def compare(rounds: int, quick: bool) -> list[dict[str, Any]]:
    """Every workload on every side."""
    with tempfile.TemporaryDirectory() as folder:
        interpreters = make_environments(Path(folder))
        return [
            run(workload, interpreters, rounds, 20 if quick else workload.calls)
            for workload in WORKLOADS
        ]


def main() -> None:
    """Measure the chosen parts and print their table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    parser.add_argument("--quick", action="store_true", help="a few calls only")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--records", type=int, default=10_000_000, help="for the part scale")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    parts = options.parts or PARTS
    if not set(parts) <= set(PARTS):
        parser.error(f"the parts are: {', '.join(PARTS)}")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    print(f"{machine}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    figures: dict[str, Any] = {"machine": machine}
    if "peers" in parts:
        figures["peers"] = compare(1 if options.quick else options.rounds, options.quick)
        print_table(figures["peers"])
    with tempfile.TemporaryDirectory() as folder:
        if "scale" in parts:
            records = 5000 if options.quick else options.records
            figures["scale"] = scale.run(Path(folder), records)
            scale.print_result(figures["scale"])
        if "contention" in parts:
            seconds = 0.1 if options.quick else 3.0
            for scheme in ("sqlite", "lmdb"):
                figures[f"contention_{scheme}"] = contention.run(Path(folder), scheme, seconds)
                contention.print_result(scheme, figures[f"contention_{scheme}"])
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
