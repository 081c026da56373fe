"""Documents point at things that exist, and every dependency has its line."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not {".venv", ".build", ".pytest_cache"} & set(path.relative_to(ROOT).parts)
)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
SOURCE_FILE = re.compile(r"`((?:services|clients|protos|tests|docs|deploy|bench)/[\w./-]+\.\w+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_files_named_in_a_document_exist(document: Path) -> None:
    text = document.read_text()
    missing = [target for target in LINK.findall(text) if not (document.parent / target).exists()]
    missing += [target for target in SOURCE_FILE.findall(text) if not (ROOT / target).exists()]
    assert missing == []


def test_every_decision_record_is_listed() -> None:
    listed = (ROOT / "docs/adr/README.md").read_text()
    records = sorted(path.name for path in (ROOT / "docs/adr").glob("0*.md"))
    assert [name for name in records if name not in listed] == []


def test_every_dependency_has_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [
        name for extra in ("postgres", "fast") for name in project["optional-dependencies"][extra]
    ]
    record = (ROOT / "docs/adr/0004-dependencies.md").read_text()
    names = [re.split(r"[\[>=<~!;]", requirement)[0].strip() for requirement in wanted]
    # The record writes families in short: "grpcio, -status".
    in_short = {name: name.removeprefix("grpcio").removeprefix("opentelemetry") for name in names}
    missing = [name for name in names if name not in record and in_short[name] not in record]
    assert missing == []


def test_files_named_in_the_walks_exist() -> None:
    """The walks name modules in short; each is found in the package the step is about."""
    text = (ROOT / "docs/architecture.md").read_text()
    walks = text[text.index("## A decision") : text.index("## What survives what")]
    modules = {path.name for package in ("services", "clients/python") for path in (ROOT / package).rglob("*.py")}
    named = {name.rsplit("/", 1)[-1] for name in re.findall(r"`([\w/]+\.py)`", walks)}
    assert sorted(named - modules) == []
