"""What tests say about content: what tools say of their arguments, where arguments come from, and what others found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ringfence_pdp.fields import View
from ringfence_pdp.filters.finding import ArgumentType, Effects, Finding, Kind, Origin, Severity
from ringfence_pdp.filters.heard import Heard
from ringfence_pdp.filters.remote import failed
from ringfence_pdp.yaml_reader import Mapping as MappingNode

SEVERAL_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a tool says of what it is given."""

    types: Mapping[str, ArgumentType]
    external_sink: bool = False
    effects: Effects = Effects.UNKNOWN


NO_CONTRACT = Contract(types={})

_TYPES = {one.word: one for one in ArgumentType}
_ORIGINS = {one.word: one for one in Origin}
_EFFECTS = {one.name.lower(): one for one in Effects}
_SAID = {"nothing": None, "failed": None, **{one.word: one for one in Severity}}


def read_contract(view: View) -> Contract:
    """Read what a tool says."""
    fields = view.fields(required=(), optional=("types", "external_sink", "effects"))
    effects = fields["effects"].one_of(*_EFFECTS) if fields["effects"].present else ""
    return Contract(
        types={
            pointer: _TYPES.get(each.one_of(*_TYPES), ArgumentType.FREE_TEXT)
            for pointer, each in entries(fields["types"])
        },
        external_sink=fields["external_sink"].boolean(),
        effects=_EFFECTS.get(effects, Effects.UNKNOWN),
    )


def read_origins(view: View) -> Mapping[str, Origin]:
    """Read where arguments come from, by JSON Pointer."""
    return {pointer: _ORIGINS.get(each.one_of(*_ORIGINS), Origin.UNKNOWN) for pointer, each in entries(view)}


def read_heard(view: View) -> Heard:
    """Read what classifiers elsewhere said: how bad it is, `nothing`, or that they `failed`. Others found nothing."""
    said = {name: _said(name, each.one_of(*_SAID)) for name, each in entries(view)}
    return Heard(said, quiet=True)


def _said(name: str, word: str) -> tuple[Finding, ...]:
    if word == "failed":
        return (failed(name, "the test says so"),)
    severity = _SAID.get(word)
    if severity is None:
        return ()
    return (Finding(Kind.REMOTE, f"remote.{name}.{word}", "remote", severity, f"classifier {name!r} says so"),)


def entries(view: View) -> Iterator[tuple[str, View]]:
    """Read the entries of a mapping whose keys the author chose."""
    if not isinstance(view.node, MappingNode):
        view.wrong("expected names with something behind each", "write {name: …}")
        return
    if len(view.node.entries) > SEVERAL_MAX:
        view.wrong(f"has {len(view.node.entries)} entries", f"give at most {SEVERAL_MAX}")
    for entry in view.node.entries[:SEVERAL_MAX]:
        yield entry.key, View(view.file, entry.value, entry.value.mark, f"{view.path}.{entry.key}", view.report)
