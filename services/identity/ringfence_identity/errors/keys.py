"""Keys, of agents and of the issuer, and the proofs that somebody holds one."""

from ringfence_kit.errors import Failure, Kind, Violation


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


class NewKeyRequired(Failure):
    """The key of the identity is in other hands."""

    kind = Kind.FAILED_PRECONDITION
    reason = "NEW_KEY_REQUIRED"

    def __init__(self, *, did: str) -> None:
        super().__init__(
            f"the key of {did} is in other hands; reinstate it with a replacement key", metadata={"did": did}
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
