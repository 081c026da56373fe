"""Agents as bytes, and the answers made of them: what is parsed is what `agent_message` says, field by field.

Messages follow each other into one: a message in a message is merged, what is repeated is appended. So a repeated field
is written in one part only, whole, and a message in a message may be in several.
"""

from functools import lru_cache

from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.clock import Instant

from ringfence_registry.convert.agent_views import OUTLINES, moving_message, stored_message
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.reading import PlaceList
from ringfence_registry.finding.written import Written, WrittenAgents
from ringfence_registry.model import Agent

_LENGTH_DELIMITED = 2
_MORE = 0x80


def _tag(message: type[pb.GetAgentResponse | pb.ListAgentsResponse], field: str) -> bytes:
    return bytes([message.DESCRIPTOR.fields_by_name[field].number << 3 | _LENGTH_DELIMITED])


_AGENT = _tag(pb.GetAgentResponse, "agent")
"""Of an agent in an answer, alone or in a list: the number is the same."""


class AgentBytes:
    """Writes agents as bytes of `pb.Agent`: an `AgentWriting`."""

    def stored(self, agent: Agent) -> tuple[bytes, bytes]:
        """See `AgentWriting`: what a list leaves out unless it is asked for all comes second."""
        message = stored_message(agent)
        remarks = b""
        if message.card.reasons or message.card.findings:
            card = pb.CardView(reasons=message.card.reasons, findings=message.card.findings)
            remarks = pb.Agent(card=card).SerializeToString()
            message.card.ClearField("reasons")
            message.card.ClearField("findings")
        return message.SerializeToString(), remarks

    def moving(self, view: AgentView) -> bytes:
        """See `AgentWriting`."""
        return moving_message(view).SerializeToString()

    def framed(self, *parts: bytes) -> bytes:
        """See `AgentWriting`: as the field of an answer."""
        return b"".join((_AGENT, _varint(sum(map(len, parts))), *parts))


def got(written: Written) -> bytes:
    """Return the bytes of a GetAgentResponse."""
    return written.whole


def agent_list(found: PlaceList, detail: int, agents: WrittenAgents, now: Instant) -> bytes:
    """Return the bytes of a ListAgentsResponse, its agents in the detail asked for (AIP-157)."""
    rest = pb.ListAgentsResponse(next_page_token=found.next_page_token, revision=found.revision)
    listed = [_listed(agents, place, detail, now) for place in found.places]
    return b"".join([*listed, rest.SerializeToString()])


def _listed(agents: WrittenAgents, place: int, detail: int, now: Instant) -> bytes:
    if outlined := OUTLINES.get(detail):
        return _WRITING.framed(outlined(agents.agent(place)).SerializeToString())
    written = agents.written(place, now)
    if detail == pb.AGENT_DETAIL_FULL or written.remarks_at == written.moves_at:
        return written.whole
    return _WRITING.framed(written.stored, written.moves)


@lru_cache(maxsize=8_192)
def _varint(number: int) -> bytes:
    low = bytearray()
    while number >= _MORE:
        low.append(number & 0x7F | _MORE)
        number >>= 7
    low.append(number)
    return bytes(low)


_WRITING = AgentBytes()
