"""The snippets of the README are Python, and import what exists."""

import ast
import importlib
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[3] / "clients" / "python" / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)

DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) >= 7


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_everything_imported_exists(snippet: str) -> None:
    for statement in ast.walk(ast.parse(snippet)):
        if isinstance(statement, ast.ImportFrom):
            assert statement.module is not None
            module = importlib.import_module(statement.module)
            for name in statement.names:
                assert hasattr(module, name.name)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_it_defines_what_it_says(snippet: str) -> None:
    names: dict[str, object] = {}
    exec(compile(snippet, str(README), "exec"), names)
    defined = [statement.name for statement in ast.parse(snippet).body if isinstance(statement, DEFINITIONS)]
    assert defined
    assert all(callable(names[name]) for name in defined)


@pytest.mark.parametrize(
    "module", re.findall(r"^\| `(ringfence\.[a-z_]+)`", README.read_text(encoding="utf-8"), re.MULTILINE)
)
def test_every_module_of_the_table_exists(module: str) -> None:
    assert importlib.import_module(module).__doc__
