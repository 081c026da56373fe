"""The inventory as a document: one line an agent, with who answers for it and how it can do harm.

JSON lines are for machines, CSV (RFC 4180) for spreadsheets. A spreadsheet takes a cell that begins with `=`, or a few
other signs, for a formula and runs it (CWE-1236), and what stands in a card was written by anybody: such a cell begins
with an apostrophe instead.
"""

import csv
import enum
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec
from ringfence_kit.clock import Instant

from ringfence_registry.finding.agent_view import AgentView


class InventoryFormat(enum.Enum):
    """The form of an inventory."""

    JSON_LINES = "JSON_LINES"
    CSV = "CSV"


Cell = str | int | list[str] | Mapping[str, str] | None

_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - spreadsheets take these too


def row_of(view: AgentView) -> dict[str, Cell]:
    """Return what an inventory says of one agent, by column."""
    agent, spec, card = view.agent, view.agent.spec, view.agent.card
    return {
        "name": str(agent.name),
        "display_name": spec.display_name,
        "purpose": spec.purpose,
        "state": agent.state.name,
        "risk_tier": spec.risk_tier.name,
        "high_risk_edges": [edge.name for edge in view.edges],
        "owner": spec.owner.display_name,
        "owner_contact": spec.owner.contact,
        "team": spec.team,
        "on_call": spec.on_call,
        "environments": list(spec.environments),
        "data_classes": list(spec.data_classes),
        "approved_tools": [tool.name for tool in spec.approved_tools],
        "boundaries": list(view.boundaries),
        "did": spec.did,
        "trust_score": None if view.trust is None else view.trust.score,
        "trust_ring": None if view.trust is None else view.trust.ring,
        "liveness": view.liveness.name,
        "card_sha256": card.sha256,
        "card_verdict": card.verdict.name,
        "findings": len(card.findings) + len(agent.remarks),
        "protocol_bindings": list(dict.fromkeys(each.protocol_binding for each in card.interfaces)),
        "skills": [skill.id or skill.name for skill in card.skills],
        "labels": dict(spec.labels),
        "revision": agent.number,
        "create_time": _time(agent.created_at),
        "update_time": _time(agent.updated_at),
    }


COLUMNS = (
    *("name", "display_name", "purpose", "state", "risk_tier", "high_risk_edges", "owner", "owner_contact", "team"),
    *("on_call", "environments", "data_classes", "approved_tools", "boundaries", "did", "trust_score", "trust_ring"),
    *("liveness", "card_sha256", "card_verdict", "findings", "protocol_bindings", "skills", "labels", "revision"),
    *("create_time", "update_time"),
)
"""In the order of the document."""


def header(form: InventoryFormat) -> bytes:
    """Return what a document begins with."""
    return _csv_line(COLUMNS) if form is InventoryFormat.CSV else b""


def lines(views: Iterable[AgentView], form: InventoryFormat) -> Iterator[bytes]:
    """Yield one line for each agent, its end included."""
    for view in views:
        row = row_of(view)
        if form is InventoryFormat.JSON_LINES:
            yield msgspec.json.encode(row) + b"\n"
        else:
            yield _csv_line(_text(row[column]) for column in COLUMNS)


def _csv_line(cells: Iterable[str]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow([_harmless(cell) for cell in cells])
    return line.getvalue().encode()


def _harmless(cell: str) -> str:
    # Blanks before the sign do not stop every spreadsheet.
    return "'" + cell if cell.lstrip(" ").startswith(_RUNS) else cell


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case list():
            return "; ".join(cell)
        case str() | int():
            return str(cell)
        case _:
            return "; ".join(f"{key}={value}" for key, value in sorted(cell.items()))


def _time(instant: Instant) -> str:
    return datetime.fromtimestamp(instant / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
