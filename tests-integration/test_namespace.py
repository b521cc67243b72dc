"""The namespace package in the checkout."""

import importlib.metadata
from pathlib import Path

import localqueue

ROOT = Path(__file__).resolve().parents[1]


def test_namespace_has_no_init_file_in_the_tree() -> None:
    assert list(ROOT.glob("packages/*/src/localqueue/__init__.py")) == []


def test_every_source_folder_holds_the_namespace_and_nothing_else() -> None:
    for source in ROOT.glob("packages/*/src"):
        names = {path.name for path in source.iterdir()} - {"__pycache__"}
        assert names == {"localqueue"}, source


def test_namespace_spans_the_installed_distributions() -> None:
    assert localqueue.__file__ is None
    parts = {Path(part).resolve() for part in localqueue.__path__}
    assert {path.resolve() for path in ROOT.glob("packages/*/src/localqueue")} <= parts


def test_versions_are_one() -> None:
    names = ["localqueue", "localqueue-core", "localqueue-sqlite", "localqueue-tenacity"]
    assert len({importlib.metadata.version(name) for name in names}) == 1
