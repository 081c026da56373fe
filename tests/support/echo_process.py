"""`python -m support.echo_process`: the echo service as a process of its own, through the kit's entry point."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ringfence_kit.config import setting
from ringfence_kit.entry import serve
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import Face, HttpFace, Service, fast_listener
from ringfence_kit.store import StorageRefused

from support.echo import Echo, add_echo_to_server, echo_service
from support.living import Living


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoConfig:
    """Settings of the echo service."""

    greeting: str = setting("hello", doc="What it would say if it spoke first.")
    listen: str = setting("127.0.0.1:0", doc="Where it listens.")
    fast_listen: str = setting("", doc="Where it listens by libnghttp2 as well; empty does not.")
    http_listen: str = setting("127.0.0.1:0", doc="Where its metrics are.")
    locked: Path | None = setting(None, doc="A data file another process holds.")


def build(config: EchoConfig, _server: ServerConfig, **_given: Any) -> Service:
    """Put the echo service together."""
    if config.locked is not None:
        raise StorageRefused(f"{config.locked} is in use by another process; stop it, or choose another --data")
    echo = Echo()
    service = echo_service(echo, port={"address": config.listen})
    faces = [Face(add_echo_to_server, echo)]
    fast = fast_listener(config.fast_listen, setting="echo.fast_listen", faces=faces)
    http = HttpFace(address=config.http_listen, setting="echo.http_listen")
    return replace(service, listeners=[*service.listeners, *fast], http=http, collectors=[Living()])


if __name__ == "__main__":
    sys.exit(serve("echo", EchoConfig, build))
