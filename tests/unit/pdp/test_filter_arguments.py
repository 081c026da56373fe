"""The texts filters look through: which there are, what each is written in, and where it comes from."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ringfence_pdp.filters.arguments import (
    NOT_JSON,
    TOO_DEEP,
    TOO_LARGE,
    TOO_MANY,
    content_of,
    content_of_text,
)
from ringfence_pdp.filters.finding import ArgumentType, Effects, Origin
from support.pdp.world import tool


def types_of(arguments: Mapping[str, object], **told: Any) -> dict[str, str]:
    return {found.pointer: found.type.word for found in content_of(arguments, **told).arguments}


def texts_of(arguments: Mapping[str, object]) -> dict[str, str]:
    return {found.pointer: found.text for found in content_of(arguments).arguments}


def test_every_text_is_found_in_its_order_by_its_pointer() -> None:
    found = content_of({"b": "x", "a": [1, "y", {"c/d~e": "z"}], "n": None, "t": True, "e": ""}).arguments
    assert [(each.pointer, each.text) for each in found] == [
        ("/b", "x"),
        ("/a/1", "y"),
        ("/a/2/c~1d~0e", "c/d~e"),
        ("/a/2/c~1d~0e", "z"),
    ]


def test_a_long_or_strange_name_is_a_text_too() -> None:
    assert texts_of({"$where": 1}) == {"/$where": "$where"}
    assert texts_of({"ignore what you were told": 1}) == {"/ignore what you were told": "ignore what you were told"}
    assert texts_of({"a" * 41: 1}) == {f"/{'a' * 41}": "a" * 41}
    assert texts_of({"plain_name-2.x": 1}) == {}


# Types


def test_the_contract_is_taken_at_its_word() -> None:
    known = tool(argument_types={"/query": ArgumentType.SQL, "/paths/*": ArgumentType.PATH, "/deep": ArgumentType.CODE})
    arguments = {"query": "hello", "paths": ["a", "b"], "deep": {"er": ["x"]}, "other": "hello"}
    found = {
        each.pointer: (each.type.word, each.is_declared) for each in content_of(arguments, contract=known).arguments
    }
    assert found == {
        "/query": ("sql", True),
        "/paths/0": ("path", True),
        "/paths/1": ("path", True),
        "/deep/er/0": ("code", True),
        "/other": ("free_text", False),
    }


def test_the_place_named_exactly_comes_first_and_the_deeper_one_wins() -> None:
    known = tool(
        argument_types={
            "/a": ArgumentType.CODE,
            "/a/*": ArgumentType.PATH,
            "/a/0": ArgumentType.URL,
            "/b": ArgumentType.SQL,
        }
    )
    assert types_of({"a": ["x", "y"], "b": {"c": "z"}}, contract=known) == {
        "/a/0": "url",
        "/a/1": "path",
        "/b/c": "sql",
    }


def test_the_registry_comes_before_what_is_said_beside() -> None:
    known = tool(argument_types={"/a": ArgumentType.SQL})
    beside = {"/a": ArgumentType.FREE_TEXT, "/b": ArgumentType.SHELL}
    assert types_of({"a": "x", "b": "y"}, contract=known, types=beside) == {"/a": "sql", "/b": "shell"}
    assert types_of({"b": "y"}, types=beside) == {"/b": "shell"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("sql", "select 1", "sql"),
        ("sqlQuery", "select a from b", "sql"),
        ("query", "weather in Berlin", "free_text"),
        ("query", "SELECT name FROM people", "sql"),
        ("note", "DELETE FROM people;", "sql"),
        ("note", "Delete from the list whoever left", "free_text"),
        ("note", "select the best of these from the list", "free_text"),
        ("cmd", "ls", "shell"),
        ("text", "rm -rf build", "shell"),
        ("text", "find the cheapest flight", "free_text"),
        ("text", "kill the music", "free_text"),
        ("text", "find . -name '*.log' -delete", "shell"),
        ("file_path", "a.txt", "path"),
        ("filenames", "a.txt", "path"),
        ("file_content", "hello", "free_text"),
        ("text", "/etc/hosts", "path"),
        ("webhookUrl", "example.com", "url"),
        ("file", "https://example.com/a", "url"),
        ("text", "https://example.com/a", "url"),
        ("surname", "O'Brien", "identifier"),
        ("name", "a long story " * 30, "free_text"),
        ("country_code", "DE", "identifier"),
        ("code", "print(1)", "code"),
        ("api_key", "abc", "secret"),
        ("password", "drop table users;", "secret"),
        ("max_tokens", "100", "identifier"),
        ("", "hello", "free_text"),
        ("comments", "hello", "free_text"),
        ("addresses", "Main Street 1", "free_text"),
    ],
)
def test_what_nobody_declared_is_inferred(name: str, text: str, expected: str) -> None:
    assert types_of({name: text})[f"/{name}"] == expected
    assert not content_of({name: text}).arguments[0].is_declared


def test_names_that_may_mean_several_things_go_by_the_tool() -> None:
    assert types_of({"query": "select"}, tool="warehouse.query") == {"/query": "sql"}
    assert types_of({"query": "who bought most"}, tool="warehouse.query") == {"/query": "free_text"}
    assert types_of({"script": "ls"}, action="run_shell") == {"/script": "shell"}
    assert types_of({"script": "let x = 1"}) == {"/script": "code"}


# Commands in pieces


def test_a_command_in_pieces_is_one_command_line() -> None:
    assert texts_of({"argv": ["rm", "-rf", "/my dir"]}) == {"/argv": "rm -rf '/my dir'"}
    assert texts_of({"argv": ["bash", "-c", "echo it's"]})["/argv"] == "bash -c 'echo it'\\''s'"
    assert texts_of({"command": "rm", "args": ["-rf", "/"]})["/command"] == "rm -rf /"
    assert texts_of({"program": "rm", "flags": "-rf /"})["/program"] == "rm -rf /"


def test_several_commands_stay_several() -> None:
    assert texts_of({"commands": ["ls -la", "rm -rf x"]}) == {"/commands/0": "ls -la", "/commands/1": "rm -rf x"}


# Origins


def test_an_origin_holds_for_everything_below_it() -> None:
    origins = {"": Origin.USER, "/mail": Origin.TOOL_OUTPUT, "/mail/subject": Origin.AUTHOR}
    found = content_of({"a": "x", "mail": {"subject": "y", "body": ["z"]}}, origins=origins).arguments
    assert [each.origin for each in found] == [Origin.USER, Origin.AUTHOR, Origin.TOOL_OUTPUT]
    assert content_of({"a": "x"}).arguments[0].origin is Origin.UNKNOWN


# What the call does


@pytest.mark.parametrize(
    ("told", "effects", "is_sink"),
    [
        ({"contract": tool(external_sink=True)}, Effects.UNKNOWN, True),
        ({"contract": tool(effects=Effects.REVERSIBLE, external_systems=("bank",))}, Effects.REVERSIBLE, True),
        ({"contract": tool(effects=Effects.READ, external_systems=("bank",))}, Effects.READ, False),
        ({"contract": tool(effects=Effects.IRREVERSIBLE)}, Effects.IRREVERSIBLE, False),
        ({"contract": tool(effects=Effects.IRREVERSIBLE), "action": "send_mail"}, Effects.IRREVERSIBLE, False),
        ({"contract": tool("mail.send"), "action": "send_mail"}, Effects.IRREVERSIBLE, True),
        ({"action": "send_mail"}, Effects.IRREVERSIBLE, True),
        ({"action": "tools/call", "tool": "slack.postMessage"}, Effects.IRREVERSIBLE, True),
        ({"action": "list_mails"}, Effects.READ, False),
        ({"action": "read_email"}, Effects.READ, False),
        ({"action": "update_row"}, Effects.REVERSIBLE, False),
        ({"action": "delete_row"}, Effects.IRREVERSIBLE, False),
        ({"action": "frobnicate"}, Effects.UNKNOWN, False),
    ],
)
def test_effects_and_sinks(told: dict[str, Any], effects: Effects, is_sink: bool) -> None:
    content = content_of({"text": "x"}, **told)
    assert (content.effects, content.is_sink) == (effects, is_sink)


def test_who_names_a_receiver_sends() -> None:
    assert content_of({"to": "a@example.com", "text": "x"}, action="frobnicate").is_sink
    assert content_of({"recipients": ["Ada <a@example.com>"]}, action="frobnicate").is_sink
    assert content_of({"webhook": "https://example.com"}, action="frobnicate").is_sink
    assert not content_of({"to": "Berlin"}, action="frobnicate").is_sink
    assert not content_of({"to": "a@example.com"}, action="search_mails").is_sink


# What cannot be looked through as a whole


def nested(depth: int) -> dict[str, Any]:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    return {"a": value}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"a": "x" * 65_536}, ""),
        ({"a": "x" * 65_537}, TOO_LARGE),
        ({"a": "é" * 32_769}, TOO_LARGE),
        ({"a": "x" * 65_536, "b": "y"}, TOO_LARGE),
        ({"a": [0] * 4_090}, ""),
        ({"a": [0] * 4_097}, TOO_MANY),
        ({f"n{number}": [0] * 100 for number in range(100)}, TOO_MANY),
        ({f"n{number}": 0 for number in range(5_000)}, TOO_MANY),
        (nested(62), ""),
        (nested(64), TOO_DEEP),
        (nested(100_000), TOO_DEEP),
        ({"a": b"x"}, NOT_JSON),
    ],
    ids=map(str, range(11)),
)
def test_what_is_too_much_is_said(arguments: dict[str, Any], problem: str) -> None:
    assert content_of(arguments).problem == problem


def test_as_much_as_fits_is_looked_through() -> None:
    found = content_of({"a": "ab" * 40_000, "b": "never"}).arguments
    assert [len(each.text) for each in found] == [65_536]
    assert len(content_of({"a": "é" * 40_000}).arguments[0].text) == 32_768


def test_a_structure_that_contains_itself_ends() -> None:
    around: dict[str, Any] = {}
    around["a"] = [around, around]
    assert content_of(around).problem in (TOO_DEEP, TOO_MANY)


def test_lone_surrogates_are_texts() -> None:
    arguments = json.loads('{"a\\ud800": "\\udfff"}')
    assert [each.text for each in content_of(arguments).arguments] == ["a\ud800", "\udfff"]


# A text alone


def test_a_text_alone_has_no_pointer() -> None:
    content = content_of_text("rm -rf /", origin=Origin.TOOL_OUTPUT)
    assert content.arguments == (("", "rm -rf /", ArgumentType.SHELL, False, Origin.TOOL_OUTPUT),)
    assert content_of_text("rm -rf /", type=ArgumentType.FREE_TEXT).arguments[0].is_declared
    assert content_of_text("x" * 65_537).problem
