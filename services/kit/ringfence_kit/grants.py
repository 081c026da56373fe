"""Which roles may call which method: a table per service, complete by construction.

The rules:

- every method served has exactly one row, and every row a method: `Server.add` refuses anything else;
- a row names the roles, or says `open` (health, JWKS): nothing is callable because somebody forgot it;
- a row names the method's class, from which deadlines and quotas follow;
- object-level checks (that namespace's owner, that agent itself) are not here: the use case makes them.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ringfence_kit.callers import Caller, Role


class MethodClass(enum.Enum):
    """What a method costs and how long it may take; deadlines and quotas are configured per class."""

    DECIDE = "decide"
    """The hot path: decisions, verification, selection. Answered from memory."""
    READ = "read"
    """Get and List."""
    WRITE = "write"
    """Mutations: answered after a commit."""
    INGEST = "ingest"
    """Evidence in bulk: OTLP export, audit append."""
    STREAM = "stream"
    """Watches and other long-lived streams: no deadline unless the client sets one."""

    # Looked up with every call, as roles are; see `callers.Role`.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may call one method. Made by `Grant.to` or `Grant.open`."""

    method_class: MethodClass
    roles: frozenset[Role]
    is_open: bool = False

    @staticmethod
    def to(*roles: Role, does: MethodClass) -> "Grant":
        """Allow callers that hold one of `roles`."""
        if not roles:
            raise ValueError("a grant to nobody serves no one; name a role, or use Grant.open")
        return Grant(does, frozenset(roles))

    @staticmethod
    def open(*, does: MethodClass) -> "Grant":
        """Allow everyone, without authentication. A bad credential is still refused, not ignored."""
        return Grant(does, frozenset(), is_open=True)

    def allows(self, caller: Caller) -> bool:
        """Say whether `caller` may call the method."""
        return self.is_open or not self.roles.isdisjoint(caller.roles)

    @property
    def needed(self) -> str:
        """What a refused caller lacks, for the message."""
        return " or ".join(sorted(role.value for role in self.roles))


class Grants(Mapping[str, Grant]):
    """Full method (`/ringfence.registry.v1.RegistryService/GetAgent`) → grant."""

    def __init__(self, rows: Mapping[str, Grant]) -> None:
        self._rows = dict(rows)

    @staticmethod
    def of(service: str, methods: Mapping[str, Grant]) -> "Grants":
        """Build the table of one proto service, given by its full name, from its method names."""
        return Grants({f"/{service}/{method}": grant for method, grant in methods.items()})

    def __or__(self, other: "Grants") -> "Grants":
        """Join two tables; a method in both is a ValueError, since one of the rows would be silently lost."""
        twice = sorted(self._rows.keys() & other.keys())
        if twice:
            raise ValueError(f"granted twice: {', '.join(twice)}")
        return Grants({**self._rows, **other})

    def __getitem__(self, method: str) -> Grant:
        return self._rows[method]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def mismatch(self, served: Iterable[str]) -> str:
        """Say what is served without a row or has a row and is not served; empty when the table is exact."""
        methods = frozenset(served)
        problems = [
            *(f"{method} is served and has no grant" for method in sorted(methods - self._rows.keys())),
            *(f"{method} has a grant and is not served" for method in sorted(self._rows.keys() - methods)),
        ]
        return "; ".join(problems)
