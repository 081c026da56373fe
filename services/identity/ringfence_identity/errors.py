"""Every way identity refuses: one class a failure, with its data, kind and reason (`errors.proto` documents each)."""

from collections.abc import Sequence

from ringfence.proofs.timestamps import timestamp
from ringfence_kit.clock import Instant
from ringfence_kit.errors import COMMON_FAILURES, Failure, Kind, Violation


class AgentNotFound(Failure):
    """No agent has this name in this environment, or this DID."""

    kind = Kind.NOT_FOUND
    reason = "AGENT_NOT_FOUND"

    def __init__(self, *, agent: str, environment: str) -> None:
        where = f" in environment {environment}" if environment else ""
        super().__init__(f"no agent {agent} is enrolled{where}", metadata={"agent": agent, "environment": environment})


class AgentAlreadyEnrolled(Failure):
    """The agent has an identity in this environment that is not revoked."""

    kind = Kind.ALREADY_EXISTS
    reason = "AGENT_ALREADY_ENROLLED"

    def __init__(self, *, agent: str, environment: str, did: str) -> None:
        super().__init__(
            f"{agent} already has the identity {did} in environment {environment}; revoke that one first",
            metadata={"agent": agent, "environment": environment, "did": did},
        )


class AgentRevoked(Failure):
    """The identity was revoked, which is for good."""

    kind = Kind.FAILED_PRECONDITION
    reason = "AGENT_REVOKED"

    def __init__(self, *, did: str) -> None:
        super().__init__(f"{did} is revoked; revocation is for good, enrol a new agent", metadata={"did": did})


class AgentSuspended(Failure):
    """The identity is suspended: nothing is issued to it until a person has looked."""

    kind = Kind.FAILED_PRECONDITION
    reason = "AGENT_SUSPENDED"

    def __init__(self, *, did: str, cause: str = "") -> None:
        why = f": {cause}" if cause else ""
        super().__init__(f"{did} is suspended{why}; it must be reinstated first", metadata={"did": did, "cause": cause})


class AgentExpired(Failure):
    """The identity was made for a while, and that is over."""

    kind = Kind.FAILED_PRECONDITION
    reason = "AGENT_EXPIRED"

    def __init__(self, *, did: str, expired_at: Instant) -> None:
        at = timestamp(expired_at)
        super().__init__(f"{did} ended at {at}; enrol a new agent", metadata={"did": did, "expire_time": at})


class AgentNotSuspended(Failure):
    """There is nothing to reinstate."""

    kind = Kind.FAILED_PRECONDITION
    reason = "AGENT_NOT_SUSPENDED"

    def __init__(self, *, did: str) -> None:
        super().__init__(f"{did} is not suspended, there is nothing to reinstate", metadata={"did": did})


class NewKeyRequired(Failure):
    """The key of the identity is in other hands."""

    kind = Kind.FAILED_PRECONDITION
    reason = "NEW_KEY_REQUIRED"

    def __init__(self, *, did: str) -> None:
        super().__init__(
            f"the key of {did} is in other hands; reinstate it with a replacement key", metadata={"did": did}
        )


class SponsorNotFound(Failure):
    """No sponsor of this name is registered."""

    kind = Kind.NOT_FOUND
    reason = "SPONSOR_NOT_FOUND"

    def __init__(self, *, sponsor: str) -> None:
        super().__init__(f"no sponsor {sponsor} is registered; register them first", metadata={"sponsor": sponsor})


class SponsorAlreadyExists(Failure):
    """The name is taken, or another sponsor is the same OIDC account."""

    kind = Kind.ALREADY_EXISTS
    reason = "SPONSOR_ALREADY_EXISTS"

    def __init__(self, *, sponsor: str, clash: str) -> None:
        super().__init__(f"{sponsor} already exists: {clash}", metadata={"sponsor": sponsor, "clash": clash})


class BirthCertificateIncomplete(Failure):
    """The gate of issuance: no birth certificate, no credential. Names every missing field."""

    kind = Kind.FAILED_PRECONDITION
    reason = "BIRTH_CERTIFICATE_INCOMPLETE"

    def __init__(self, *, missing: Sequence[Violation]) -> None:
        fields = ", ".join(violation.field for violation in missing)
        super().__init__(
            f"the birth certificate is incomplete, fill in: {fields}", metadata={"missing": fields}, violations=missing
        )


class EvaluationGateUnmet(Failure):
    """One or more evaluation gates failed or were not run, and nobody waived them who may."""

    kind = Kind.FAILED_PRECONDITION
    reason = "EVALUATION_GATE_UNMET"

    def __init__(self, *, environment: str, unmet: Sequence[Violation]) -> None:
        gates = "; ".join(f"{violation.field}: {violation.problem}" for violation in unmet)
        super().__init__(
            f"not fit for environment {environment}: {gates}",
            metadata={"environment": environment, "gates": ", ".join(violation.field for violation in unmet)},
            violations=unmet,
        )


class ChallengeInvalid(Failure):
    """A registration challenge that is not ours, has expired, or was answered before."""

    kind = Kind.INVALID_ARGUMENT
    reason = "CHALLENGE_INVALID"

    def __init__(self, *, problem: str) -> None:
        super().__init__(
            f"the registration challenge cannot be used: {problem}; begin the registration again",
            metadata={"problem": problem},
            violations=(Violation("challenge", problem),),
        )


class ProofInvalid(Failure):
    """A proof is not a signature by the given key over the message that was built for it here."""

    kind = Kind.INVALID_ARGUMENT
    reason = "PROOF_INVALID"

    def __init__(
        self,
        *,
        field: str = "proof_of_possession",
        over: str = "this challenge and birth certificate",
    ) -> None:
        problem = f"does not verify under the public key over {over}"
        super().__init__(f"{field} {problem}", violations=(Violation(field, problem),))


class WeakKeyRefused(Failure):
    """A public key no proof can be trusted under."""

    kind = Kind.INVALID_ARGUMENT
    reason = "KEY_REFUSED"

    def __init__(self, *, problem: str, field: str = "public_key") -> None:
        super().__init__(
            f"the public key is refused: {problem}",
            metadata={"problem": problem},
            violations=(Violation(field, problem),),
        )


class KeyAlreadyUsed(Failure):
    """The key belongs, or belonged, to an identity. One key, one agent, one environment."""

    kind = Kind.ALREADY_EXISTS
    reason = "KEY_ALREADY_USED"

    def __init__(self, *, thumbprint: str, field: str = "public_key") -> None:
        super().__init__(
            f"the key {thumbprint} was used before; make a new key for every identity and every rotation",
            metadata={"thumbprint": thumbprint},
            violations=(Violation(field, "was used before"),),
        )


class AssertionInvalid(Failure):
    """The client assertion breaks a rule of RFC 7523 or of ours; also when nobody knows its issuer."""

    kind = Kind.UNAUTHENTICATED
    reason = "ASSERTION_INVALID"

    def __init__(self, *, problem: str) -> None:
        super().__init__(f"the client assertion is refused: {problem}", metadata={"problem": problem})


class AssertionReplayed(Failure):
    """The client assertion was used before."""

    kind = Kind.UNAUTHENTICATED
    reason = "ASSERTION_REPLAYED"

    def __init__(self, *, jti: str) -> None:
        super().__init__(
            f"the client assertion {jti} was used before; sign a new one with a new jti", metadata={"jti": jti}
        )


class ScopeNotGranted(Failure):
    """Scopes beyond the birth certificate's permissions, or beyond what is left of them after delegation."""

    kind = Kind.PERMISSION_DENIED
    reason = "SCOPE_NOT_GRANTED"

    def __init__(self, *, did: str, scopes: Sequence[str], source: str = "the birth certificate of") -> None:
        listed = " ".join(scopes)
        super().__init__(f"{source} {did} does not hold: {listed}", metadata={"did": did, "scopes": listed})


class EnvironmentUnknown(Failure):
    """An environment this server does not host."""

    kind = Kind.INVALID_ARGUMENT
    reason = "ENVIRONMENT_UNKNOWN"

    def __init__(self, *, environment: str) -> None:
        super().__init__(
            f"no environment {environment!r} is hosted here",
            metadata={"environment": environment},
            violations=(Violation("environment", "is not hosted here"),),
        )


class DidInvalid(Failure):
    """Text that is not a DID, or a DID of a method or host that is not served here."""

    kind = Kind.INVALID_ARGUMENT
    reason = "DID_INVALID"

    def __init__(self, *, did: str, problem: str) -> None:
        super().__init__(
            f"{did!r} cannot be used as a DID here: {problem}",
            metadata={"did": did, "problem": problem},
            violations=(Violation("did", problem),),
        )


class DidNotFound(Failure):
    """A well-formed DID of ours that was never issued."""

    kind = Kind.NOT_FOUND
    reason = "DID_NOT_FOUND"

    def __init__(self, *, did: str) -> None:
        super().__init__(f"{did} was never issued here", metadata={"did": did})


class DidMethodFixed(Failure):
    """A did:key, whose key cannot be replaced since it is the DID."""

    kind = Kind.FAILED_PRECONDITION
    reason = "DID_METHOD_FIXED"

    def __init__(self, *, did: str) -> None:
        super().__init__(f"{did} is its key, there is no other; enrol a new agent", metadata={"did": did})


class DidVersionMismatch(Failure):
    """The DID moved on since the version the caller signed over."""

    kind = Kind.ABORTED
    reason = "DID_VERSION_MISMATCH"

    def __init__(self, *, did: str, expected: str, current: str) -> None:
        super().__init__(
            f"{did} is at version {current}, not {expected}; sign again over the current version",
            metadata={"did": did, "expected_version": expected, "current_version": current},
        )


class DidVersionNotFound(Failure):
    """A version or a moment the DID has no document for."""

    kind = Kind.NOT_FOUND
    reason = "DID_VERSION_NOT_FOUND"

    def __init__(self, *, did: str, wanted: str) -> None:
        super().__init__(f"{did} has no version {wanted}", metadata={"did": did, "version": wanted})


class DidLogFull(Failure):
    """A DID's history that has no room for another key: others would refuse to read it."""

    kind = Kind.FAILED_PRECONDITION
    reason = "DID_LOG_FULL"

    def __init__(self, *, did: str, longest: int) -> None:
        super().__init__(
            f"the history of {did} has reached {longest} bytes, longer ones are not read everywhere; enrol a new agent",
            metadata={"did": did, "limit_bytes": str(longest)},
        )


class SponsorOffboarded(Failure):
    """A person who does not answer for agents any more."""

    kind = Kind.FAILED_PRECONDITION
    reason = "SPONSOR_OFFBOARDED"

    def __init__(self, *, sponsor: str) -> None:
        super().__init__(f"{sponsor} does not answer for agents any more; name another", metadata={"sponsor": sponsor})


class BirthCertificateNotFound(Failure):
    """The agent has no certificate with this serial."""

    kind = Kind.NOT_FOUND
    reason = "BIRTH_CERTIFICATE_NOT_FOUND"

    def __init__(self, *, did: str, serial: int) -> None:
        super().__init__(
            f"{did} has no birth certificate with serial {serial}", metadata={"did": did, "serial": str(serial)}
        )


class StatusListNotFound(Failure):
    """The environment has no status list with this number."""

    kind = Kind.NOT_FOUND
    reason = "STATUS_LIST_NOT_FOUND"

    def __init__(self, *, environment: str, number: int) -> None:
        super().__init__(
            f"environment {environment} has no status list {number}",
            metadata={"environment": environment, "list": str(number)},
        )


class IssuerKeyNotFound(Failure):
    """The environment has no issuer key with this thumbprint."""

    kind = Kind.NOT_FOUND
    reason = "ISSUER_KEY_NOT_FOUND"

    def __init__(self, *, environment: str, key_id: str) -> None:
        super().__init__(
            f"environment {environment} has no issuer key {key_id}",
            metadata={"environment": environment, "key_id": key_id},
        )


class DelegationInvalid(Failure):
    """A chain of grants that breaks a rule; `link` counts from 1, the first grant of the chain."""

    kind = Kind.PERMISSION_DENIED
    reason = "DELEGATION_INVALID"

    def __init__(self, *, rule: str, link: int, problem: str) -> None:
        super().__init__(
            f"the delegation is refused at link {link}: {problem}",
            metadata={"rule": rule, "link": str(link), "problem": problem},
        )


class DelegationRevoked(Failure):
    """A grant of the chain was revoked, and with it everything below it."""

    kind = Kind.PERMISSION_DENIED
    reason = "DELEGATION_REVOKED"

    def __init__(self, *, delegation: str) -> None:
        super().__init__(f"{delegation} was revoked, and with it all below it", metadata={"delegation": delegation})


class DelegationNotFound(Failure):
    """A grant identity has not seen."""

    kind = Kind.NOT_FOUND
    reason = "DELEGATION_NOT_FOUND"

    def __init__(self, *, delegation: str) -> None:
        super().__init__(
            f"no grant {delegation} was seen here; present its chain to revoke it", metadata={"delegation": delegation}
        )


class DelegationBudgetExhausted(Failure):
    """Less is left of a link's budget than was asked for."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "DELEGATION_BUDGET_EXHAUSTED"

    def __init__(self, *, delegation: str, member: str, left: int) -> None:
        super().__init__(
            f"{delegation} has {left} {member} left, which is less than was asked for",
            metadata={"delegation": delegation, "member": member, "left": str(left)},
        )


class RingNotEarned(Failure):
    """A person may grant ring 0 only to an agent that has earned it."""

    kind = Kind.FAILED_PRECONDITION
    reason = "RING_NOT_EARNED"

    def __init__(self, *, did: str, unmet: Sequence[str]) -> None:
        listed = "; ".join(unmet)
        super().__init__(f"{did} has not earned ring 0: {listed}", metadata={"did": did, "unmet": listed})


class ElevationNotFound(Failure):
    """There is no elevation grant of this name."""

    kind = Kind.NOT_FOUND
    reason = "ELEVATION_NOT_FOUND"

    def __init__(self, *, elevation: str) -> None:
        super().__init__(f"no elevation {elevation} was granted", metadata={"elevation": elevation})


class LogEntryNotFound(Failure):
    """The transparency log has no entry at this place."""

    kind = Kind.NOT_FOUND
    reason = "LOG_ENTRY_NOT_FOUND"

    def __init__(self, *, index: int, tree_size: int) -> None:
        super().__init__(
            f"the log has no entry {index}, it holds {tree_size}",
            metadata={"index": str(index), "tree_size": str(tree_size)},
        )


class TreeSizeOutOfRange(Failure):
    """A tree size the log never had, or one that does not hold what it is to prove."""

    kind = Kind.OUT_OF_RANGE
    reason = "TREE_SIZE_OUT_OF_RANGE"

    def __init__(self, *, asked: int, smallest: int, largest: int) -> None:
        super().__init__(
            f"there is no proof for a tree of {asked}: it must have {smallest} to {largest} entries",
            metadata={"asked": str(asked), "smallest": str(smallest), "largest": str(largest)},
        )


FAILURES: tuple[type[Failure], ...] = (
    *COMMON_FAILURES,
    AgentNotFound,
    AgentAlreadyEnrolled,
    AgentRevoked,
    AgentSuspended,
    AgentExpired,
    AgentNotSuspended,
    NewKeyRequired,
    SponsorNotFound,
    SponsorAlreadyExists,
    BirthCertificateIncomplete,
    EvaluationGateUnmet,
    ChallengeInvalid,
    ProofInvalid,
    WeakKeyRefused,
    KeyAlreadyUsed,
    AssertionInvalid,
    AssertionReplayed,
    ScopeNotGranted,
    EnvironmentUnknown,
    DidInvalid,
    DidNotFound,
    DidMethodFixed,
    DidVersionMismatch,
    DidVersionNotFound,
    DidLogFull,
    SponsorOffboarded,
    BirthCertificateNotFound,
    StatusListNotFound,
    IssuerKeyNotFound,
    DelegationInvalid,
    DelegationRevoked,
    DelegationNotFound,
    DelegationBudgetExhausted,
    RingNotEarned,
    ElevationNotFound,
    LogEntryNotFound,
    TreeSizeOutOfRange,
)
"""Each has exactly one value in `ringfence.identity.v1.ErrorReason`; a test holds the two together."""
