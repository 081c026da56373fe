"""Certificates for the ports: TLS, mutual TLS, and their replacement while running.

(implementation follows; `TlsConfig` is the settled part)
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """Files a port reads its certificate from, in PEM. A changed file is used from the next handshake on."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
