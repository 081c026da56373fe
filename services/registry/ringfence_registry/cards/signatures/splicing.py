"""Putting one more entry into the `signatures` of a card's bytes, and changing nothing else of them.

A card is served as its owner wrote it: spaces, order and spelling may matter to somebody. So the entry is written into
the text, where the list of signatures ends, or as the last member when there is none.
"""

import json

from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.card_forms import SIGNATURES

_SPACE = " \t\n\r"
_decoder = json.JSONDecoder()


class NoRoomForSignature(ValueError):  # noqa: N818 - named for what happened
    """The card has something else than a list where its signatures belong."""


def with_signature(card: bytes, entry: JsonObject) -> bytes:
    """Return `card`, the bytes of a JSON object that was read before, with `entry` as its last signature."""
    text = card.decode("utf-8")
    written = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
    at = _after_space(text, 0) + 1  # behind the brace that opens the card
    members = 0
    end = at
    while text[at := _after_space(text, at)] != "}":
        if text[at] == ",":
            at = _after_space(text, at + 1)
        name, at = _decoder.raw_decode(text, at)
        begin = _after_space(text, _after_space(text, at) + 1)  # behind the colon
        value, end = _decoder.raw_decode(text, begin)
        if name == SIGNATURES:
            return (text[:begin] + _one_more(text[begin:end], value, written) + text[end:]).encode("utf-8")
        members, at = members + 1, end
    comma = "," if members else ""
    return f'{text[:end]}{comma}"{SIGNATURES}":[{written}]{text[end:]}'.encode()


def _one_more(listed: str, value: object, written: str) -> str:
    if value is None:
        return f"[{written}]"
    if not isinstance(value, list):
        raise NoRoomForSignature("its signatures are not a list")
    last = len(listed[:-1].rstrip(_SPACE))  # behind the last entry, or behind the bracket that opens the list
    return f"{listed[:last]}{',' if value else ''}{written}{listed[last:]}"


def _after_space(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at
