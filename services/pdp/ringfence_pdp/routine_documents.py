"""The documents of routines: what the log keeps of a decision, with everything that was written before left as it is.

Of a decision that is given again and again, only the moment, the id, the arguments, the context, the resource, the
session, the trace and the digest differ. The rest is kept as the bytes it was written as. The rules:

- what is kept was written by `decision_bytes` and `asked_document` for the routine, and a property test holds this to
  them, byte for byte;
- it is good for one decision, which is one object for as long as every fact it was made on is (`clearance.py`), and as
  long as nothing that was handed to the log was lost: what it stands on is told again then;
- arguments and context that are kept as they were sent are written in their places; where a mask or a number has to
  be looked at more closely, and with labels, the document is written as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ringfence_pdp.answer import Answer
from ringfence_pdp.asked_document import as_it_is, asked_document
from ringfence_pdp.decision_bytes import from_reason, is_plain, up_to_age, up_to_time
from ringfence_pdp.facts import AgentIdentity
from ringfence_pdp.masks import NO_MASKS, Masks
from ringfence_pdp.model import NO_RESOURCE, CheckRequest, Decision, Plain, Resource, nothing
from ringfence_pdp.routine import Routine

KEPT = 10_000
"""Routines, and resources."""

_ARGUMENTS, _CONTEXT, _RESOURCE, _TRACE_ID = "arguments", "context", "resource", "trace_id"
_INPUT = b',"input":{'
_MOMENT = slice(Answer._fields.index("bundle_digest"), Answer._fields.index("decided_at"))
"""What of an answer tells on which policies and facts it was given."""

_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class _Written:
    """A routine's document around what differs, in the order in which it stands there."""

    decision: Decision
    failures: int
    moment: tuple[object, ...]
    masks: Masks
    up_to_time: bytes
    up_to_age: bytes
    up_to_resource: bytes
    around_sent: tuple[bytes, bytes, bytes]
    """The same in parts: before the arguments, between them and the context, and behind."""
    up_to_trace_id: bytes
    up_to_digest: bytes
    from_reason: bytes


class RoutineDocuments:
    """Documents of routines, as far as they were written before."""

    def __init__(self, *, inputs: bool = True) -> None:
        """`inputs`: whether arguments and context may be in them at all."""
        self._inputs = inputs
        self._written: dict[Routine, _Written] = {}
        self._given: dict[Routine, Decision] = {}
        """Those given last: what is given once is not worth keeping."""
        self._resources: dict[int, tuple[Resource, bytes]] = {}

    def document(
        self,
        routine: Routine,
        request: CheckRequest,
        answer: Answer,
        *,
        identity_age: int | None,
        digest: str,
        failures: int,
    ) -> bytes | None:
        """Return the document of a routine that was answered as it was before; None when it has to be written.

        Nothing was counted for the answer, and nobody was asked. `failures` is how often the log failed.
        """
        written = self._written.get(routine)
        if (
            written is None
            or written.decision is not answer.decision
            or written.failures != failures
            or written.moment != answer[_MOMENT]
        ):
            return None
        resource, session, trace_id = request.resource, request.session, request.trace_id
        known = self._resources.get(id(resource))
        if known is None or known[0] is not resource:
            if resource.labels:
                return None
            known = self._resource(resource)
        asked = written.up_to_resource
        if request.arguments is not nothing or request.context is not nothing:
            sent = self._with_sent(written, request)
            if sent is None:
                return None
            asked = sent
        # RFC 8785: members are ordered by name.
        return b"".join(
            (
                written.up_to_time,
                b'%d,"decision_id":"%b' % (answer.decided_at, answer.decision_id.encode()),
                written.up_to_age,
                b"-1" if identity_age is None else b"%d" % identity_age,
                asked,
                known[1],
                b"" if session is None else b',"session":' + _encode(session),
                written.up_to_trace_id,
                b',"trace_id":"%b"' % trace_id.hex().encode() if trace_id else b"",
                written.up_to_digest,
                digest.encode(),
                written.from_reason,
            )
        )

    def _with_sent(self, written: _Written, request: CheckRequest) -> bytes | None:
        """Return what stands before the resource, with arguments and context in it; None when masks have a say."""
        if not self._inputs:
            return None
        arguments = _sent(_ARGUMENTS, request.arguments(), written.masks)
        context = _sent(_CONTEXT, request.context(), written.masks)
        if arguments is None or context is None:
            return None
        to_arguments, to_context, to_resource = written.around_sent
        # Each member stands behind a comma, but for the first.
        return _INPUT + b"".join((to_arguments, arguments, to_context, context, to_resource))[1:]

    def keep(
        self,
        routine: Routine,
        request: CheckRequest,
        answer: Answer,
        *,
        identity: AgentIdentity | None,
        evidence: tuple[str, ...],
        failures: int,
        masks: Masks,
    ) -> None:
        """Keep what the document of this answer shares with the next ones, if the very same decision is given again."""
        decision, left_out = answer.decision, list[str]()
        if self._given.get(routine) is not decision:
            if len(self._given) >= KEPT:
                self._given.clear()
            self._given[routine] = decision
            return
        alone = request._replace(arguments=nothing, resource=NO_RESOURCE, session=None, context=nothing, trace_id=b"")
        asked = asked_document(alone, NO_MASKS, left_out, whole=True)
        if identity is None or left_out or not is_plain(answer):
            return
        verdict = decision.verdict
        if len(self._written) >= KEPT:
            self._written.clear()
        revisions = (answer.identity_revision, answer.policy_revision, answer.registry_revision)
        names = sorted(asked)
        parts = (
            _members(asked, [name for name in names if name < _ARGUMENTS]),
            _members(asked, [name for name in names if _ARGUMENTS < name < _CONTEXT]),
            _members(asked, [name for name in names if _CONTEXT < name < _RESOURCE]),
        )
        between = [name for name in names if _RESOURCE < name < _TRACE_ID]
        behind = [name for name in names if name > _TRACE_ID]
        self._written[routine] = _Written(
            decision,
            failures,
            (answer.bundle_digest, answer.identity_revision, answer.registry_revision, answer.policy_revision),
            masks,
            up_to_time(request.action, identity.resource_name, answer.bundle_digest),
            up_to_age(identity.did, verdict.effect, request.environment, evidence, revisions),
            _INPUT + b"".join(parts)[1:],
            parts,
            _members(asked, between),
            _members(asked, behind) + b'},"input_digest":"',
            b'"' + from_reason(verdict.reason, decision.ring, verdict.rules, decision.score, request.tool),
        )

    def _resource(self, resource: Resource) -> tuple[Resource, bytes]:
        """Write a resource without labels, as the member of a question it is; most come back."""
        said = asked_document(CheckRequest("", "", resource=resource), NO_MASKS, [], whole=True)
        if len(self._resources) >= KEPT:
            self._resources.clear()
        known = self._resources[id(resource)] = (resource, _members(said, list(said)))
        return known


def _sent(name: str, value: Plain, masks: Masks) -> bytes | None:
    """Return what was sent, as a member of a question; None when it is not kept as it was sent."""
    if not value:
        return b""
    kept = as_it_is(value, name, masks)
    return None if kept is None else b',"%b":%b' % (name.encode(), _encode(kept))


def _members(said: dict[str, Any], names: Sequence[str]) -> bytes:
    """Return members as they stand in a document behind others."""
    return b"," + _encode({name: said[name] for name in names})[1:-1] if names else b""
