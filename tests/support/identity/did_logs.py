"""Logs of an agent's DID as identity writes them: one entry, or a whole life."""

from ringfence.proofs.did import AgentDid, Host, RegistrarDid, Scid
from ringfence.proofs.did_document import SCID_PLACEHOLDER, agent_document
from ringfence.proofs.did_log import LogEntry, scid_of
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.did_log import begin_log, deactivate_log, update_log
from ringfence_kit.clock import DAY, Instant
from support.identity.keys import seeded_key

HOST = Host("prod.id.ringfence.internal")
REGISTRAR = RegistrarDid(Scid("QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"), HOST)
NOW = Instant(1_767_225_600_000)
CARD = "https://cards.example.com/a/agent-card.json"


def first_entry(now: Instant = NOW) -> LogEntry:
    template = agent_document(
        did=AgentDid(SCID_PLACEHOLDER, HOST), key=public_key_of(seeded_key(1)), registrar=REGISTRAR, card_url=CARD
    )
    return begin_log(template, key=seeded_key(101), next_key=public_key_of(seeded_key(102)), now=now)


def history() -> list[LogEntry]:
    first = first_entry()
    did = AgentDid(scid_of(first), HOST)
    state = agent_document(did=did, key=public_key_of(seeded_key(2)), registrar=REGISTRAR, card_url=CARD)
    later = Instant(NOW + DAY)
    second = update_log(first, state=state, key=seeded_key(102), next_key=public_key_of(seeded_key(103)), now=later)
    return [first, second, deactivate_log(second, key=seeded_key(103), now=later)]


def text_of(entries: list[LogEntry]) -> str:
    return "".join(entry.line + "\n" for entry in entries)


def did_of(entries: list[LogEntry]) -> AgentDid:
    return AgentDid(scid_of(entries[0]), HOST)
