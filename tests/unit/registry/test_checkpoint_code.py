"""Which code a checkpoint is bound to: all that makes a catalog of records, and nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

from ringfence_registry.checkpoint.code import DIGEST_SIZE, digest_of_code, modules_behind

ROOTS = ("ringfence_registry.checkpoint.keeping", "ringfence_registry.finding.catalog")

FILLS = """
import sys
from ringfence_kit.records import encode
from ringfence_registry.checkpoint import held_agents, keeping
from ringfence_registry.finding import catalog, tallies, word_pairs
print(*(name for name in sys.modules if name.partition(".")[0] in {"ringfence", "ringfence_kit", "ringfence_registry"}))
"""


def test_the_code_has_one_digest() -> None:
    assert len(digest_of_code()) == DIGEST_SIZE
    assert digest_of_code() == digest_of_code()


def test_whatever_is_there_once_a_catalog_is_filled_is_among_the_code() -> None:
    """What Python itself has loaded by then: an import this cannot see, somewhere, would be missing."""
    loaded = subprocess.run((sys.executable, "-c", FILLS), capture_output=True, check=True, text=True).stdout.split()
    assert "ringfence_registry.finding.words" in loaded
    assert not set(loaded) - modules_behind(ROOTS).keys()


def test_what_serves_agents_is_not_among_the_code() -> None:
    behind = modules_behind(ROOTS)
    assert "ringfence_registry.finding.word_pairs" in behind  # imported within a function
    assert "ringfence_registry.model" in behind
    assert not {name for name in behind if name.split(".")[1:2] in (["api"], ["convert"], ["http"], ["store_sql"])}
    assert not {"ringfence_kit.server", "ringfence_kit.sql", "ringfence_registry.app"} & behind.keys()


def test_every_module_behind_the_roots_is_in_the_digest(tmp_path: Path) -> None:
    package = tmp_path / "ours"
    (package / "part").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "part" / "__init__.py").write_text("import ours.at_import")
    (package / "root.py").write_text("import json\nfrom ours.part import inner, VALUE\n")
    (package / "part" / "inner.py").write_text("def late():\n    from ours import lazily as x\n")
    for name in ("at_import", "lazily", "nobodys"):
        (package / f"{name}.py").write_text(f"NAME = {name!r}\n")
    behind = modules_behind(["ours.root"], {"ours": [str(package)]})
    assert behind.keys() == {
        "ours",
        "ours.root",
        "ours.part",
        "ours.part.inner",
        "ours.at_import",
        "ours.lazily",
    }
    assert all(ast.parse(source) for source in behind.values())


def test_where_code_is_not_in_files_there_is_no_digest() -> None:
    assert digest_of_code({}) == b""
