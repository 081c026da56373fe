"""TLS and mutual TLS with real certificates: who gets in, as whom, and what happens when files change."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from ringfence_kit.callers import Role
from ringfence_kit.server_config import AuthConfig, CertificateBinding
from ringfence_kit.service import Service
from ringfence_kit.tls import TlsConfig
from support.certificates import Authority, Pair
from support.echo import Echo, echo_service
from support.serving import Mesh, server_config, serving
from support.wire import refusal, text_method

pytestmark = pytest.mark.usefixtures("either_port")

REGISTRY = "spiffe://mesh.example/registry"
OPERATOR_CERTIFICATE = CertificateBinding(identity="dns:ops.example", roles=(Role.PLATFORM_ADMIN,))
SERVICE_CERTIFICATE = CertificateBinding(identity=REGISTRY, roles=(Role.SERVICE,))


@pytest.fixture(scope="module")
def ours() -> Authority:
    return Authority("our authority")


@pytest.fixture(scope="module")
def theirs() -> Authority:
    return Authority("another authority")


def over_tls(mesh: Mesh, authority: Authority, client: Pair | None = None) -> grpc.aio.Channel:
    """Open a channel that trusts `authority` and shows `client`."""
    credentials = grpc.ssl_channel_credentials(
        authority.certificate, client.key if client else None, client.certificate if client else None
    )
    options = (("grpc.ssl_target_name_override", "echo.example"),)
    return grpc.aio.secure_channel(mesh.address(), credentials, options=options)


@asynccontextmanager
async def running(tmp_path: Path, tls: TlsConfig, *bindings: CertificateBinding) -> AsyncIterator[Mesh]:
    config = server_config(tmp_path, dev=False, tls=tls, auth=AuthConfig(certificates=bindings))
    async with serving(echo_service(Echo()), config=config) as mesh:
        yield mesh


async def who_am_i(channel: grpc.aio.Channel, **call: Any) -> str:
    async with channel:
        answer: StringValue = await text_method(channel, "WhoAmI")(StringValue(), timeout=10, **call)
    return answer.value


def server_pair(authority: Authority) -> Pair:
    return authority.issue(dns=["echo.example"])


async def test_without_client_certificates_a_caller_is_known_by_its_token(ours: Authority, tmp_path: Path) -> None:
    async with running(tmp_path, server_pair(ours).write(tmp_path, "echo")) as mesh:
        assert await who_am_i(over_tls(mesh, ours)) == "anonymous|"


async def test_a_server_of_another_authority_is_not_spoken_to(
    ours: Authority, theirs: Authority, tmp_path: Path
) -> None:
    async with running(tmp_path, server_pair(ours).write(tmp_path, "echo")) as mesh:
        channel = over_tls(mesh, theirs)
        assert (await refusal(text_method(channel, "Say")(StringValue(), timeout=10))).code == "UNAVAILABLE"
        await channel.close()


async def test_a_spiffe_certificate_holds_the_roles_bound_to_it(ours: Authority, tmp_path: Path) -> None:
    tls = server_pair(ours).write(tmp_path, "echo", client_ca=ours)
    async with running(tmp_path, tls, SERVICE_CERTIFICATE) as mesh:
        client = ours.issue(uris=[REGISTRY], dns=["ops.example"])
        assert await who_am_i(over_tls(mesh, ours, client)) == f"{REGISTRY}|service"


async def test_a_dns_certificate_holds_the_roles_bound_to_it(ours: Authority, tmp_path: Path) -> None:
    tls = server_pair(ours).write(tmp_path, "echo", client_ca=ours)
    async with running(tmp_path, tls, OPERATOR_CERTIFICATE) as mesh:
        client = ours.issue(dns=["unbound.example", "OPS.example"])
        assert await who_am_i(over_tls(mesh, ours, client)) == "dns:ops.example|platform-admin"


async def test_a_certificate_nobody_bound_is_somebody_without_a_role(ours: Authority, tmp_path: Path) -> None:
    tls = server_pair(ours).write(tmp_path, "echo", client_ca=ours)
    async with running(tmp_path, tls, SERVICE_CERTIFICATE) as mesh:
        client = ours.issue(uris=["spiffe://mesh.example/stranger"])
        assert await who_am_i(over_tls(mesh, ours, client)) == "spiffe://mesh.example/stranger|"
        channel = over_tls(mesh, ours, client)
        refused = await refusal(text_method(channel, "Write")(StringValue(), timeout=10))
        assert (refused.reason, refused.metadata["principal"]) == ("NOT_PERMITTED", "spiffe://mesh.example/stranger")
        await channel.close()


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ({"uris": [REGISTRY, "spiffe://mesh.example/other"]}, "more than one URI SAN"),
        ({}, "neither a SPIFFE id nor a DNS name"),
    ],
)
async def test_a_certificate_that_names_nobody_or_two(
    ours: Authority, tmp_path: Path, names: dict[str, Any], problem: str
) -> None:
    tls = server_pair(ours).write(tmp_path, "echo", client_ca=ours)
    async with running(tmp_path, tls, SERVICE_CERTIFICATE) as mesh:
        channel = over_tls(mesh, ours, ours.issue(**names))
        refused = await refusal(text_method(channel, "WhoAmI")(StringValue(), timeout=10))
        assert refused.reason == "UNAUTHENTICATED"
        assert problem in refused.message
        await channel.close()


async def test_a_token_decides_even_over_a_certificate(ours: Authority, tmp_path: Path) -> None:
    tls = server_pair(ours).write(tmp_path, "echo", client_ca=ours)
    async with running(tmp_path, tls, SERVICE_CERTIFICATE) as mesh:
        client = ours.issue(uris=[REGISTRY])
        channel = over_tls(mesh, ours, client)
        bad = await refusal(
            text_method(channel, "Say")(StringValue(), metadata=(("authorization", "Bearer x"),), timeout=10)
        )
        assert bad.reason == "UNAUTHENTICATED"
        await channel.close()


@pytest.mark.parametrize("shown", ["none", "foreign"])
async def test_mutual_tls_keeps_out(ours: Authority, theirs: Authority, tmp_path: Path, shown: str) -> None:
    tls = server_pair(ours).write(tmp_path, "echo", client_ca=ours)
    async with running(tmp_path, tls, SERVICE_CERTIFICATE) as mesh:
        client = theirs.issue(uris=[REGISTRY]) if shown == "foreign" else None
        channel = over_tls(mesh, ours, client)
        assert (await refusal(text_method(channel, "Say")(StringValue(), timeout=10))).code == "UNAVAILABLE"
        await channel.close()


async def test_plaintext_is_not_understood(ours: Authority, tmp_path: Path) -> None:
    async with running(tmp_path, server_pair(ours).write(tmp_path, "echo")) as mesh:
        channel = grpc.aio.insecure_channel(mesh.address())
        assert (await refusal(text_method(channel, "Say")(StringValue(), timeout=10))).code == "UNAVAILABLE"
        await channel.close()


class TestReplacement:
    async def test_a_new_certificate_is_used_from_the_next_handshake_on(
        self, ours: Authority, theirs: Authority, tmp_path: Path
    ) -> None:
        async with running(tmp_path, server_pair(ours).write(tmp_path, "echo")) as mesh:
            before = over_tls(mesh, ours)
            assert (await text_method(before, "Say")(StringValue(value="a"))).value == "a"
            server_pair(theirs).write(tmp_path, "echo")
            assert await who_am_i(over_tls(mesh, theirs)) == "anonymous|"
            refused = over_tls(mesh, ours)
            assert (await refusal(text_method(refused, "Say")(StringValue(), timeout=10))).code == "UNAVAILABLE"
            # A connection that stands is not cut.
            assert (await text_method(before, "Say")(StringValue(value="b"))).value == "b"
            await before.close()
            await refused.close()

    async def test_clients_of_a_new_authority(self, ours: Authority, theirs: Authority, tmp_path: Path) -> None:
        tls = server_pair(ours).write(tmp_path, "echo", client_ca=ours)
        async with running(tmp_path, tls, SERVICE_CERTIFICATE) as mesh:
            assert tls.client_ca_file is not None
            tls.client_ca_file.write_bytes(theirs.certificate)
            assert await who_am_i(over_tls(mesh, ours, theirs.issue(uris=[REGISTRY]))) == f"{REGISTRY}|service"
            old = over_tls(mesh, ours, ours.issue(uris=[REGISTRY]))
            assert (await refusal(text_method(old, "Say")(StringValue(), timeout=10))).code == "UNAVAILABLE"
            await old.close()

    @pytest.mark.parametrize("broken", ["certificate", "key", "gone"])
    async def test_a_bad_one_is_not_taken(self, ours: Authority, tmp_path: Path, broken: str) -> None:
        tls = server_pair(ours).write(tmp_path, "echo")
        async with running(tmp_path, tls) as mesh:
            if broken == "certificate":
                tls.cert_file.write_bytes(b"not a certificate")
            elif broken == "key":
                tls.key_file.write_bytes(server_pair(ours).key)
            else:
                tls.key_file.unlink()
            assert await who_am_i(over_tls(mesh, ours)) == "anonymous|"

    async def test_https_follows_too(self, ours: Authority, theirs: Authority, tmp_path: Path) -> None:
        tls = ours.issue(dns=["localhost"]).write(tmp_path, "echo")
        async with running(tmp_path, tls) as mesh:
            assert await https_status(mesh, ours) == b"HTTP/1.1 200 OK"
            theirs.issue(dns=["localhost"]).write(tmp_path, "echo")
            assert await https_status(mesh, theirs) == b"HTTP/1.1 200 OK"
            with pytest.raises(ssl.SSLCertVerificationError):
                await https_status(mesh, ours)


async def https_status(mesh: Mesh, authority: Authority) -> bytes:
    host, _, port = mesh.address("echo.http_listen").rpartition(":")
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname="localhost")
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    status = await reader.readline()
    writer.close()
    return status.strip()


async def test_a_service_may_have_its_own_certificate(ours: Authority, theirs: Authority, tmp_path: Path) -> None:
    own = server_pair(theirs).write(tmp_path, "own")
    service: Service = echo_service(Echo(), tls=own)
    config = server_config(tmp_path, dev=False, tls=server_pair(ours).write(tmp_path, "shared"))
    async with serving(service, config=config) as mesh:
        assert await who_am_i(over_tls(mesh, theirs)) == "anonymous|"
