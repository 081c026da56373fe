"""Birth certificates: the gate before they are issued, and what is known of them afterwards."""

from collections.abc import Sequence

from ringfence_kit.errors import Failure, Kind, Violation


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
