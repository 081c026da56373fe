"""The headers of a request as a gateway passes them on, in either of Envoy's two encodings.

The rules:

- what says who calls, or on whose behalf, is said once: a repeated header, or two joined with a comma, are two callers;
- a name with underscores is the same name to many servers behind, so it is the same name here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.model import Reason

AGENT: Final = "x-agent-did"
CHAIN: Final = "x-agent-chain"
DELEGATION: Final = "x-ringfence-delegation"
ELEVATION: Final = "x-ringfence-elevation"
APPROVAL: Final = "x-ringfence-approval"
ORIGINS: Final = "x-ringfence-origins"
AUTHORIZATION: Final = "authorization"
MCP_METHOD: Final = "mcp-method"
MCP_NAME: Final = "mcp-name"

SAID_ONCE: Final = frozenset(
    {AGENT, CHAIN, DELEGATION, ELEVATION, APPROVAL, ORIGINS, AUTHORIZATION, MCP_METHOD, MCP_NAME, "content-length"}
    | {"content-type", "content-encoding", "x-envoy-auth-partial-body", "mcp-session-id", "transfer-encoding"}
)
"""Headers a decision looks at. Those that identify must not be repeated; nor must the others, as which would hold?"""

_WITHOUT_COMMAS: Final = SAID_ONCE - {CHAIN, ELEVATION, ORIGINS, MCP_NAME, "content-type", "transfer-encoding"}
"""Of these no single value has a comma in it, so one that has was two."""

NOT_PASSED_ON: Final = (
    DELEGATION,
    ELEVATION,
    APPROVAL,
    ORIGINS,
    CHAIN,
    "x-agent-signature",
    "signature",
    "signature-input",
)
"""What was meant for us. The service behind gets none of it, so it can show none of it to anybody else."""


class Headers:
    """Headers by lower-case name."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = values

    @staticmethod
    def of(pairs: Iterable[tuple[str, str]]) -> "Headers":
        """Build them from what a gateway sent, in its order."""
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            folded = name.lower().replace("_", "-")
            if folded in values:
                values[folded].append(value)
            else:
                values[folded] = [value]
        return Headers(values)

    def get(self, name: str) -> str | None:
        """Return the one value of a header that is said once; Refused when there are more."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1 or (name in _WITHOUT_COMMAS and "," in values[0]):
            reason = Reason.HEADER_BODY_MISMATCH if name in (MCP_METHOD, MCP_NAME) else Reason.IDENTITY_AMBIGUOUS
            raise Refused(reason, f"the header {name} is there more than once; which one holds cannot be known")
        return values[0].strip()

    def among(self, names: frozenset[str]) -> Sequence[tuple[str, Sequence[str]]]:
        """Return those of `names` that are there, each with all its values."""
        there = names.intersection(self._values)
        return [(name, self._values[name]) for name in sorted(there)] if there else ()

    def only(self, name: str) -> str:
        """Return the value of a header that decides nothing; empty where it is not there exactly once."""
        values = self._values.get(name, ())
        return values[0].strip() if len(values) == 1 else ""
