"""The names of tools, external systems and boundaries (AIP-122), parsed and built in one place."""

import re
from dataclasses import dataclass

from ringfence_kit.names import is_resource_id

TOOL_ID = re.compile(r"[a-z0-9._-]{1,128}")
"""What agents call a tool by: a few characters of ASCII, so no two look alike."""


@dataclass(frozen=True, slots=True, order=True)
class ToolName:
    """`namespaces/{namespace}/tools/{tool}`."""

    namespace: str
    tool: str

    def __str__(self) -> str:
        return f"namespaces/{self.namespace}/tools/{self.tool}"

    @staticmethod
    def parse(text: str) -> "ToolName | None":
        """Return the name, or None when `text` is not one."""
        match text.split("/"):
            case ["namespaces", namespace, "tools", tool] if is_resource_id(namespace) and TOOL_ID.fullmatch(tool):
                return ToolName(namespace, tool)
            case _:
                return None


@dataclass(frozen=True, slots=True, order=True)
class ExternalSystemName:
    """`namespaces/{namespace}/externalSystems/{system}`."""

    namespace: str
    system: str

    def __str__(self) -> str:
        return f"namespaces/{self.namespace}/externalSystems/{self.system}"

    @staticmethod
    def parse(text: str) -> "ExternalSystemName | None":
        """Return the name, or None when `text` is not one."""
        match text.split("/"):
            case ["namespaces", namespace, "externalSystems", system] if is_resource_id(namespace) and is_resource_id(
                system
            ):
                return ExternalSystemName(namespace, system)
            case _:
                return None


@dataclass(frozen=True, slots=True, order=True)
class BoundaryName:
    """`namespaces/{namespace}/boundaries/{boundary}`."""

    namespace: str
    boundary: str

    def __str__(self) -> str:
        return f"namespaces/{self.namespace}/boundaries/{self.boundary}"

    @staticmethod
    def parse(text: str) -> "BoundaryName | None":
        """Return the name, or None when `text` is not one."""
        match text.split("/"):
            case ["namespaces", namespace, "boundaries", boundary] if is_resource_id(namespace) and is_resource_id(
                boundary
            ):
                return BoundaryName(namespace, boundary)
            case _:
                return None


def namespace_of(name: str) -> str:
    """Return the id of the namespace in a resource name that was checked already."""
    return name.split("/", 2)[1]
