"""Paired rounds and what is said of their figures."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def paired(sides: Sequence[str], rounds: int, once: Callable[[str], T]) -> dict[str, list[T]]:
    """Measure all sides one after the other, again and again (A B C, A B C, ...).

    A ratio is taken within a round, so that a machine whose speed drifts does not matter.
    """
    found: dict[str, list[T]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            found[side].append(once(side))
    return found


def summary(values: Sequence[float], factor: float = 1.0) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": statistics.median(values) * factor,
        "min": min(values) * factor,
        "max": max(values) * factor,
    }


def spread(figure: dict[str, Any], digits: int = 2) -> str:
    """A summary in words: the median, and between what it lies."""
    return f"{figure['median']:.{digits}f} ({figure['min']:.{digits}f}-{figure['max']:.{digits}f})"
