"""What a namespace's policy asks of every change in it."""

from ringfence_kit.errors import Failure, Kind, Violation


class EtagRequired(Failure):
    """The namespace asks for the etag a change is based on."""

    kind = Kind.INVALID_ARGUMENT
    reason = "ETAG_REQUIRED"

    def __init__(self, *, name: str) -> None:
        super().__init__(
            f"a change of {name} has to name the etag it is based on: its namespace requires it",
            metadata={"name": name},
            violations=(Violation("etag", "is required by the policy of the namespace"),),
        )
