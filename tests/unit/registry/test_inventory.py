"""The inventory: a line for each agent, the same in both forms, and nothing a spreadsheet would run."""

import csv
import io
import json
from collections.abc import AsyncIterator

import pytest
from ringfence_kit.errors import NotPermitted
from ringfence_registry.errors import FilterInvalid
from ringfence_registry.finding.exporting import AT_ONCE, InventoryExport, InventoryQuery
from ringfence_registry.finding.inventory import COLUMNS, InventoryFormat
from ringfence_registry.namespaces.visible import Visible
from support.registry.found import ADMIN, NOW, STRANGER, Finding, Sight, an_agent_saying

JSON, CSV = InventoryFormat.JSON_LINES, InventoryFormat.CSV


def parts(finding: Finding, form: InventoryFormat, *, caller: object = ADMIN, text: str = "") -> AsyncIterator[bytes]:
    export = InventoryExport(finding.catalog, sight=finding.sight)
    query = InventoryQuery(namespace=None, filter=text, form=form)
    return export.export_inventory(query, caller=caller, now=NOW)  # type: ignore[arg-type] # a test's caller


async def document(finding: Finding, form: InventoryFormat, **said: object) -> str:
    return b"".join([part async for part in parts(finding, form, **said)]).decode()  # type: ignore[arg-type] # as above


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_both_forms_say_the_same() -> None:
    finding = Finding([an_agent_saying(name, purpose=f"Works as {name}.") for name in "ba"])
    lines = [json.loads(line) for line in (await document(finding, JSON)).splitlines()]
    table = rows(await document(finding, CSV))
    assert [line["name"] for line in lines] == [row["name"] for row in table]
    assert [line["name"].rpartition("/")[2] for line in lines] == ["a", "b"]
    assert tuple(lines[0]) == COLUMNS == tuple(table[0])
    assert lines[0]["risk_tier"] == table[0]["risk_tier"] == "MEDIUM"
    assert "; ".join(lines[0]["environments"]) == table[0]["environments"]
    assert lines[0]["trust_score"] is None
    assert table[0]["trust_score"] == ""


async def test_an_inventory_of_nothing_has_a_header() -> None:
    assert await document(Finding(), CSV) == ",".join(COLUMNS) + "\r\n"
    assert await document(Finding(), JSON) == ""


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://evil.example","x")',
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1:A9)",
        "\t=1",
        "\r=1",
        "  =1",
        "＝1",  # noqa: RUF001 - full width, which spreadsheets take for the sign
    ],
)
async def test_no_cell_is_a_formula(text: str) -> None:
    (row,) = rows(await document(Finding([an_agent_saying("a", purpose=text)]), CSV))
    assert row["purpose"] == "'" + text


async def test_a_cell_may_hold_anything_else() -> None:
    text = 'He said "1, 2"\nand left; twice'
    (row,) = rows(await document(Finding([an_agent_saying("a", purpose=text)]), CSV))
    assert row["purpose"] == text


async def test_an_export_is_what_stood_when_it_began_in_parts_of_whole_lines() -> None:
    finding = Finding([an_agent_saying(f"a{n:04}") for n in range(AT_ONCE + 5)])
    stream = parts(finding, JSON)
    first = await anext(stream)
    finding.apply(an_agent_saying("zz-late"))
    rest = [part async for part in stream]
    assert first.endswith(b"\n")
    assert [part.count(b"\n") for part in [first, *rest]] == [AT_ONCE, 5]


async def test_an_export_holds_what_its_caller_sees() -> None:
    sight = Sight({STRANGER.principal: Visible(listed=frozenset({"open"}))})
    finding = Finding([an_agent_saying("a"), an_agent_saying("b", namespace="closed")], sight=sight)
    assert [row["name"] for row in rows(await document(finding, CSV, caller=STRANGER))] == ["namespaces/open/agents/a"]
    query = InventoryQuery(namespace="closed", filter="", form=CSV)
    with pytest.raises(NotPermitted):
        await anext(InventoryExport(finding.catalog, sight=sight).export_inventory(query, caller=STRANGER, now=NOW))


async def test_a_filter_that_is_wrong_is_refused_before_the_first_part() -> None:
    with pytest.raises(FilterInvalid):
        await anext(aiter(parts(Finding(), JSON, text="nonsense = 1")))
