"""The README says what is so: its policies compile, and every function, field, class and reason is in it."""

import re
from pathlib import Path

import pytest
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.cel import functions
from ringfence_pdp.cel.types import Record
from ringfence_pdp.compile import compile_files
from ringfence_pdp.model import Reason
from ringfence_pdp.rings import CLASSES
from ringfence_pdp.vocabulary import SCHEMA

HOME = Path(__file__).parents[3] / "services" / "pdp"
README = (HOME / "README.md").read_text()
POLICIES = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
EXAMPLES = sorted((HOME / "examples").glob("*.yaml"))


@pytest.mark.parametrize("text", POLICIES, ids=lambda text: text.splitlines()[1])
def test_its_policies_compile(text: str) -> None:
    assert compile_files([PolicyFile(path="readme.yaml", content=text.encode())]).findings == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_compile_and_leave_nothing_open(path: Path) -> None:
    assert compile_files([PolicyFile(path=path.name, content=path.read_bytes())]).findings == ()


def test_every_function_is_told() -> None:
    assert [name for name in sorted(functions.NAMES) if not re.search(rf"\b{name}\b", README)] == []


def test_every_field_is_told_with_whether_it_may_be_absent() -> None:
    for root, field in SCHEMA.fields.items():
        assert f"`{root}`" in README
        for name, part in field.type.fields.items() if isinstance(field.type, Record) else ():
            assert (f"`{name}`?" if part.optional else f"`{name}`") in README, f"{root}.{name}"


def test_every_class_of_action_is_told() -> None:
    assert [pattern for pattern, _ in CLASSES if f"`{pattern}`" not in README] == []


def test_every_reason_for_a_denial_is_told() -> None:
    told = {reason.name for reason in Reason if f"`{reason.name}`" in README}
    assert told == {reason.name for reason in Reason} - {"ALLOWED", "APPROVAL_REQUIRED"}
