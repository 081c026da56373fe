"""The log of mutations."""

from ringfence_kit.errors import Failure, Kind


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
