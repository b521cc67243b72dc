"""Draw what the benchmark measured: python draw.py FIGURES.json FOLDER."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

# Text stays text, and the same figures give the same file.
mpl.rcParams |= {
    "svg.fonttype": "none",
    "svg.hashsalt": "localqueue",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def contention(figures: dict[str, Any], folder: Path) -> None:
    """Calls per second against processes."""
    figure, axes = plt.subplots(figsize=(7, 4))
    for scheme, title, color in (("sqlite", "SQLite", "tab:blue"), ("lmdb", "LMDB", "tab:orange")):
        for one_key, style in ((False, "-"), (True, "--")):
            rows = [row for row in figures[scheme] if row["one_key"] is one_key]
            axes.plot(
                [row["processes"] for row in rows],
                [row["calls_per_second"] for row in rows],
                style,
                color=color,
                marker="o",
                label=f"{title}, {'one key for all' if one_key else 'a key for each call'}",
            )
    counts = [row["processes"] for row in figures["sqlite"] if not row["one_key"]]
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("processes on one store")
    axes.set_ylabel("successful calls per second, all processes")
    axes.legend(frameon=False)
    _save(figure, folder / "throughput.svg")


def scale(figures: dict[str, Any], folder: Path) -> None:
    """Microseconds of a call against records in the store."""
    figure, axes = plt.subplots(figsize=(7, 4))
    by_size = {int(size): rows for size, rows in figures["by_size"].items()}
    for name in next(iter(by_size.values())):
        values = [rows[name]["median"] for rows in by_size.values()]
        axes.plot(list(by_size), values, marker="o", label=name)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("records in the store")
    axes.set_ylabel("microseconds, median")
    axes.legend(frameon=False, ncols=2)
    _save(figure, folder / "latency.svg")


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, bbox_inches="tight", facecolor="white", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Draw the parts that were measured."""
    figures = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in (("contention", contention), ("scale", scale)):
        if name in figures:
            picture(figures[name], folder)


if __name__ == "__main__":
    main()
