"""Every way identity refuses: one class a failure, with its data, kind and reason (`errors.proto` documents each)."""

from collections.abc import Sequence

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

    def __init__(self, *, did: str) -> None:
        super().__init__(f"{did} is suspended after a confirmed incident", metadata={"did": did})


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
    """The proof of possession is not a signature by the given key over the signing input."""

    kind = Kind.INVALID_ARGUMENT
    reason = "PROOF_INVALID"

    def __init__(self) -> None:
        problem = "does not verify under the public key over this challenge and birth certificate"
        super().__init__(f"the proof of possession {problem}", violations=(Violation("proof_of_possession", problem),))


class WeakKeyRefused(Failure):
    """A public key no proof can be trusted under."""

    kind = Kind.INVALID_ARGUMENT
    reason = "KEY_REFUSED"

    def __init__(self, *, problem: str) -> None:
        super().__init__(
            f"the public key is refused: {problem}",
            metadata={"problem": problem},
            violations=(Violation("public_key", problem),),
        )


class KeyAlreadyUsed(Failure):
    """The key belongs, or belonged, to an identity. One key, one agent, one environment."""

    kind = Kind.ALREADY_EXISTS
    reason = "KEY_ALREADY_USED"

    def __init__(self, *, thumbprint: str) -> None:
        super().__init__(
            f"the key {thumbprint} was enrolled before; make a new key for every identity",
            metadata={"thumbprint": thumbprint},
            violations=(Violation("public_key", "was enrolled before"),),
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
    """Scopes beyond the birth certificate's permissions."""

    kind = Kind.PERMISSION_DENIED
    reason = "SCOPE_NOT_GRANTED"

    def __init__(self, *, did: str, scopes: Sequence[str]) -> None:
        listed = " ".join(scopes)
        super().__init__(
            f"the birth certificate of {did} does not hold: {listed}", metadata={"did": did, "scopes": listed}
        )


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


FAILURES: tuple[type[Failure], ...] = (
    *COMMON_FAILURES,
    AgentNotFound,
    AgentAlreadyEnrolled,
    AgentRevoked,
    AgentSuspended,
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
)
"""Each has exactly one value in `ringfence.identity.v1.ErrorReason`; a test holds the two together."""
