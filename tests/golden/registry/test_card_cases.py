"""Cards as files, each with what is read from it, or with every reason against it, in a file of its own.

`RINGFENCE_REGENERATE=1` writes the expectations anew; the diff is then the review.
"""

import json
import os
from pathlib import Path

import pytest
from ringfence_kit import records
from ringfence_registry.cards.model import CardDialect, CardVerdict
from ringfence_registry.cards.reading import read_card, read_whole_card
from ringfence_registry.errors import CardInvalid

HERE = Path(__file__).parent
CARDS = sorted((HERE / "cards").glob("*.json"))
REFUSED = sorted((HERE / "refused_cards").glob("*.json"))
EXAMPLES = sorted((HERE.parents[2] / "services" / "registry" / "examples").glob("*.json"))


def expected(case: Path, actual: object) -> object:
    kept = case.parent / "expected" / case.name
    if os.environ.get("RINGFENCE_REGENERATE"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(actual, indent=2, ensure_ascii=False) + "\n")
    return json.loads(kept.read_text())


@pytest.mark.parametrize("case", CARDS, ids=lambda case: case.stem)
def test_a_card_is_kept_as_it_is_and_read_as_expected(case: Path) -> None:
    whole = read_whole_card(case.read_bytes())
    facts, content = (json.loads(records.encode(each)) for each in (whole.card.facts, whole.content))
    judged = {
        **{member: facts[member] for member in ("dialect", "verdict", "sha256", "protocol_versions")},
        "reasons": [" | ".join(reason.values()) for reason in facts["reasons"]],
        "findings": [" | ".join(finding.values()) for finding in facts["findings"]],
        "schemes": facts["security_schemes"],
        "content": {member: value for member, value in content.items() if value},
    }
    assert whole.card.body == case.read_bytes()
    assert judged == expected(case, judged)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.stem)
def test_a_refused_card_is_told_every_reason(case: Path) -> None:
    with pytest.raises(CardInvalid) as caught:
        read_card(case.read_bytes())
    faults = [f"{violation.field}: {violation.problem}" for violation in caught.value.violations]
    assert faults == expected(case, faults)


def test_every_generation_and_every_verdict_has_a_case() -> None:
    facts = [read_card(case.read_bytes()).facts for case in CARDS]
    assert {each.dialect for each in facts} == set(CardDialect)
    assert {each.verdict for each in facts} == set(CardVerdict) - {CardVerdict.UNREADABLE}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_the_examples_are_cards_nobody_has_to_remark_on(example: Path) -> None:
    facts = read_card(example.read_bytes()).facts
    assert facts.findings == ()
    assert {reason.verdict for reason in facts.reasons} <= {CardVerdict.UPCONVERTED}
