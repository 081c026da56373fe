"""How revisions of agents, and what differs between two, look in a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import registry_pb2 as pb

from ringfence_launcher.output import stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.words import short, time_text, word

_STYLES: Mapping[int, str] = {card_pb2.COMPATIBILITY_IDENTICAL: "green", card_pb2.COMPATIBILITY_COMPATIBLE: "green"}


def listed(revisions: Sequence[pb.AgentRevision]) -> RenderableType:
    """Show revisions, a line each."""
    return table(
        ["REVISION", "ALIASES", "CARD", "VERSION", "MADE", "BY", "REPEATS"],
        (
            (
                revision.name.rpartition("/")[2],
                ", ".join(revision.aliases),
                revision.snapshot.card.sha256.hex()[:12],
                revision.snapshot.card.version,
                time_text(revision.create_time),
                revision.actor,
                revision.rollback_of.rpartition("/")[2],
            )
            for revision in revisions
        ),
        empty="no revisions",
    )


def compared(answer: pb.CompareRevisionsResponse) -> RenderableType:
    """Show what differs, the breaking differences first."""
    said = word(card_pb2.Compatibility, answer.compatibility) or "unknown"
    after = short(answer.after) or "the card"
    head = Text.assemble((said, _STYLES.get(answer.compatibility, "red")), plain(f"  {short(answer.before)} → {after}"))
    differences = table(
        ["EFFECT", "WHAT", "WHERE", "IN WORDS"],
        (
            (word(card_pb2.Compatibility, each.compatibility), each.kind, each.pointer or "/", each.problem)
            for each in answer.differences
        ),
        empty="no differences",
    )
    return stacked(head, differences)
