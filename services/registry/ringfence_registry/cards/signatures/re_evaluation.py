"""A card's signatures judged again: because identity says that a key changed, or could not be asked before.

- `re_evaluate` is called with a DID when identity's stream reports a change of its keys or its standing; trust is not
  one. A verdict that comes out otherwise is stored, and WatchAgents shows the agent as MODIFIED.
- A namespace that pins other keys has the cards in it judged again.
- No change is missed: a card that was judged before a change and stored after it is judged again when its event comes.
- Identity away keeps verdicts as they are; they are tried again every `RETRY_EVERY`. So are those that never had an
  answer.
- Nothing is decided twice: the write happens only if the agent still has the card that was judged.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from ringfence.proofs.card_verdict import SignatureStatus
from ringfence_kit.background import background
from ringfence_kit.clock import SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.events import Change, Event
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.cards.signatures.index import SignatureIndex, namespace_of, signers_of
from ringfence_registry.cards.signatures.judging import SignatureJudge
from ringfence_registry.cards.signatures.keys import CardKeys
from ringfence_registry.cards.signatures.report import SignatureReport
from ringfence_registry.model import AGENT, Agent
from ringfence_registry.namespaces.model import NAMESPACE
from ringfence_registry.namespaces.policy import PolicyReader
from ringfence_registry.store import AgentTx, CardReader

RETRY_EVERY = Millis(5 * SECOND)
AT_ONCE = 16
"""Signers that identity is asked about at once."""
CHANGES_REMEMBERED = 10_000
"""How many DIDs are known to have changed lately; a card is stored within seconds of being judged."""

PRINCIPAL = "service:registry"
"""Who changes a verdict, in the history."""


class SignersWatched(Protocol):
    """What whoever follows identity tells."""

    def affected(self, did: str) -> tuple[str, ...]:
        """Return the names of the agents whose card has a signature that names a key of `did`."""
        ...

    def changed(self, did: str) -> None:
        """Note that keys or standing of `did` changed; its signatures are judged again in the background."""
        ...

    async def re_evaluate(self, did: str, at: Instant) -> None:
        """Judge the signatures of `did` again, now; return once every verdict that came out otherwise is stored."""
        ...


class ReEvaluation:
    """Judges again; in the background inside `run()`."""

    def __init__(
        self,
        writer: Writer[AgentTx],
        *,
        judge: SignatureJudge,
        keys: CardKeys,
        index: SignatureIndex,
        policies: PolicyReader,
        cards: CardReader,
        clock: Clock,
    ) -> None:
        self._writer = writer
        self._judge = judge
        self._keys = keys
        self._index = index
        self._policies = policies
        self._cards = cards
        self._clock = clock
        self._changes: OrderedDict[str, Instant] = OrderedDict()
        """DID or namespace → when it was noted here that its keys changed."""
        self._pinned: dict[str, str] = {}
        """Namespace → the keys it pinned when it was last looked at."""
        self._pending: dict[str, None] = {}
        self._news = asyncio.Event()

    def fill(self, agents: Iterable[Agent]) -> None:
        """Take what the store was loaded with. Once, first."""
        self._index.fill(agents)
        for namespace in self._index.namespaces:
            self._pinned[namespace] = self._pins(namespace)

    def affected(self, did: str) -> tuple[str, ...]:
        """See `SignersWatched`."""
        return self._index.signed_by(did)

    def changed(self, did: str) -> None:
        """See `SignersWatched`."""
        self._keys.forget(did)
        self._note(did)
        self._later(self.affected(did))

    def apply(self, event: Event) -> None:
        """Take one committed event; the policies have taken it before."""
        self._index.apply(event)
        if event.kind == AGENT:
            self._look_at(event.name)
        elif event.kind == NAMESPACE and self._pinned.get(event.name) != self._pins(event.name):
            self._pinned[event.name] = self._pins(event.name)
            self._note(event.name)
            self._later(self._index.in_namespace(event.name))

    async def re_evaluate(self, did: str, at: Instant) -> None:
        """See `SignersWatched`."""
        self._keys.forget(did)
        self._note(did)
        for agent in self.affected(did):
            if not await self._judge_again(agent, at):
                self._later((agent,))

    async def run(self) -> None:
        """Judge what was noted, and again what had no answer, until cancelled."""
        async with background(self._try_again()):
            while True:
                await self._news.wait()
                self._news.clear()
                await self._judge_pending()

    async def _judge_pending(self) -> None:
        """Judge what is noted by now, `AT_ONCE` signers at a time: after a start that is all of them."""
        by_signers = defaultdict[frozenset[str], list[str]](list)
        for agent in self._pending:
            by_signers[frozenset(signers_of(self._index.report(agent)))].append(agent)
        # The cards of one signer stay in one hand, for which identity is asked once.
        hands = iter(by_signers.values())

        async def judge() -> None:
            for agents in hands:
                for agent in agents:
                    self._pending.pop(agent, None)  # first: a change noted meanwhile puts it back
                    if not await self._judge_again(agent, self._clock.now()):
                        self._pending[agent] = None

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(by_signers))):
                group.create_task(judge())

    async def _try_again(self) -> None:
        while True:
            await self._clock.sleep(RETRY_EVERY)
            self._later((*self._index.waiting, *self._pending))

    def _look_at(self, agent: str) -> None:
        report, namespace = self._index.report(agent), namespace_of(agent)
        if not report.verdicts:
            return
        self._pinned.setdefault(namespace, self._pins(namespace))
        hangs_on = (*signers_of(report), namespace)
        if any(report.judged_at <= self._changes.get(each, _NEVER) for each in hangs_on):
            self._later((agent,))  # judged before a change that was noted in the meantime

    def _note(self, changed: str) -> None:
        self._changes.pop(changed, None)
        while len(self._changes) >= CHANGES_REMEMBERED:
            self._changes.popitem(last=False)
        self._changes[changed] = self._clock.now()

    def _pins(self, namespace: str) -> str:
        return self._policies.policy_of(namespace.removeprefix("namespaces/")).admission.trusted_jwks

    def _later(self, agents: Iterable[str]) -> None:
        self._pending.update(dict.fromkeys(agents))
        if self._pending:
            self._news.set()

    async def _judge_again(self, agent: str, at: Instant) -> bool:
        """Judge one agent's card and store what changed; False when that has to be tried again."""
        report, name = self._index.report(agent), AgentName.parse(agent)
        if name is None or not report.verdicts:
            return True
        body = await self._cards.card(report.card_sha256)
        if body is None:
            return True  # forgotten with its agent while we asked
        judged = await self._judge.judge(
            body,
            agent=agent,
            trusted_jwks=self._pins(name.namespace),
            now=at,
            first_seen_at=report.first_seen_at,
        )
        if any(verdict.status is SignatureStatus.KEYS_UNAVAILABLE for verdict in judged.verdicts):
            return False
        if judged.verdicts == report.verdicts:
            return True
        try:
            await self._writer.write(
                _taking(name, report, replace(judged, copied=report.copied)),
                mutation=Mutation(principal=PRINCIPAL, at=at),
                result=bool,
            )
        except Unavailable:
            return False
        return True


_NEVER = Instant(-1)


def _taking(name: AgentName, before: SignatureReport, after: SignatureReport) -> Callable[[AgentTx], bool]:
    def work(tx: AgentTx) -> bool:
        agent = tx.agent(name)
        if agent is None or agent.deleted or agent.signatures != before:
            return False  # it has another card by now, or somebody judged this one later
        at = max(agent.updated_at, after.judged_at)  # a clock may have been set back
        changed = replace(agent, signatures=after, revision=tx.next_revision, updated_at=at)
        tx.record(Change.MODIFIED, AGENT, str(name), tx.put(changed))
        return True

    return work
