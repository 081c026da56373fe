"""The four services as the launcher knows them: their packages, loaded when they are started and not before.

The launcher is the only package that may know several services, and this is the only module of it that names what runs
them; everything else of the launcher speaks to them over gRPC, as any client does.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringfence_kit.clock import Clock
from ringfence_kit.config import Configuration
from ringfence_kit.heap import loading
from ringfence_kit.ids import NewId
from ringfence_kit.refusals import StartRefused
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import Service

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEntry:
    """One service: its section of the configuration, and where its parts are."""

    name: str
    config_class: str
    """In `ringfence_<name>.config`."""

    def config_kind(self) -> type:
        """Return the dataclass of its section."""
        kind: type = getattr(importlib.import_module(f"ringfence_{self.name}.config"), self.config_class)
        return kind

    def build(self, configuration: Configuration, *, clock: Clock, new_id: NewId) -> Service:
        """Put the service together; nothing is opened yet. What it refuses to start with is a Problem."""
        section: Any = configuration.section(self.name, self.config_kind())
        with loading():
            app = importlib.import_module(f"ringfence_{self.name}.app")
        server = configuration.section("server", ServerConfig)
        try:
            built: Service = app.build(section, server, clock=clock, new_id=new_id)
        except StartRefused as refused:
            raise Problem(str(refused), code=ExitCode.CONFIGURATION) from refused
        return built


ENTRIES: Mapping[str, ServiceEntry] = {
    entry.name: entry
    for entry in (
        ServiceEntry(name="registry", config_class="RegistryConfig"),
        ServiceEntry(name="identity", config_class="IdentityConfig"),
        ServiceEntry(name="telemetry", config_class="TelemetryConfig"),
        ServiceEntry(name="pdp", config_class="PdpConfig"),
    )
}
"""By name, in the order they are started: whoever is asked for facts before whoever asks."""
