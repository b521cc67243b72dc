"""The same work under this project's decorator and under its peers'."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment import ROOT, UV, VARIABLES
from figures import paired, spread, summary

SIDES = Path(__file__).parent / "sides"


@dataclass(frozen=True)
class Workload:
    """What is measured, on which sides, and how many calls make one measurement.

    Each side is a module with a function of that name.
    """

    name: str
    title: str
    calls: int
    sides: tuple[str, ...]


WORKLOADS = (
    Workload("succeed", "first-try success", 5000, ("ours", "plain", "released", "raw", "durable")),
    Workload("succeed_uncounted", 'first-try success, count="failed"', 20000, ("ours", "plain")),
    Workload("succeed_in_memory", "first-try success, in memory", 20000, ("ours", "plain")),
    Workload(
        "fail_once", "one failure, then success", 3000, ("ours", "plain", "released", "durable")
    ),
    Workload("refuse", "refused call", 10000, ("ours", "released", "raw")),
    Workload("gather", "500 asyncio tasks at once", 4000, ("ours", "plain", "released")),
)
PEERS = {
    "plain": ["tenacity"],
    "released": ["localqueue==0.5.0", "tenacity"],
    "raw": [],
    "durable": ["dbos==3.4.0"],
}
NAMES = {
    "ours": "ours",
    "plain": "Tenacity",
    "released": "localqueue 0.5.0",
    "raw": "raw SQLite",
    "durable": "DBOS 3.4.0",
}
# A peer that is slower by orders of magnitude needs fewer calls for the same figure.
FEWER = {"durable": 50}


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
    command = [interpreter, str(SIDES / f"{side}.py"), workload.name, str(calls)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=VARIABLES)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def run(folder: Path, rounds: int, quick: bool) -> list[dict[str, Any]]:
    """Every workload on every side."""
    interpreters = make_environments(folder)
    return [
        _compare(workload, interpreters, rounds, 20 if quick else workload.calls)
        for workload in WORKLOADS
    ]


def _compare(
    workload: Workload, interpreters: dict[str, str], rounds: int, calls: int
) -> dict[str, Any]:
    def once(side: str) -> dict[str, Any]:
        some = max(1, calls // FEWER.get(side, 1))
        return measure(interpreters[side], side, workload, some)

    sides = [side for side in workload.sides if _runs(side, once)]
    found = paired(sides, rounds, once)
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


def _runs(side: str, once: Callable[[str], object]) -> bool:
    """Whether a peer can do the work on this interpreter; a first time that is not counted."""
    try:
        once(side)
    except subprocess.CalledProcessError as error:
        if side == "ours":
            print(error.stderr)
            raise
        reason = error.stderr.strip().splitlines()[-1:]
        print(f"{NAMES[side]} does not run here: {' '.join(reason)}")
        return False
    return True


def print_result(results: list[dict[str, Any]]) -> None:
    """One row a workload: our time, and the ratio to each peer with its spread."""
    for result in results:
        print(f"{result['title']}: {spread(result['microseconds']['ours'], 1)} µs")
        for side, ratio in result["ratios"].items():
            print(f"    {spread(ratio)} x {NAMES[side]}")
        for side, stall in result["longest_stall_ms"].items():
            print(f"    longest stall of the loop, {NAMES[side]}: {spread(stall, 1)} ms")
