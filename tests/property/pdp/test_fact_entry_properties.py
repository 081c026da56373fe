"""Entries of facts are canonical JSON (RFC 8785), whatever a fact says, and hold all of it."""

import json

import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st
from ringfence_pdp.evidence import PART_CHARACTERS, entries, entry_id

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(content=TEXTS)
@example(content="".join(map(chr, range(0x20))) + '"\\/\x7f\x80\u2028\u2029é€𐍈')
@example(content="a\n" * PART_CHARACTERS)
def test_every_entry_is_canonical_and_together_they_say_it_all(content: str) -> None:
    told = entries("bundle:sha256-00", content)
    said = [json.loads(body) for _, body in told]
    assert [rfc8785.dumps(each) for each in said] == [body for _, body in told]
    assert "".join(each["content"] for each in said) == content
    assert [id_ for id_, _ in told] == [entry_id("bundle:sha256-00", part) for part in range(len(told))]
    assert all(len(each["content"]) <= PART_CHARACTERS and each["parts"] == len(told) for each in said)
