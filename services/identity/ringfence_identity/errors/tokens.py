"""What keeps an agent from a token."""

from collections.abc import Sequence

from ringfence_kit.errors import Failure, Kind


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
