"""Runs the examples in docstrings and in Markdown as tests.

Each page and each module gets an empty folder of its own as the working directory, as the home and
as the place for data, so that an example never touches what belongs to the person who runs it.
"""

import importlib
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.evaluators.doctest import NUMBER
from sybil.example import Example, NotEvaluated
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

pytest.register_assert_rewrite("localqueue.core.testing")

PLACES = ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
SOURCES = "src"


class ModuleDocstrings(PythonDocStringDocument):
    """The docstrings of a module that is imported by its name.

    Sybil looks for the outermost ``__init__.py`` to tell a module's name, which a namespace package
    does not have.
    """

    def import_document(self, example: Example) -> None:  # noqa: ARG002 - Sybil's signature
        """Import the module and take its names as the example's."""
        parts = Path(self.path).with_suffix("").parts
        below = parts[len(parts) - parts[::-1].index(SOURCES) :]
        name = ".".join(part for part in below if part != "__init__")
        self.namespace.update(vars(importlib.import_module(name)))
        self.pop_evaluator(self.import_document)
        raise NotEvaluated  # the import is done: the example itself is still to be run


def enter_empty_folder(namespace: dict[str, Any]) -> None:
    """Work in an empty folder until :func:`leave_folder`."""
    folder = tempfile.TemporaryDirectory(prefix="example-")
    namespace["_surroundings"] = (
        folder,
        Path.cwd(),
        {name: os.environ.get(name) for name in PLACES},
    )
    os.environ.update(dict.fromkeys(PLACES, folder.name))
    os.chdir(folder.name)


def leave_folder(namespace: dict[str, Any]) -> None:
    """Go back to where the tests run."""
    folder, before, variables = namespace["_surroundings"]
    os.chdir(before)
    for name, value in variables.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    folder.cleanup()


docstrings = Sybil(
    parsers=[DocTestParser(NUMBER)],
    patterns=["packages/*/src/localqueue/*/*.py", "packages/*/src/localqueue/*/*/*.py"],
    document_types={".py": ModuleDocstrings},
    setup=enter_empty_folder,
    teardown=leave_folder,
)
pages = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=NUMBER), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/*/*.md", "packages/*/README.md"],
    setup=enter_empty_folder,
    teardown=leave_folder,
)
pytest_collect_file = (docstrings + pages).pytest()
