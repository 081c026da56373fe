"""Policies that are refused, each with everything that is wrong with it, in a file of its own.

`RINGFENCE_REGENERATE=1` writes the expectations anew; the diff is then the review.
"""

import os
from pathlib import Path

import pytest
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.errors import BundleInvalid
from support.pdp.world import policy

HERE = Path(__file__).parent / "refused_policies"
CASES = sorted(HERE.glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_refused_policy_is_told_file_line_field_problem_and_remedy(case: Path) -> None:
    with pytest.raises(BundleInvalid) as caught:
        compile_files([PolicyFile(path=case.name, content=case.read_bytes())])
    told = "".join(f"{violation.field}: {violation.problem}\n" for violation in caught.value.violations)
    kept = HERE / "expected" / f"{case.stem}.txt"
    if os.environ.get("RINGFENCE_REGENERATE"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(told)
    assert told == kept.read_text()


def test_one_bad_file_refuses_the_bundle_and_the_others_are_still_read() -> None:
    unreadable, incomplete = b"]", policy("{name: a, effect: ALLOW}").encode()
    files = [PolicyFile(path="a.yaml", content=unreadable), PolicyFile(path="b.yaml", content=incomplete)]
    with pytest.raises(BundleInvalid) as caught:
        compile_files(files)
    assert [violation.field.split(":")[0] for violation in caught.value.violations] == ["a.yaml", "b.yaml"]


def test_at_most_a_hundred_problems_are_told_at_once() -> None:
    content = policy(*(f"{{name: r{place}, effect: NO}}" for place in range(200))).encode()
    with pytest.raises(BundleInvalid) as caught:
        compile_files([PolicyFile(path="a.yaml", content=content)])
    assert len(caught.value.violations) == 100
