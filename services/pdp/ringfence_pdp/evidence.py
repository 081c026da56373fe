"""What decisions stand on, as entries of the log: each fact once, under an address that follows from its content.

A decision then only names addresses, and can be decided again from the log alone: facts as they were, policies as they
were. The rules:

- an address is a kind and a digest of the whole content; a bundle's is its own digest, which covers its files;
- an entry is small, so content is cut into parts; an entry's id follows from address and part, so telling the log a
  fact twice is telling it once;
- a fact is told before the decision that names it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.ids import id_of

from ringfence_pdp.boundaries import Boundaries, Boundary
from ringfence_pdp.bundle import Bundle
from ringfence_pdp.case import Basis
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.facts import AgentIdentity, Facts, RegisteredAgent, RegisteredTool
from ringfence_pdp.health_facts import UNHEARD, AgentHealth
from ringfence_pdp.kill_switch import KillSwitch, KillSwitches
from ringfence_pdp.model import CheckRequest, Decision

FACT = "fact"
PART_CHARACTERS = 10_000
"""At most six bytes each once they are JSON, which keeps an entry under the 64 KiB the log takes."""

AGENTS_REMEMBERED = 100_000


class AgentFact(msgspec.Struct, frozen=True):
    """What identity and the registry said of one agent."""

    identity: AgentIdentity | None
    registered: RegisteredAgent | None


class HealthFact(msgspec.Struct, frozen=True):
    """What telemetry judged of the agent that is called."""

    health: AgentHealth


class CircumstancesFact(msgspec.Struct, frozen=True):
    """What held for all agents alike."""

    audiences: tuple[str, ...]
    gated_environments: tuple[str, ...]
    kill_switches: tuple[KillSwitch, ...]
    release: str
    """Of the software that decided."""


class BoundariesFact(msgspec.Struct, frozen=True):
    """Every boundary there was."""

    boundaries: tuple[Boundary, ...]
    heard: bool


class BundleFact(msgspec.Struct, frozen=True):
    """The files of a bundle: paths and texts."""

    files: tuple[tuple[str, str], ...]


class _ToldAgent(NamedTuple):
    identity: AgentIdentity
    registered: RegisteredAgent | None
    address: str


class _ToldAlone(NamedTuple):
    """What an agent that asked alone was decided on, a moment ago."""

    identity: AgentIdentity
    registered: RegisteredAgent | None
    tool: RegisteredTool | None
    switches: KillSwitches
    addresses: tuple[str, ...]


class EvidenceKeeper:
    """Tells the log what it does not know yet, and remembers what it does."""

    def __init__(self, log: DecisionLog, *, release: str) -> None:
        self._log = log
        self._release = release
        self._agents: dict[str, _ToldAgent] = {}
        self._tools: dict[str, tuple[RegisteredTool, str]] = {}
        self._circumstances: tuple[KillSwitches, str] | None = None
        self._boundaries: tuple[tuple[Boundary, ...], str] | None = None
        self._alone: dict[tuple[str, str | None], _ToldAlone] = {}
        self._failures = log.failures

    def of(
        self, basis: Basis, request: CheckRequest, decision: Decision, identity: AgentIdentity | None
    ) -> tuple[str, ...]:
        """Return the addresses of what a decision stands on, sorted. Raises Unavailable when it cannot be told.

        `identity` is that of the agent that asks. Most agents ask alone, and the same as a moment ago.
        """
        if self._failures != self._log.failures:
            self._forget()
        facts, target = basis.facts, request.target
        if identity is None or target is not None or request.chain or decision.chain or facts.boundaries:
            return self._all(basis, request, decision, identity)
        tool = facts.tools.get(request.tool) if request.tool is not None else None
        registered, switches = facts.registered.get(identity.resource_name), basis.kill_switches
        told = self._alone.get((identity.did, request.tool))
        if (
            told is not None
            and told.identity is identity
            and told.registered is registered
            and told.tool is tool
            and told.switches is switches
        ):
            return told.addresses
        addresses = self._all(basis, request, decision, identity)
        if len(self._alone) >= AGENTS_REMEMBERED:
            self._alone.clear()
        self._alone[identity.did, request.tool] = _ToldAlone(identity, registered, tool, switches, addresses)
        return addresses

    def bundle(self, digest: str, kept: Callable[[str], Bundle | None]) -> None:
        """Tell the log the files of the bundle with this digest, which `kept` returns while it is kept."""
        address = bundle_address(digest)
        if address in self._log.facts:
            return
        bundle = kept(digest)
        if bundle is not None:
            self._log.tell(address, entries(address, bundle_content(bundle)))

    def _all(
        self, basis: Basis, request: CheckRequest, decision: Decision, identity: AgentIdentity | None
    ) -> tuple[str, ...]:
        facts = basis.facts
        addresses = {self._common(basis)}
        if identity is not None:
            addresses.add(self._agent(identity, facts))
        tool = facts.tools.get(request.tool) if request.tool is not None else None
        if tool is not None:
            addresses.add(self._tool(tool))
        addresses.update(self._others(facts, request, decision, basis.now))
        if facts.boundaries:
            addresses.add(self._all_boundaries(facts.boundaries))
        return tuple(sorted(addresses))

    def _others(self, facts: Facts, request: CheckRequest, decision: Decision, now: Instant) -> Iterator[str]:
        environment = request.environment
        named = {*request.chain, *decision.chain}
        found = [facts.identity_of(name, environment) for name in sorted(named)]
        if request.target is not None:
            called = facts.identity(request.target.did, request.target.agent, environment)
            found.append(called)
            health = UNHEARD if called is None else facts.health_of(called, now)
            if health is not UNHEARD:
                yield self._tell("health", HealthFact(health))
        for identity in found:
            if identity is not None:
                yield self._agent(identity, facts)

    def _agent(self, identity: AgentIdentity, facts: Facts) -> str:
        registered = facts.registered.get(identity.resource_name)
        known = self._agents.get(identity.did)
        if known is not None and known.identity is identity and known.registered is registered:
            return known.address
        address = self._tell("agent", AgentFact(identity, registered))
        if len(self._agents) >= AGENTS_REMEMBERED:
            self._agents.clear()
        self._agents[identity.did] = _ToldAgent(identity, registered, address)
        return address

    def _tool(self, tool: RegisteredTool) -> str:
        known = self._tools.get(tool.name)
        if known is not None and known[0] is tool:
            return known[1]
        address = self._tell("tool", tool)
        if len(self._tools) >= AGENTS_REMEMBERED:
            self._tools.clear()
        self._tools[tool.name] = (tool, address)
        return address

    def _common(self, basis: Basis) -> str:
        switches = basis.kill_switches
        if self._circumstances is None or self._circumstances[0] is not switches:
            fact = CircumstancesFact(
                audiences=tuple(sorted(basis.audiences)),
                gated_environments=tuple(sorted(basis.gated_environments)),
                kill_switches=tuple(switches),
                release=self._release,
            )
            self._circumstances = (switches, self._tell("circumstances", fact))
        return self._circumstances[1]

    def _all_boundaries(self, boundaries: Boundaries) -> str:
        every = boundaries.every
        if self._boundaries is None or self._boundaries[0] != every:
            self._boundaries = (every, self._tell("boundaries", BoundariesFact(every, boundaries.heard)))
        return self._boundaries[1]

    def _tell(self, kind: str, fact: object) -> str:
        content = _content(fact)
        address = address_of(kind, content)
        if address not in self._log.facts:
            self._log.tell(address, entries(address, content))
        return address

    def _forget(self) -> None:
        self._failures = self._log.failures
        self._agents.clear()
        self._tools.clear()
        self._alone.clear()
        self._circumstances = self._boundaries = None


def bundle_content(bundle: Bundle) -> str:
    """Return what is told of a bundle."""
    return _content(BundleFact(tuple((file.path, file.content.decode()) for file in bundle.files)))


def content_at(address: str, facts: Facts, kept: Callable[[str], Bundle | None]) -> str | None:
    """Return the content of a fact that takes several entries, where it holds now: a bundle, or every boundary."""
    kind, _, digest = address.partition(":")
    if kind == "bundle":
        bundle = kept(digest)
        return None if bundle is None else bundle_content(bundle)
    content = _content(BoundariesFact(facts.boundaries.every, facts.boundaries.heard))
    return content if address_of("boundaries", content) == address else None


def bundle_address(digest: str) -> str:
    """Return the address of a bundle's files."""
    return f"bundle:{digest}"


def address_of(kind: str, content: str) -> str:
    """Return the address of a fact with this content."""
    return f"{kind}:sha256-{hashlib.sha256(content.encode()).hexdigest()}"


def entries(address: str, content: str) -> Sequence[tuple[str, bytes]]:
    """Return the entries of one fact: ids and bodies, in order."""
    cut = [content[at : at + PART_CHARACTERS] for at in range(0, max(1, len(content)), PART_CHARACTERS)]
    return [(entry_id(address, part), _body(address, text, part, len(cut))) for part, text in enumerate(cut)]


def entry_id(address: str, part: int) -> str:
    """Return the id of an entry: it follows from what the entry says."""
    return id_of(f"{address}/{part}".encode())


def _body(address: str, text: str, part: int, parts: int) -> bytes:
    # Canonical as it stands (RFC 8785): names in their order, whole numbers, texts as `json` writes them. A bundle is
    # hundreds of entries, and `rfc8785` is a dozen times slower over texts with many line ends.
    members: Mapping[str, str | int] = {
        "address": address,
        "content": text,
        "decision_id": entry_id(address, part),
        "part": part,
        "parts": parts,
        "type": FACT,
        "version": 1,
    }
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _content(fact: object) -> str:
    return records.encode(fact).decode()
