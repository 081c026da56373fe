import io
import json

import pytest
from rich.console import Console
from rich.text import Text
from ringfence.registry.v1.registry_pb2 import Agent, WatchAgentsResponse
from ringfence_launcher.output import Output, OutputFormat, as_json, console, fields, stacked, table


class Terminal:
    """An output whose two streams are kept, as wide as wanted."""

    def __init__(self, chosen: OutputFormat, *, width: int = 30) -> None:
        self._out, self._err = io.StringIO(), io.StringIO()
        self.output = Output(
            chosen,
            stdout=Console(file=self._out, width=width, color_system=None, markup=False, highlight=False),
            stderr=Console(file=self._err, width=width, color_system=None, markup=False, highlight=False),
        )

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()


LONG = "a word and another word and one more word, all on one line"


class TestForPrograms:
    def test_one_document_with_defaults_in_the_protos_own_spelling(self) -> None:
        terminal = Terminal(OutputFormat.JSON)
        terminal.output.one(Agent(name="n", display_name="d"), lambda _: "never shown")
        document = json.loads(terminal.out)
        assert document["displayName"] == "d"
        assert document["purpose"] == ""
        assert document["state"] == "AGENT_STATE_UNSPECIFIED"

    def test_many_are_an_array(self) -> None:
        terminal = Terminal(OutputFormat.JSON)
        terminal.output.many([Agent(name="a"), Agent(name="b")], lambda _: "never shown")
        assert [agent["name"] for agent in json.loads(terminal.out)] == ["a", "b"]

    def test_events_are_a_line_each(self) -> None:
        terminal = Terminal(OutputFormat.JSON)
        for name in ("a", "b\nc"):
            terminal.output.event(Agent(name=name), lambda _: "never shown")
        assert [json.loads(line)["name"] for line in terminal.out.splitlines()] == ["a", "b\nc"]

    def test_a_narrow_terminal_breaks_no_document(self) -> None:
        terminal = Terminal(OutputFormat.JSON, width=20)
        terminal.output.value({"text": LONG}, lambda: "never shown")
        assert json.loads(terminal.out) == {"text": LONG}
        assert LONG in terminal.out

    def test_text_of_the_world_stays_text(self) -> None:
        terminal = Terminal(OutputFormat.JSON)
        terminal.output.value({"text": "Zoë 分析 \x1b"}, lambda: "never shown")
        assert "Zoë 分析" in terminal.out
        assert "\x1b" not in terminal.out

    def test_hints_and_lines_to_copy_are_for_people(self) -> None:
        terminal = Terminal(OutputFormat.JSON)
        terminal.output.hint("do this next")
        terminal.output.verbatim("paste this")
        assert terminal.out == terminal.err == ""


class TestForPeople:
    def test_a_string_is_never_broken_so_that_it_can_be_copied(self) -> None:
        terminal = Terminal(OutputFormat.TABLE, width=20)
        terminal.output.value({}, lambda: LONG)
        terminal.output.verbatim(LONG)
        assert terminal.out == f"{LONG}\n{LONG}\n"

    def test_a_view_is_fitted_to_the_terminal(self) -> None:
        terminal = Terminal(OutputFormat.TABLE, width=20)
        terminal.output.value({}, lambda: Text(LONG))
        assert all(len(line) <= 20 for line in terminal.out.splitlines())

    def test_hints_go_beside_the_result(self) -> None:
        terminal = Terminal(OutputFormat.TABLE)
        terminal.output.hint("next: \x1b[2J")
        assert terminal.out == ""
        assert terminal.err == "next: \\x1b[2J\n"

    def test_lines_to_copy_cannot_move_the_cursor(self) -> None:
        terminal = Terminal(OutputFormat.TABLE)
        terminal.output.verbatim("one\ntwo\r\x1b[2J")
        assert terminal.out == "one\ntwo\\x0d\\x1b[2J\n"

    def test_bytes_that_are_no_text_are_shown_as_far_as_they_are(self) -> None:
        terminal = Terminal(OutputFormat.TABLE)
        terminal.output.raw(b"{\xff}")
        assert terminal.out == "{\ufffd}"


class TestParts:
    def shown(self, renderable: object, width: int = 60) -> str:
        kept = io.StringIO()
        Console(file=kept, width=width, color_system=None, markup=False, highlight=False).print(renderable)
        return kept.getvalue()

    def test_what_is_empty_is_left_out(self) -> None:
        assert self.shown(fields([("a", "1"), ("b", ""), ("c", Text("3"))])).split() == ["a", "1", "c", "3"]

    def test_lines_in_a_value_stay_lines(self) -> None:
        assert len(self.shown(fields([("tools", "one\ntwo\nthree")])).splitlines()) == 3

    def test_numbers_stand_to_the_right(self) -> None:
        lines = self.shown(table(["NAME", ">COUNT"], [("a", "1"), ("b", "1,000")], empty="none")).splitlines()
        assert lines[0].split() == ["NAME", "COUNT"]
        assert lines[1].rstrip().endswith("    1")

    def test_nothing_is_said_in_words(self) -> None:
        assert self.shown(table(["NAME"], [], empty="no agents")) == "no agents\n"

    def test_parts_that_are_none_leave_no_gap(self) -> None:
        assert self.shown(stacked(Text("a"), None, Text("b"))) == "a\nb\n"


def test_what_is_piped_is_neither_wrapped_nor_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(Text(LONG * 10, style="bold red"))
    assert capsys.readouterr().out == LONG * 10 + "\n"


def test_a_table_that_is_piped_does_not_end_in_blanks() -> None:
    terminal = Terminal(OutputFormat.TABLE)
    rows = [("one", "short"), ("two", "a longer one")]
    terminal.output.value([], lambda: table(["NAME", "WHAT IT IS"], rows, empty="none"))
    assert terminal.out == "NAME  WHAT IT IS\none   short\ntwo   a longer one\n"


def test_integers_of_64_bits_are_strings_as_proto3_json_has_them() -> None:
    assert as_json(WatchAgentsResponse(revision=2**60))["revision"] == str(2**60)
