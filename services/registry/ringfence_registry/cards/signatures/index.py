"""Which agents' cards hang on whose keys: by signer, by what was signed, and those that wait for keys. Fed by events.

Agents that are retired or deleted are not here: nothing about them changes any more, and they hold no card against
another agent.
"""

from collections import defaultdict
from collections.abc import Iterable

from ringfence.proofs.card_verdict import SignatureStatus
from ringfence_kit.clock import Instant
from ringfence_kit.events import Event

from ringfence_registry.cards.signatures.keys import did_url
from ringfence_registry.cards.signatures.report import UNSIGNED, SignatureReport
from ringfence_registry.model import AGENT, Agent, AgentState
from ringfence_registry.recorded import agent_recorded


class SignatureIndex:
    """Agents with signed cards."""

    def __init__(self) -> None:
        self._reports: dict[str, SignatureReport] = {}
        self._by_did: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._by_payload: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._waiting: dict[str, None] = {}

    def fill(self, agents: Iterable[Agent]) -> None:
        """Take what the store was loaded with. Once, first."""
        for agent in agents:
            self._put(str(agent.name), _report_of(agent))

    def apply(self, event: Event) -> None:
        """Take one committed event."""
        if event.kind == AGENT:
            self._put(event.name, _report_of(agent_recorded(event.record)))

    def report(self, agent: str) -> SignatureReport:
        """Return the report on the card of the agent with this name."""
        return self._reports.get(agent, UNSIGNED)

    def signed_by(self, did: str) -> tuple[str, ...]:
        """Return the names of the agents whose card has a signature that names a key of `did`."""
        return tuple(self._by_did.get(did, ()))

    @property
    def namespaces(self) -> frozenset[str]:
        """`namespaces/{namespace}` of every agent whose card has signatures."""
        return frozenset(map(namespace_of, self._reports))

    def in_namespace(self, namespace: str) -> tuple[str, ...]:
        """Return the names of the agents of `namespaces/{namespace}` whose cards have signatures."""
        return tuple(name for name in self._reports if namespace_of(name) == namespace)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The names of the agents with a signature whose key could not be asked for."""
        return tuple(self._waiting)

    def registered_before(self, payloads: Iterable[str], agent: str, at: Instant) -> bool:
        """Say whether an agent of another name had, by `at`, a card whose signature is over one of these (SHA-256)."""
        others = {name for payload in payloads for name in self._by_payload.get(payload, ())} - {agent}
        return any(self._reports[name].first_seen_at <= at for name in others)

    def _put(self, name: str, report: SignatureReport) -> None:
        self._drop(name)
        if not report.verdicts:
            return
        self._reports[name] = report
        for did in signers_of(report):
            self._by_did[did][name] = None
        for verdict in report.verdicts:
            if verdict.payload_sha256:
                self._by_payload[verdict.payload_sha256][name] = None
            if verdict.status is SignatureStatus.KEYS_UNAVAILABLE:
                self._waiting[name] = None

    def _drop(self, name: str) -> None:
        report = self._reports.pop(name, UNSIGNED)
        self._waiting.pop(name, None)
        for did in signers_of(report):
            _take_out(self._by_did, did, name)
        for verdict in report.verdicts:
            _take_out(self._by_payload, verdict.payload_sha256, name)


def namespace_of(agent: str) -> str:
    """Return `namespaces/{namespace}` of the agent with this name."""
    return agent.partition("/agents/")[0]


def signers_of(report: SignatureReport) -> set[str]:
    """Return the DIDs whose keys the signatures name, known or not: one may become known."""
    dids = {verdict.signer for verdict in report.verdicts if verdict.signer.startswith("did:")}
    for verdict in report.verdicts:
        try:
            dids.add(did_url(verdict.key_id)[0])
        except ValueError:
            continue
    return dids


def _report_of(agent: Agent) -> SignatureReport:
    return UNSIGNED if agent.state is AgentState.RETIRED or agent.deleted else agent.signatures


def _take_out(names: defaultdict[str, dict[str, None]], key: str, name: str) -> None:
    if key in names:
        names[key].pop(name, None)
        if not names[key]:
            del names[key]
