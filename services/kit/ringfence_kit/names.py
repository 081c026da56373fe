"""Resource names (AIP-122): `namespaces/{ns}/agents/{agent}` and its kin, parsed and built in one place."""

import re
from dataclasses import dataclass

ID_PATTERN = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""AIP-122 resource ids: RFC 1034 labels. ASCII only, so no two look alike."""


def is_resource_id(text: str) -> bool:
    """Say whether `text` may stand as one segment of a resource name."""
    return ID_PATTERN.fullmatch(text) is not None


GROUP_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Groups of people, as policies ask for them after `group:`."""


def is_group(text: str) -> bool:
    """Say whether `text` names a group of people."""
    return GROUP_PATTERN.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, order=True)
class AgentName:
    """`namespaces/{namespace}/agents/{agent}`."""

    namespace: str
    agent: str

    def __str__(self) -> str:
        return f"namespaces/{self.namespace}/agents/{self.agent}"

    @staticmethod
    def parse(text: str) -> "AgentName | None":
        """Return the name, or None when `text` is not one."""
        match text.split("/"):
            case ["namespaces", namespace, "agents", agent] if is_resource_id(namespace) and is_resource_id(agent):
                return AgentName(namespace, agent)
            case _:
                return None


def parse_namespace(text: str) -> str | None:
    """Return the id in `namespaces/{namespace}`, or None when `text` is not such a name."""
    match text.split("/"):
        case ["namespaces", namespace] if is_resource_id(namespace):
            return namespace
        case _:
            return None
