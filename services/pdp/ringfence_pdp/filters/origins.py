"""The filter of origins: what comes from somebody who has no say here does not leave the mesh unseen.

What a text says does not matter to it. A page, a mail or another agent may well ask for something harmless; that it is
not the user who asks is what counts where the answer goes out.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from ringfence_pdp.filters.finding import Argument, Content, Finding, Kind, Origin, Severity
from ringfence_pdp.filters.words import words_of

ARGUMENTS_MAX: Final = 16
"""Arguments that are told of."""

_SINKS: Final = {
    word: sink
    for sink, words in {
        "mail": "mail email mails emails smtp gmail outlook",
        "message": "message messages chat sms slack teams telegram whatsapp dm notify tweet",
        "payment": "pay payment payments transfer wire refund payout invoice purchase checkout",
        "upload": "upload uploads push sync export s3 ftp sftp bucket",
        "share": "share invite publish post forward",
    }.items()
    for word in words.split()
}
"""What a sink is called, by a word of the action's or the tool's name."""


class Origins:
    """Finds arguments of untrusted origin in calls that pass them on to the outside."""

    def __init__(self, *, unknown_is_untrusted: bool = False) -> None:
        """`unknown_is_untrusted`: whether nobody's word is as good as a bad one's."""
        self._untrusted = {origin for origin in Origin if origin.is_untrusted}
        if unknown_is_untrusted:
            self._untrusted.add(Origin.UNKNOWN)
        judged_by = f"origins-1:{','.join(sorted(origin.word for origin in self._untrusted))}"
        self.digest = f"sha256-{hashlib.sha256(judged_by.encode()).hexdigest()}"

    def findings(self, content: Content) -> Sequence[Finding]:
        """Return one finding for each argument that should not leave, in their order."""
        if not content.is_sink:
            return ()
        sink = sink_of(content.action, content.tool)
        found: dict[str, Finding] = {}
        for argument in content.arguments:
            if argument.origin in self._untrusted and argument.pointer not in found:
                found[argument.pointer] = self._finding(argument, sink, content)
                if len(found) == ARGUMENTS_MAX:
                    break
        return tuple(found.values())

    def _finding(self, argument: Argument, sink: str, content: Content) -> Finding:
        by = content.tool or content.action
        return Finding(
            kind=Kind.ORIGIN,
            id=f"origin.{sink}",
            category="exfiltration",
            severity=Severity.MEDIUM,
            message=f"{_WHOSE[argument.origin]} would leave the mesh with {by}",
            argument=argument.pointer,
            argument_type=argument.type,
            model=self.digest,
            origin=argument.origin,
        )


_WHOSE: Final = {
    Origin.TOOL_OUTPUT: "what a tool returned",
    Origin.AGENT: "what another agent said",
    Origin.UNKNOWN: "something nobody vouches for",
}


def sink_of(action: str, tool: str) -> str:
    """Return what the way out is called: by the first word of the names that says so, else `external`."""
    words = (*words_of(action), *words_of(tool))
    return next((_SINKS[word] for word in words if word in _SINKS), "external")
