"""What holds of analysers whatever the text: they answer, in time, and noise that means nothing hides nothing."""

import random
import re
import time
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_pdp.filters.analysers.analysing import analyse
from ringfence_pdp.filters.arguments import BYTES_MAX, content_of
from ringfence_pdp.filters.finding import Argument, ArgumentType, Finding, Origin, Severity

GOLDEN: Final = Path(__file__).parents[2] / "golden" / "pdp" / "filters" / "analysers"
TABLES: Final[dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(GOLDEN.glob("*.yaml"))}

_PIECES: Final = (
    *(
        "select ",
        "union ",
        "'",
        '"',
        "(",
        ")",
        "--",
        "/*",
        "*/",
        "or 1=1",
        ";",
        "drop table ",
        "\\",
        "$(",
        "`",
        "${",
        "|",
    ),
    *(
        "&&",
        ">",
        "<<E\n",
        "rm -rf ",
        "/",
        "..",
        "%2e",
        "\x00",
        "http://",
        "@",
        "[::",
        "xn--",
        "\ud800",
        "é",
        "\u202e",
        "\n",
    ),
    *(
        "base64 -d",
        "| sh",
        "exec(",
        "{a,b}",
        "x=1;",
        "$x",
        "case when ",
        "0x7f",
        ".",
        " ",
        "a",
        "1",
        "=",
        "powershell -enc ",
    ),
)
texts = st.text(max_size=80) | st.lists(st.sampled_from(_PIECES), max_size=24).map("".join)
types = st.sampled_from(ArgumentType)


def found_in(text: str, type_: ArgumentType, *, is_declared: bool = True) -> list[Finding]:
    return analyse(Argument("/a", text, type_, is_declared), text)


def worst(text: str, type_: ArgumentType) -> int:
    return max((finding.severity for finding in found_in(text, type_)), default=0)


@settings(max_examples=250)
@given(text=texts, type_=types, is_declared=st.booleans())
def test_every_text_has_an_answer_and_findings_lie_within_it(text: str, type_: ArgumentType, is_declared: bool) -> None:
    for finding in found_in(text, type_, is_declared=is_declared):
        assert 0 <= finding.start <= finding.end <= len(text)
        assert finding.severity in Severity


@settings(max_examples=60)
@given(text=texts, type_=types)
def test_the_same_text_has_the_same_answer(text: str, type_: ArgumentType) -> None:
    assert found_in(text, type_) == found_in(text, type_)


_BOMBS: Final = (
    *(
        "(",
        "[",
        "'",
        '"',
        "`",
        "$(",
        "${",
        "\\",
        "/",
        "..",
        "%25",
        "@",
        "|",
        ";",
        "/*",
        "/*!",
        "#",
        "=",
        "or ",
        "1=1 or ",
    ),
    *(
        "case when ",
        "not ",
        "a::",
        "a.",
        "{a,b}",
        "<<E\n",
        "find -exec ",
        "bash -c ",
        "echo a|",
        "$(echo ",
        "map[",
        "union ",
    ),
    *("xn--", "0x", "exec(", "subprocess.run([", "a and ", "grant a,", "copy ", "\ud800", "(select "),
)


@pytest.mark.parametrize("type_", ArgumentType)
def test_no_text_takes_long(type_: ArgumentType) -> None:
    """Bounds are far above what is measured, because a test machine may be busy: minutes are what they rule out."""
    for bomb in _BOMBS:
        text = (bomb * 8_000)[:8_000]
        begun = time.process_time()
        found_in(text, type_)
        assert time.process_time() - begun < 2.0, (bomb, type_)


def cases(name: str) -> list[str]:
    """The texts of a table that are foul."""
    return [case["text"] for case in TABLES[name]["cases"] if case["finds"] and "times" not in case]


def _not_less(before: str, after: str, type_: ArgumentType) -> None:
    assert worst(after, type_) >= worst(before, type_), (before, after)


# A quoted text, or anything else: only what is outside of texts may be changed.
_OUTSIDE: Final = re.compile(r"('(?:[^'\\]|\\.|'')*'?|\"[^\"]*\"?|/\*.*?\*/|--[^\n]*|\$\$.*?\$\$)", re.DOTALL)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=6)
def test_case_and_blanks_in_a_statement_hide_nothing(seed: int) -> None:
    chance = random.Random(seed)
    for text in cases("sql"):
        parts = _OUTSIDE.split(text)
        noisy = "".join(
            part
            if place % 2
            else re.sub(r"\s+", lambda _: chance.choice((" ", "  ", "\n", "\t ", " \n ")), _cased(part, chance))
            for place, part in enumerate(parts)
        )
        _not_less(text, noisy, ArgumentType.SQL)


def _cased(text: str, chance: random.Random) -> str:
    return text.upper() if chance.random() < 0.5 else text.lower()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=6)
def test_comments_in_a_statement_hide_nothing(seed: int) -> None:
    chance = random.Random(seed)
    for text in cases("sql"):
        parts = _OUTSIDE.split(text)
        noisy = "".join(
            part if place % 2 else re.sub(r"(?<=\w) (?=\w)", lambda _: chance.choice((" ", " /* x */ ", "/**/")), part)
            for place, part in enumerate(parts)
        )
        _not_less(text, noisy, ArgumentType.SQL)


@pytest.mark.parametrize(
    "noise", ["{}", "  {}  ", "ls; {}", "echo hi && {}", "{} ; ls", "true || {}", "(\n{}\n)", "sudo {}"]
)
def test_commands_around_a_command_hide_nothing(noise: str) -> None:
    for text in cases("shell"):
        if "\n" in text or (noise.startswith("sudo") and not re.match(r"[a-z]+ ", text)):
            continue
        _not_less(text, noise.format(text), ArgumentType.SHELL)


def test_quotes_within_the_name_of_a_program_hide_nothing() -> None:
    for text in cases("shell"):
        name = re.match(r"(rm|dd|curl|wget|cat|nc|chmod|find|git|kubectl|aws|scp|mv|kill)(?= )", text)
        if name is not None:
            first, rest = name.group()[0], text[1:]
            for noisy in (
                f"{first}''{rest}",
                f"\\{first}{rest}",
                f"'{first}'{rest}",
                f'""{first}{rest}',
                f"/usr/bin/{text}",
            ):
                _not_less(text, noisy, ArgumentType.SHELL)


def test_steps_that_lead_nowhere_hide_no_path() -> None:
    for text in cases("paths"):
        if "/" not in text or ":" in text or "%" in text or text[0] in "$\\~" or "...." in text:
            continue
        for noisy in (text.replace("/", "/./", 1), text.replace("/", "//", 1), text.replace("/", "\\")):
            _not_less(text, noisy if noisy[:2] != "//" else text, ArgumentType.PATH)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.1.2.3"])
def test_an_address_is_itself_in_every_notation(address: str) -> None:
    first, second, third, fourth = (int(part) for part in address.split("."))
    number = (first << 24) + (second << 16) + (third << 8) + fourth
    spellings = [
        *(
            str(number),
            hex(number),
            f"0{number:o}",
            f"{first}.{number & 0xFFFFFF}",
            f"{first}.{second}.{number & 0xFFFF}",
        ),
        *(f"{first:#x}.{second:#x}.{third:#x}.{fourth:#x}", f"0{first:o}.0{second:o}.0{third:o}.0{fourth:o}"),
        *(f"[::ffff:{address}]", f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]", f"{address}.nip.io", f"{address}."),
    ]
    plain = f"http://{address}/x"
    for spelling in spellings:
        for form in ("http://{}/x", "HTTP://{}:80/x", "http://user@{}/x", "http:\\\\{}\\x", "  http://{}/x"):
            _not_less(plain, form.format(spelling), ArgumentType.URL)


# Arguments

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=24,
)
arguments = st.dictionaries(st.text(max_size=8), json_values, max_size=5)
pointers = st.dictionaries(st.text("/ab01*~", max_size=5), st.sampled_from(Origin), max_size=3)


def _texts(value: object) -> list[str]:
    match value:
        case str():
            return [value] if value else []
        case dict():
            return [text for inner in value.values() for text in _texts(inner)]
        case list():
            return [text for inner in value for text in _texts(inner)]
        case _:
            return []


@settings(max_examples=60)
@given(sent=arguments, origins=pointers)
def test_no_text_among_the_arguments_is_left_out(sent: dict[str, Any], origins: dict[str, Origin]) -> None:
    content = content_of(sent, action="do", tool="a.b", origins=origins)
    assert not content.problem
    seen = "\n".join(argument.text for argument in content.arguments)
    for text in _texts(sent):
        assert text in seen or text.replace("'", "'\\''") in seen
    assert sum(len(argument.text.encode("utf-8", "surrogatepass")) for argument in content.arguments) <= BYTES_MAX
