"""Certificates for the ports: TLS, mutual TLS, and their replacement while running.

The rules:

- a certificate is judged before it is used: it parses, the key is its own, the CA file holds certificates. At start a
  bad one refuses to start; later a bad one is not taken, the old one stays, and the log says so once;
- files are looked at again before each handshake, so a rotation needs no signal and no restart. Certificate and key
  are two files: while they do not belong together, the old pair stays;
- with a client CA every client must show a certificate (gRPC offers no middle way); whom it makes the caller is
  decided in `authentication.py`.
"""

import os
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ringfence_kit.config import setting
from ringfence_kit.refusals import FileUnusable

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """Files a port reads its certificate from, in PEM. A changed file is used from the next handshake on."""

    cert_file: Path = setting(doc="The certificate, followed by its intermediates.")
    key_file: Path = setting(doc="The certificate's private key, not encrypted.")
    client_ca_file: Path | None = setting(
        None, doc="CAs of client certificates; when set, every gRPC client must show one (mutual TLS)."
    )

    def files(self) -> Iterable[Path]:
        """Return the files that are configured."""
        return [path for path in (self.cert_file, self.key_file, self.client_ca_file) if path is not None]


@dataclass(frozen=True, slots=True)
class Material:
    """A certificate with its key and the CAs of clients, judged and good."""

    chain: bytes
    key: bytes
    client_ca: bytes | None


class Certificates:
    """The certificate in use, read again when its files change. Safe to ask from gRPC's own threads."""

    def __init__(self, config: TlsConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._seen = _fingerprint(config)
        self._material = read_material(config)

    @property
    def mutual(self) -> bool:
        """Whether clients must show a certificate."""
        return self._config.client_ca_file is not None

    def current(self) -> Material:
        """Return the newest good material."""
        with self._lock:
            seen = _fingerprint(self._config)
            if seen != self._seen:
                # Remembered before reading: files that are bad now are read again only once they change again.
                self._seen = seen
                self._replace()
            return self._material

    def _replace(self) -> None:
        try:
            self._material = read_material(self._config)
        except FileUnusable as refused:
            _log.warning("certificate not replaced, the old one stays", problem=str(refused))
        else:
            _log.info("certificate replaced", file=str(self._config.cert_file))

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return credentials for a gRPC port that look at the files before each handshake."""
        served = self.current()

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal served
            newest = self.current()
            if newest is served:
                return None
            served = newest
            return _grpc_configuration(newest)

        return grpc.dynamic_ssl_server_credentials(
            _grpc_configuration(served),
            fetch,  # type: ignore[arg-type] # None is documented to mean no change; the stub leaves it out
            require_client_authentication=self.mutual,
        )

    def http_context(self) -> ssl.SSLContext:
        """Return a context for the HTTP port; each handshake is moved to the newest certificate."""
        return self._moving(self._context)

    def http2_context(self) -> ssl.SSLContext:
        """Return a context for a port that speaks HTTP/2 and asks clients for what `grpc_credentials` asks them for."""
        return self._moving(self._http2_context)

    def _moving(self, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        served = self.current()
        context = newest_context = make()

        def move(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _base: ssl.SSLContext) -> None:
            nonlocal served, newest_context
            newest = self.current()
            if newest is not served:
                try:
                    newest_context, served = make(), newest
                except (OSError, ssl.SSLError) as error:
                    # The files changed again after they were judged; the next handshake tries once more.
                    _log.warning("certificate not replaced, the old one stays", problem=str(error))
            connection.context = newest_context

        # OpenSSL calls this for every ClientHello, with or without a server name in it.
        context.sni_callback = move
        return context

    def _http2_context(self) -> ssl.SSLContext:
        context = self._context()
        context.set_alpn_protocols(["h2"])
        if self._config.client_ca_file is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self._config.client_ca_file)
        return context

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._config.cert_file, self._config.key_file)
        return context


def read_material(config: TlsConfig) -> Material:
    """Read and judge the files, or raise FileUnusable naming the one at fault."""
    chain = _read(config.cert_file, "the certificate")
    key = _read(config.key_file, "the private key")
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise FileUnusable(what="the certificate", path=str(config.cert_file), problem=f"is not PEM: {error}") from None
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise FileUnusable(what="the private key", path=str(config.key_file), problem=str(error)) from None
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*spki) != leaf.public_key().public_bytes(*spki):
        problem = f"is not the key of the certificate in {config.cert_file}"
        raise FileUnusable(what="the private key", path=str(config.key_file), problem=problem)
    return Material(chain, key, _read_authorities(config.client_ca_file))


def _read_authorities(path: Path | None) -> bytes | None:
    if path is None:
        return None
    authorities = _read(path, "the client CA file")
    try:
        x509.load_pem_x509_certificates(authorities)
    except ValueError as error:
        raise FileUnusable(what="the client CA file", path=str(path), problem=f"is not PEM: {error}") from None
    return authorities


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnusable(what=what, path=str(path), problem=f"cannot be read: {error.strerror}") from None


def _fingerprint(config: TlsConfig) -> tuple[tuple[int, int, int] | None, ...]:
    """Return what changes when a file is written or another is put in its place."""
    return tuple(_stat(path) for path in config.files())


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - follows the symlinks Kubernetes swaps, and is called per handshake
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _grpc_configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(material.key, material.chain)], material.client_ca)
