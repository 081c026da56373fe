"""The people who answer for agents."""

from ringfence_kit.errors import Failure, Kind


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


class SponsorOffboarded(Failure):
    """A person who does not answer for agents any more."""

    kind = Kind.FAILED_PRECONDITION
    reason = "SPONSOR_OFFBOARDED"

    def __init__(self, *, sponsor: str) -> None:
        super().__init__(f"{sponsor} does not answer for agents any more; name another", metadata={"sponsor": sponsor})
