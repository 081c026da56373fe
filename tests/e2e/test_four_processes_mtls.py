"""The four services as four processes with mutual TLS: deploy/four-processes, as its README says, and who gets in."""

import asyncio
import shutil
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import httpx
import pytest
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import Tls
from ringfence.errors import PermissionDeniedError, UnauthenticatedError, UnavailableError
from ringfence.identity.v1 import identity_pb2
from ringfence.identity.v1.identity_pb2_grpc import CredentialServiceStub
from ringfence.pace import Pace
from ringfence.pdp.v1 import bundle_pb2, decision_pb2
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub
from ringfence.registry.v1 import registry_pb2
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.telemetry.v1 import audit_pb2
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from support.mesh.doors import ONCE
from support.mesh.layout import free_addresses, moved_ports
from support.mesh.process import ServiceProcess, environment, service_command
from support.mesh.processes import all_ended
from support.mesh.story import WRITE, Story, effect_is, reason_is
from support.mesh.walk import Shell, shell, steps_of

FOLDER = Path(__file__).parents[2] / "deploy/four-processes"
PAGE = (FOLDER / "README.md").read_text()
BEFORE_STOPPING = ("## Certificates and seals", "## Start", "## Health")
WITHIN_S = 1.0
"""How soon a revocation has to be obeyed."""

WAIT_S = 30.0


@dataclass(slots=True, kw_only=True)
class Deployment:
    """The folder, with the mesh that was started in it."""

    folder: Path
    addresses: dict[str, str]
    bash: Shell
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def walk(self, heading: str) -> None:
        """Do what a section of the page says."""
        ports = moved_ports(self.addresses)
        for step in steps_of(PAGE, heading):
            await self.bash.take(step.on(ports))

    def channel(self, service: str, *, who: str = "", ca: str = "certificates", token: str = "") -> grpc.aio.Channel:
        """Open a channel with the certificate of `who` from the CA in the folder `ca`; nobody's without a name."""
        tls = Tls(
            ca_file=self.folder / "certificates/ca.pem",
            cert_file=self.folder / ca / f"{who}.pem" if who else None,
            key_file=self.folder / ca / f"{who}.key" if who else None,
        )
        key = "telemetry.otlp_listen" if service == "otlp" else f"{service}.listen"
        channel = open_aio_channel(self.addresses[key], ChannelOptions(tls=tls, token=token or None, retry=ONCE))
        self._closing.push_async_callback(channel.close)
        return channel

    def story(self, who: str) -> Story:
        """Return the story as `who` plays it."""
        services = ("registry", "identity", "pdp", "telemetry", "otlp")
        return Story(channels={service: self.channel(service, who=who) for service in services})


def deployed(folder: Path) -> dict[str, str]:
    """Copy the deployment to `folder`, on free ports; return setting → address."""
    addresses = free_addresses()
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    config = folder / "ringfence.toml"
    text = config.read_text()
    for port, free in moved_ports(addresses).items():
        text = text.replace(f":{port}", f":{free}")
    config.write_text(text)
    return addresses


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Deployment]:
    """Start the deployment by its page."""
    addresses = deployed(folder)
    bin_folder = Path(sys.executable).parent
    async with shell(folder, path=[bin_folder], environment=environment()) as bash, AsyncExitStack() as closing:
        deployment = Deployment(folder=folder, addresses=addresses, bash=bash, _closing=closing)
        for heading in BEFORE_STOPPING:
            await deployment.walk(heading)
        yield deployment


@pytest.mark.timeout(180)
async def test_what_the_page_says_and_a_story_through_all_four(tmp_path: Path) -> None:
    async with started(tmp_path) as deployment:
        await deployment.walk("## Use")
        story = deployment.story("operator")
        agent = await story.register("analyst")
        did = await story.enrol("analyst")
        await story.push_policy()

        allowed, _ = await story.told(agent, effect_is(decision_pb2.EFFECT_ALLOW))
        denied = await story.ask(agent, WRITE)
        assert denied.reason == decision_pb2.DECISION_REASON_RING_INSUFFICIENT
        await story.trace(did)
        await story.prove(allowed.decision_id)
        await story.prove(denied.decision_id)
        await story.revoke(did)
        _, seconds = await story.told(agent, reason_is(decision_pb2.DECISION_REASON_AGENT_REVOKED))
        assert seconds <= WITHIN_S

        await deployment.walk("## What each failure looks like")
        await refused_in_every_way(deployment)
        await deployment.walk("## Rotate, stop, start again")


async def refused_in_every_way(deployment: Deployment) -> None:
    """Ask all four services as each kind of stranger."""
    for service in ("registry", "identity", "pdp", "telemetry"):
        for stranger in (
            deployment.channel(service),
            deployment.channel(service, who="operator", ca="elsewhere"),
        ):
            with pytest.raises(UnavailableError) as cut:
                await ask_anything(service, stranger)
            assert cut.value.reason == ""  # the handshake failed: nothing of ours answered
        with pytest.raises(UnauthenticatedError) as unbelieved:
            await ask_anything(service, deployment.channel(service, who="operator", token="nonsense"))
        assert unbelieved.value.reason == "UNAUTHENTICATED"
    for service in ("registry", "pdp", "telemetry"):
        with pytest.raises(PermissionDeniedError) as unbound:
            await ask_anything(service, deployment.channel(service, who="visitor"))
        assert unbound.value.reason == "NOT_PERMITTED"
        assert unbound.value.metadata["principal"] == "spiffe://ringfence.example/visitor"
    # Public keys are public to whoever got through the handshake.
    await ask_anything("identity", deployment.channel("identity", who="visitor"))
    # A service is no administrator.
    with pytest.raises(PermissionDeniedError):
        await deployment.story("pdp").register("mine")


async def ask_anything(service: str, channel: grpc.aio.Channel) -> object:
    """Make a call that changes nothing."""
    match service:
        case "registry":
            return await RegistryServiceStub(channel).ListAgents(registry_pb2.ListAgentsRequest(parent="namespaces/-"))
        case "identity":
            return await CredentialServiceStub(channel).GetJwks(identity_pb2.GetJwksRequest(environment="dev"))
        case "pdp":
            return await BundleServiceStub(channel).GetBundle(bundle_pb2.GetBundleRequest())
        case _:
            return await AuditServiceStub(channel).GetCheckpoint(audit_pb2.GetCheckpointRequest())


async def test_a_service_whose_certificate_nobody_bound_is_no_peer_and_says_so(tmp_path: Path) -> None:
    addresses = deployed(tmp_path)
    config = tmp_path / "ringfence.toml"
    config.write_text(config.read_text().replace("ringfence.example/pdp", "ringfence.example/somebody-else"))
    made = await asyncio.create_subprocess_exec("bash", "make-certificates.sh", "certificates", cwd=tmp_path)
    assert await made.wait() == 0
    services = {name: secured(name, tmp_path, addresses) for name in ("registry", "identity", "pdp")}
    async with all_ended(services.values()):
        await asyncio.gather(*(service.start() for service in services.values()))
        await asyncio.gather(services["registry"].serving(), services["identity"].serving())
        await services["pdp"].unwell()
        refused = [
            f"the feed from {feed} is connecting: NOT_PERMITTED: spiffe://ringfence.example/pdp may not"
            for feed in ("identity", "registry")
        ]
        async with asyncio.timeout(60):  # the pdp was unwell before it reached anybody; it says so when it has
            code, said = await readiness(tmp_path, addresses["pdp.http_listen"])
            while not all(each in said for each in refused):
                code, said = await readiness(tmp_path, addresses["pdp.http_listen"])
        assert code == 503


def secured(name: str, folder: Path, addresses: Mapping[str, str]) -> ServiceProcess:
    """Return a service of the deployment, to be started alone."""
    tls = Tls(
        ca_file=folder / "certificates/ca.pem",
        cert_file=folder / "certificates/operator.pem",
        key_file=folder / "certificates/operator.key",
    )
    return ServiceProcess(
        name,
        service_command(name, Path("ringfence.toml")),
        address=addresses[f"{name}.listen"],
        log=folder / f"{name}.log",
        folder=folder,
        variables={"RINGFENCE_IDENTITY_SEAL": "a passphrase for a test"},
        credentials=tls.credentials(),
    )


async def readiness(folder: Path, address: str) -> tuple[int, str]:
    """Return what /readyz says once both feeds have been tried."""
    context = ssl.create_default_context(cafile=folder / "certificates/ca.pem")
    async with httpx.AsyncClient(verify=context) as client, asyncio.timeout(WAIT_S):
        while (answer := await client.get(f"https://{address}/readyz")).text.count("NOT_PERMITTED") < 2:
            await Pace().sleep_async(0.05)
    return answer.status_code, answer.text
