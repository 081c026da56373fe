"""What can be wrong with what is asked of boundaries."""

from ringfence_kit.errors import Failure, Kind


class BoundaryNotFound(Failure):
    """No boundary has this name."""

    kind = Kind.NOT_FOUND
    reason = "BOUNDARY_NOT_FOUND"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"there is no {name}", metadata={"name": name})


class BoundaryAlreadyExists(Failure):
    """The name is taken."""

    kind = Kind.ALREADY_EXISTS
    reason = "BOUNDARY_ALREADY_EXISTS"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"{name} exists already", metadata={"name": name})
