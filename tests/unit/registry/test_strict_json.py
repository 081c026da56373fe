"""What strict JSON refuses, and where it says the fault is."""

import json

import pytest
from ringfence_registry.cards.strict_json import (
    MAX_FAULTS,
    JsonFault,
    JsonLimits,
    StrictJsonError,
    child_pointer,
    read_strict_json,
)

LIMITS = JsonLimits(size=65_536, depth=64)


def faults_of(document: bytes, limits: JsonLimits = LIMITS) -> list[tuple[str, str]]:
    with pytest.raises(StrictJsonError) as caught:
        read_strict_json(document, limits)
    return [(fault.pointer, fault.problem) for fault in caught.value.faults]


@pytest.mark.parametrize(
    "value",
    [None, True, "", "ü", "\U0001f9ed", 0, -1, 2**53, 1.5, 1e308, [], {}, {"": {"a/b": [1, {"~": "x"}]}}],
)
def test_what_is_unambiguous_is_read_as_any_parser_reads_it(value: object) -> None:
    assert read_strict_json(json.dumps(value).encode(), LIMITS) == value


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "is empty"),
        (b" ", "is not JSON: "),
        (b"\xef\xbb\xbf{}", "starts with a byte order mark; remove it"),
        (b'{"a": "\xff"}', "is not UTF-8: invalid start byte at byte 7"),
        (b'{"a": "\xed\xa0\x80"}', "is not UTF-8: invalid continuation byte at byte 7"),
        (b'"\xc0\xaf"', "is not UTF-8: invalid start byte at byte 1"),
        ("{}".encode("utf-16"), "is not UTF-8: invalid start byte at byte 0"),
        (b"{} {}", "is not JSON: "),
        (b'{"a": 1,}', "is not JSON: "),
        (b"{'a': 1}", "is not JSON: "),
        (b"[01]", "is not JSON: "),
        (b'"a\nb"', "is not JSON: "),
        (b'"\x00"', "is not JSON: "),
    ],
)
def test_a_document_that_is_not_json_is_refused_as_a_whole(document: bytes, problem: str) -> None:
    (fault,) = faults_of(document)
    assert fault[0] == ""
    assert fault[1].startswith(problem)  # the rest is the parser's wording, which differs between Pythons


def test_a_member_given_twice_is_found_wherever_it_is() -> None:
    document = b'{"a": 1, "a": 2, "b": [{"c/d": 1, "~": 2, "c/d": 3, "~": 4, "c/d": 5}]}'
    assert faults_of(document) == [
        ("/a", "is given more than once"),
        ("/b/0/c~1d", "is given more than once"),
        ("/b/0/~0", "is given more than once"),
    ]


def test_members_that_differ_only_in_their_escapes_are_the_same_member() -> None:
    assert faults_of(b'{"url": 1, "\\u0075rl": 2}') == [("/url", "is given more than once")]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 400, "9" * 5_000])
def test_a_number_no_double_can_hold_is_refused(literal: str) -> None:
    (fault,) = faults_of(b'{"x": [' + literal.encode() + b"]}")
    assert fault == ("/x/0", f"is {literal[:20]}, which is not a finite number")


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\\udfff x"', b'"a\\udc00\\ud800b"'])
def test_a_lone_surrogate_is_refused(text: bytes) -> None:
    assert faults_of(b'{"a": ' + text + b"}") == [("/a", "contains a lone surrogate")]
    (fault,) = faults_of(b"{" + text + b": 1}")
    assert fault[1] == "has a name with a lone surrogate"
    fault[0].encode()


def test_an_escaped_pair_of_surrogates_is_a_character() -> None:
    assert read_strict_json(b'"\\ud83e\\udded"', LIMITS) == "\U0001f9ed"


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_limited(opening: bytes, closing: bytes) -> None:
    def nested(levels: int) -> bytes:
        core = b"1" if opening != b"[" else b""
        return opening * levels + core + closing * levels

    assert read_strict_json(nested(64), LIMITS) is not None
    (fault,) = faults_of(nested(65))
    assert fault[1] == "nests deeper than 64 levels"
    (fault,) = faults_of(nested(10_000))
    assert fault[1] == "nests deeper than 64 levels"
    assert faults_of(opening * 20_000)[0][0] == ""


def test_size_is_limited_before_anything_is_read() -> None:
    limits = JsonLimits(size=10, depth=4)
    assert read_strict_json(b'"12345678"', limits) == "12345678"
    assert faults_of(b'"123456789"', limits) == [("", "has 11 bytes; at most 10 are read")]
    assert faults_of(b"\xff" * 11, limits) == [("", "has 11 bytes; at most 10 are read")]


def test_a_document_of_nothing_but_faults_is_described_by_the_first() -> None:
    found = faults_of(b"[" + b",".join([b"NaN"] * 10_000) + b"]")
    assert [pointer for pointer, _ in found] == [f"/{index}" for index in range(MAX_FAULTS)]


def test_an_endless_pointer_is_cut() -> None:
    (fault,) = faults_of(b'{"' + b"k" * 60_000 + b'": NaN}')
    assert len(fault[0]) == 160
    assert fault[0].endswith("…")


def test_a_pointer_escapes_what_rfc_6901_says() -> None:
    assert child_pointer("/a", "b/c~d") == "/a/b~1c~0d"
    assert child_pointer("", 0) == "/0"


def test_the_error_reads_as_a_sentence() -> None:
    assert str(StrictJsonError(JsonFault("", "is empty"), JsonFault("/a", "is odd"))) == (
        "document: is empty; /a: is odd"
    )
