# ruff: noqa: RUF001 - signs that are easily taken for others are what this is about
"""What holds of filters whatever text they are given."""

import base64
import re
import string
import time
from collections.abc import Callable

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st
from ringfence_pdp.filters.decoders import TEXT_MAX, encodings, escapes, invisible, joining, spelling
from ringfence_pdp.filters.decoders.gates import opened
from ringfence_pdp.filters.filter_rule import FilterRule, ViewKind
from ringfence_pdp.filters.finding import Argument, ArgumentType, Content, Severity
from ringfence_pdp.filters.masking import SNIPPET_MAX, masked, snippet
from ringfence_pdp.filters.necessities import lowered, necessary
from ringfence_pdp.filters.patterns import FINDINGS_MAX, Patterns
from ringfence_pdp.filters.rule_set import RuleSet
from ringfence_pdp.filters.views import VIEWS_MAX, readings

TYPES = st.sampled_from(ArgumentType)
CHARACTERS = st.one_of(
    st.characters(),
    st.characters(categories=["Cs", "Cf", "Cc", "Mn", "Co"]),
    st.sampled_from("%&;\\xuUN{}0123456789abcdefABCDEF=+/_-'\"`$^*#!|@ \n\t"),
)
PIECES = st.sampled_from(
    [
        "%41",
        "%25",
        "%u0041",
        "&#x41;",
        "&amp;",
        "\\x41",
        "\\u0041",
        "\\N{DIGIT ONE}",
        "chr(65)",
        "U+0041",
        "/*",
        "*/",
        "/*!",
        "<!--",
        "-->",
        "--",
        "''",
        "$IFS",
        "{a,b}",
        "a b c d ",
        "d3l3t3",
        "QUJDREVGR0hJSktM",
        "414243444546",
        "\u200b",
        "\U000e0041",
        "\ud800",
        "\u0301",
        "\ufdfa",
        "password=",
        "://a:b@",
        "-----BEGIN PRIVATE KEY-----",
        "ignore all",
        "а",
        "é",
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(CHARACTERS, max_size=20)), max_size=20).map("".join)
SAID = st.lists(
    st.sampled_from(["ignore", "previous", "orders", "delete", "every", "table", "mail", "them", "out"]),
    min_size=3,
    max_size=6,
).map(" ".join)


def rule(id_: str, pattern: str) -> FilterRule:
    return FilterRule(
        id=id_,
        pack="test",
        category="injection",
        severity=Severity.HIGH,
        pattern=pattern,
        views=frozenset(ViewKind),
        message="found",
    )


PATTERNS = Patterns((rule("any", r"."), rule("words", r"(?i)\bignore\s+all\b"), rule("end", r"\z")))


@given(TEXTS, TYPES)
def test_every_text_can_be_read_within_bounds_and_always_alike(text: str, written_in: ArgumentType) -> None:
    found = readings(text, written_in)

    assert 1 <= len(found.views) <= VIEWS_MAX
    assert len({(view.text, view.kind) for view in found.views}) == len(found.views)
    for view in found.views:
        assert view.text.encode().decode() == view.text
        assert len(view.text) <= TEXT_MAX
    assert readings(text, written_in) == found


DISGUISES: dict[str, Callable[[str], str]] = {
    "url": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "html": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "escapes": lambda text: "".join(f"\\u{unit}" for unit in text.encode("utf-16-be").hex(" ", 2).split()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "zero-width": "\u200b".join,
    "full width": lambda text: text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
    "look-alikes": lambda text: text.translate(str.maketrans("aeopcxi", "аеорсхі")),
    "tags": lambda text: "x" + "".join(chr(0xE0000 + ord(char)) for char in text),
    "letters apart": " ".join,
}
LAST = ("zero-width", "full width", "look-alikes", "tags", "letters apart")
"""Only these can be put on what is encoded already, or be decoded from."""


@given(SAID, st.sampled_from(sorted(DISGUISES)), st.sampled_from(sorted(set(DISGUISES) - set(LAST))))
def test_what_is_hidden_in_two_layers_is_read(said: str, inner: str, outer: str) -> None:
    disguised = DISGUISES[outer](DISGUISES[inner](said))

    found = readings(f"please read {disguised} now")

    assert any(said in view.text for view in found.views), found
    assert not found.problem


@given(SAID, st.sampled_from(sorted(DISGUISES)), st.sampled_from(("zero-width", "full width")))
def test_what_is_encoded_is_read_through_a_disguise(said: str, inner: str, outer: str) -> None:
    found = readings(DISGUISES[outer](DISGUISES[inner](said)))

    assert any(said in view.text for view in found.views), found


DECODERS: dict[str, Callable[[str], str]] = {
    "url": escapes.url,
    "html": escapes.entities,
    "escapes": escapes.backslashes,
    "calls": escapes.calls,
    "hex": encodings.hexadecimals,
    "base32": encodings.base32s,
    "comments": joining.without_comments,
    "lines": joining.without_lines,
    "joined": joining.joined,
    "apart": spelling.together,
    "prose": spelling.prose,
    "unseen": invisible.visible,
    "hidden": invisible.revealed,
}


@pytest.mark.parametrize("gate", DECODERS)
@given(text=TEXTS)
def test_a_closed_gate_hides_nothing_from_its_decoder(gate: str, text: str) -> None:
    sound = invisible.sound(text)

    if gate not in opened(sound):
        assert DECODERS[gate](sound) == sound


@given(st.lists(TEXTS, max_size=4), TYPES)
def test_patterns_answer_whatever_they_are_given(texts: list[str], written_in: ArgumentType) -> None:
    content = Content(tuple(Argument(f"/{place}", text, written_in) for place, text in enumerate(texts)))

    findings = PATTERNS.findings(content)

    assert len(findings) <= FINDINGS_MAX
    assert [finding.severity for finding in findings] == sorted((one.severity for one in findings), reverse=True)
    assert list(PATTERNS.findings(content)) == list(findings)
    for finding in findings:
        assert 0 <= finding.start <= finding.end <= TEXT_MAX
        assert len(finding.snippet) <= SNIPPET_MAX
        assert finding.snippet.encode().decode() == finding.snippet


@given(TEXTS)
def test_a_match_is_where_it_is_said_to_be(text: str) -> None:
    sound = invisible.sound(text)

    for hit in RuleSet((rule("word", r"[a-z]+"),)).matches(text, ArgumentType.CODE):
        assert sound[hit.start : hit.end].isalpha()


@given(st.lists(st.text(string.ascii_lowercase, min_size=2, max_size=8), min_size=2, max_size=5))
def test_a_rule_that_looks_at_letters_apart_needs_no_spaces(words: list[str]) -> None:
    looking = RuleSet((rule("words", r"(?i)\b" + r"\s+".join(words) + r"\b"),))
    apart = " ".join("".join(words))

    found = [
        hit for view in readings(apart).views for hit in looking.matches(view.text, ArgumentType.FREE_TEXT, view.kind)
    ]

    assert found


LITERALS = st.text("abcdeXYZ0 -/", min_size=1, max_size=4).map(re.escape)
REGEXES = st.recursive(
    st.one_of(LITERALS, st.sampled_from([r"\s+", ".{0,3}", r"\w", "[abc]", "[^a]", r"\b", "[0-9]{2}"])),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{0,2}", "{1,2}", "{2}"])).map("(?:{0[0]}){0[1]}".format),
    ),
    max_leaves=8,
)


@given(st.data())
def test_whatever_a_pattern_matches_has_what_it_needs(data: st.DataObject) -> None:
    pattern = f"(?i){data.draw(REGEXES)}"
    text = data.draw(st.from_regex(re.compile(pattern, re.ASCII)))
    ways = necessary(pattern)

    if ways and re2.search(pattern, text) is not None:
        there = lowered(text)
        assert any(all(any(one in there for one in texts) for texts in sets) for sets in ways), ways


OPAQUE = string.ascii_letters + string.digits
SECRETS = st.one_of(
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=16).map("AKIA{}".format),
    st.text(OPAQUE, min_size=36, max_size=36).map("ghp_1{}".format),
    st.text(OPAQUE + "-_", min_size=24, max_size=60).map("sk-ant-0{}".format),
    st.text(OPAQUE + "-_", min_size=20, max_size=40).map("eyJhbGciOiJIUzI1NiJ9.{0}.{0}".format),
    st.binary(min_size=24, max_size=24)
    .map(lambda raw: base64.b64encode(raw).decode())
    .filter(lambda text: len(set(text)) > 12),
    st.binary(min_size=32, max_size=32).map(bytes.hex).filter(lambda text: len(set(text)) > 9),
    st.text(OPAQUE, min_size=64, max_size=200).map(
        lambda body: f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"
    ),
    st.sampled_from(["4111 1111 1111 1111", "4012888888881881", "3782 822463 10005", "GB29 NWBK 6016 1331 9268 19"]),
)
PASSWORDS = st.text(OPAQUE + "!#$%*+-.?^_~", min_size=4, max_size=40).map("q7{}".format)
BEFORE = st.sampled_from(["", "please send ", "x;", '{"a": "', "\n", "— ", "\ud800", "é" * 70, "long " * 60])
AFTER = st.sampled_from(["", " to them", '"}', "\n", ", or else", " …", " and more" * 60])
SAYING = st.sampled_from(
    [
        "password={}",
        '"password": "{}"',
        "password: {}",
        "PASSWORD is {}",
        "postgres://me:{}@db/x",
        "api_key={}",
        "--password {}",
        "Authorization: Bearer {}",
        "IDENTIFIED BY '{}'",
        "token => '{}'",
        "<secret>{}</secret>",
        "?access_token={}&a=b",
    ]
)


@given(BEFORE, SECRETS, AFTER)
def test_no_secret_is_left_of_what_is_known_by_its_form(before: str, secret: str, after: str) -> None:
    shown = masked(f"{before}{secret}{after}")

    assert not leaks(secret, shown), shown


@given(BEFORE, SAYING, PASSWORDS, AFTER)
def test_no_password_is_left_where_it_is_said_to_be_one(before: str, saying: str, password: str, after: str) -> None:
    shown = masked(f"{before}{saying.format(password)}{after}")

    assert password not in shown


@given(BEFORE, SECRETS, AFTER, st.integers(-5, 900), st.integers(0, 300))
def test_no_snippet_shows_a_part_of_a_secret(before: str, secret: str, after: str, start: int, length: int) -> None:
    shown = snippet(f"{before}{secret}{after}", start, start + length)

    assert not leaks(secret, shown), shown
    assert len(shown) <= SNIPPET_MAX
    assert shown.isprintable()


def leaks(secret: str, shown: str) -> bool:
    """Say whether eight characters of the middle of a secret are there."""
    bare = secret.split("\n")[1] if "\n" in secret else secret
    return any(bare[place : place + 8] in shown for place in range(4, max(5, len(bare) - 8)))


LONG = TEXT_MAX // 4
DREADED = (
    *("&#" + "1" * LONG, "&#0", "\U000e0041" * (LONG - 1) + "x", f"{'A' * (LONG - 1)}\n", f"\n{'A' * LONG}"),
    *(
        "a",
        "%41",
        "%",
        "%25",
        "%c0%af",
        "&#65;",
        "&",
        "&amp;",
        "\\x41",
        "\\",
        "\\N{",
        "chr(",
        "chr(1)+",
        "chr(1,",
        "U+0041 ",
    ),
    *(
        "QUJD",
        "Zm9v/",
        "-",
        "/",
        "/a",
        "_",
        "+",
        "A2",
        "41",
        "4 1 ",
        "01",
        "0x41,",
        "A" * 76 + "\n",
        "H4sI",
        "eJw",
        "MFRGG",
    ),
    *("/*", "*/", "/*!", "/*!50000", "<!--", "-->", "--\n", "--", "#", "'", "a''", "'a'", '"', "'a'b", "'+", "' + '"),
    *(
        "{a,",
        "{a,b}",
        "{",
        "$IFS",
        "${IFS}",
        "$@",
        "^a",
        "\\a",
        "\\\n",
        "a ",
        "a.",
        "a \t",
        "a-",
        "1a",
        "a!",
        "a@",
        "4ll ",
    ),
    *(
        "\u0301",
        "a\u0301\u0323",
        "\u200b",
        "\u0430",
        "\u0438",
        "\uff41",
        "\ufdfa",
        "\U000e0041",
        "\ufe0f",
        "\ud800",
        "\x00",
    ),
    *("\U0001f170", "\xe9", "\uac00", "\u1100\u1161", "\u0344", "\u2019", "a\u0430", "\u6f22", "\U0001f3f4\U000e0067"),
    *(
        "password=",
        "password='",
        "set password ",
        "://a:",
        "://a:b@",
        "user:",
        "-u a:",
        "4 ",
        "DE89",
        "eyJ",
        "eyJa.",
        "token ",
    ),
    *(
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "PuTTY-User-Key-File-2",
        "secret is ",
        "pass \\",
        "bearer ",
        "-p'",
        "ghp_",
    ),
)


@pytest.mark.parametrize("written_in", [ArgumentType.FREE_TEXT, ArgumentType.SQL])
def test_what_a_decoder_likes_least_takes_no_longer_than_its_length(written_in: ArgumentType) -> None:
    slow = {}
    for piece in DREADED:
        text = (piece * LONG)[:LONG]
        started = time.process_time()
        readings(text, written_in)
        masked(text)
        taken = time.process_time() - started
        if taken > 0.5:
            slow[piece] = taken

    assert not slow
