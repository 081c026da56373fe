"""Cards made to take long: whatever fits into 64 KiB is judged, compared and said in a message in a moment."""

import json
import time
from typing import Any

import pytest
from ringfence_registry.cards.comparison.comparing import compare_cards
from ringfence_registry.cards.reading import CARD_LIMITS, read_whole_card
from ringfence_registry.convert.agent_card import agent_card
from ringfence_registry.errors import CardInvalid

A_MOMENT = 3.0
"""Seconds of CPU, so that a machine that stands still for others fails nothing. Each takes a tenth of one at most."""

CARD: dict[str, Any] = {
    "name": "A",
    "supportedInterfaces": [{"url": "https://a.example.com", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
}


def packed(**members: Any) -> bytes:
    return json.dumps({**CARD, **members}, separators=(",", ":"), ensure_ascii=False).encode()


def spliced(literal: bytes) -> bytes:
    return packed(x=0).replace(b'"x":0', b'"x":' + literal)


DIGITS = [str(number) for number in range(6_000)]
READ = {
    "tens of thousands of empty skills": packed(skills=[{}] * 21_000),
    "tens of thousands of skills that are none": packed(skills=[0] * 32_000),
    "a thousand skills of one id": packed(skills=[{"id": "a", "name": "b", "tags": ["c"]}] * 1_600),
    "thousands of tags": packed(skills=[{"id": "a", "tags": ["t"] * 16_000}]),
    "thousands of interfaces": packed(supportedInterfaces=[{}] * 21_000),
    "thousands of schemes": packed(securitySchemes={str(number): {} for number in range(6_000)}),
    "thousands of schemes in a list": packed(securitySchemes=[{}] * 21_000),
    "thousands of requirements": packed(security=[{str(number): []} for number in range(4_500)]),
    "thousands of names in one requirement": packed(security=[{str(number): [] for number in range(6_000)}]),
    "thousands of scopes": packed(
        securitySchemes={
            "o": {"type": "oauth2", "flows": {"password": {"scopes": {str(at): "" for at in range(6_000)}}}}
        }
    ),
    "thousands of extensions": packed(capabilities={"extensions": [{"uri": "u"}] * 5_000}),
    "thousands of media types": packed(defaultInputModes=[str(number) for number in range(8_000)]),
    "deep parameters": packed(capabilities={"extensions": [{"params": json.loads('{"a":' * 58 + "1" + "}" * 58)}]}),
    "integers of three hundred digits": packed(x=[10**300] * 200),
    "names that grow when normalised": packed(name="\ufdfa" * 18_000),
    "marks without end": packed(description="e" + "\u0301\u0323" * 15_000),
    "hidden characters without end": packed(description="\u202e" * 20_000),
    "look-alike letters without end": packed(description="\u0435" * 30_000),
    "words a pattern starts with": packed(description="ignore send always do not tell " * 2_000),
    "spaces a pattern goes on over": packed(description="ignore" + " ," * 30_000),
    "tokens that almost are": packed(description="eyJ" * 21_000),
    "credentials without end": packed(x=[{"token": "a1B2c3D4e5F6"}] * 2_400),
    "addresses that are none": packed(x=["https://[::1"] * 4_000),
    "addresses of private networks": packed(x=["https://1.1.1.1.nip.io"] * 2_400),
    "one long address": packed(iconUrl="https://" + "a." * 30_000),
    "names without end": packed(**{"n" * 60 + str(number): 1 for number in range(900)}),
}
REFUSED = {
    "a hundred thousand skills": packed(skills=[0] * 100_000),
    "lists in lists": b"[" * 65_000,
    "objects in objects": b'{"a":' * 13_000,
    "one member too deep": spliced(b"[" * 64 + b"]" * 64),
    "one name over and over": b"{" + b'"a":1,' * 9_000 + b'"a":1}',
    "a number of sixty thousand digits": spliced(b"9" * 60_000),
    "a number beyond any double": spliced(b"1e400"),
    "a negative number beyond any double": spliced(b"-1e400"),
    "not a number": spliced(b"NaN"),
    "ten megabytes": packed(description="x" * 10_000_000),
}


@pytest.mark.parametrize("bomb", READ)
def test_what_fits_is_judged_in_a_moment(bomb: str) -> None:
    assert len(READ[bomb]) <= CARD_LIMITS.size
    began = time.thread_time()
    content = read_whole_card(READ[bomb]).content
    compare_cards(content, content)
    assert agent_card(content).ByteSize() < 4 * CARD_LIMITS.size
    assert time.thread_time() - began < A_MOMENT


@pytest.mark.parametrize("bomb", REFUSED)
def test_what_cannot_be_read_is_refused_in_a_moment(bomb: str) -> None:
    began = time.thread_time()
    with pytest.raises(CardInvalid) as caught:
        read_whole_card(REFUSED[bomb])
    assert len(caught.value.message) < 6_000
    assert time.thread_time() - began < A_MOMENT
