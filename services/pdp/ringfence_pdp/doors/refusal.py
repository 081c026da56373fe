"""What a door refuses by itself, before anybody is asked: with a reason, like any other denial."""

from typing import Final

from ringfence_pdp.model import Reason

UNREAD: Final = "(unread)"
"""What the log calls the action of a call that could not be read; nobody can ask about it, since it is no action."""


class Refused(Exception):  # noqa: N818 - named for what happened
    """The call cannot be read in one way only, or says who calls in more. It is a denial, and logged as one."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
