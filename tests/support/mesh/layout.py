"""Where a mesh of processes listens and keeps its data, and the one configuration file that tells all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.mesh.ports import free_ports

SERVICES = ("registry", "identity", "telemetry", "pdp")
"""Whoever is asked for facts before whoever asks."""

LISTENS = (
    *(f"{name}.{key}" for name in SERVICES for key in ("listen", "fast_listen", "http_listen")),
    "telemetry.otlp_listen",
)
"""The settings that take an address."""

PEERS: Mapping[str, tuple[str, ...]] = {
    "registry": ("identity", "telemetry"),
    "identity": ("telemetry",),
    "telemetry": ("identity",),
    "pdp": ("registry", "identity", "telemetry"),
}
"""Whom a service calls."""

DOCUMENTED_PORTS: Mapping[str, str] = {
    "registry.listen": "7401",
    "identity.listen": "7402",
    "pdp.listen": "7403",
    "telemetry.listen": "7404",
    "telemetry.otlp_listen": "4317",
    "registry.fast_listen": "7421",
    "identity.fast_listen": "7422",
    "pdp.fast_listen": "7423",
    "telemetry.fast_listen": "7424",
    "registry.http_listen": "7411",
    "identity.http_listen": "7412",
    "pdp.http_listen": "7413",
    "telemetry.http_listen": "7414",
}
"""What every page of ours says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One mesh's places."""

    data: Path
    config: Path
    addresses: Mapping[str, str]
    """Setting → address: `registry.listen` → `127.0.0.1:21000`."""

    def grpc(self, service: str) -> str:
        """Return where a service serves gRPC."""
        return self.addresses[f"{service}.listen"]

    def http(self, service: str) -> str:
        """Return where a service serves HTTP."""
        return self.addresses[f"{service}.http_listen"]


def free_addresses() -> dict[str, str]:
    """Return a free loopback address for every setting that takes one."""
    return {setting: f"127.0.0.1:{port}" for setting, port in zip(LISTENS, free_ports(len(LISTENS)), strict=True)}


def moved_ports(addresses: Mapping[str, str]) -> dict[str, str]:
    """Return documented port → the one used instead."""
    return {port: addresses[setting].rpartition(":")[2] for setting, port in DOCUMENTED_PORTS.items()}


def development_layout(folder: Path, extra: Mapping[str, Mapping[str, str]] | None = None) -> Layout:
    """Return a mesh in development mode under `folder`: plaintext, with tokens in `data/dev/`.

    `extra` has further settings in TOML: section → key → value as it is written in the file.
    """
    layout = Layout(data=folder / "data", config=folder / "ringfence.toml", addresses=free_addresses())
    sections: dict[str, dict[str, str]] = {
        "server": {"dev": "true", "data": f'"{layout.data}"', "drain": '"2s"'},
        "server.log": {"calls": '"none"'},
    }
    for setting, address in layout.addresses.items():
        service, key = setting.split(".")
        sections.setdefault(service, {})[key] = f'"{address}"'
    for service, peers in PEERS.items():
        for peer in peers:
            sections[f"{service}.{peer}"] = {"address": f'"{layout.grpc(peer)}"'}
    for section, settings in (extra or {}).items():
        sections.setdefault(section, {}).update(settings)
    folder.mkdir(parents=True, exist_ok=True)
    layout.config.write_text(
        "\n".join(
            f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())
            for section, settings in sections.items()
        )
    )
    return layout
