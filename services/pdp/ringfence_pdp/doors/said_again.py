"""Headers that say again what a request says itself: its method, its path, its host.

Gateways and proxies write them so that a server behind knows what was asked of them; callers write them so that a
server that believes them does something else than what was decided (CVE-2023-27487). The rules:

- what tells some servers to make another request of it is refused, whatever it says;
- what only repeats the request has to repeat it: the same method, the same path and query, the same host, in any
  spelling that is the same place to a rule. Where several proxies wrote one after another, each of them;
- `x-forwarded-server` is none of these: it names the proxy, not what is asked for.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from ringfence_pdp.doors.headers import Headers
from ringfence_pdp.doors.paths import host_of, path_of
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.model import Reason

OVERRIDING: Final = ("x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url")

_PATHS: Final = ("x-original-uri", "x-forwarded-uri", "x-forwarded-path", "x-envoy-original-path", "x-request-uri")
_METHODS: Final = ("x-original-method", "x-forwarded-method")
_HOSTS: Final = ("x-forwarded-host", "x-original-host", "x-envoy-original-host", "x-host")
_FORWARDED: Final = "forwarded"
_LOOKED_AT: Final = frozenset({*OVERRIDING, *_PATHS, *_METHODS, *_HOSTS, _FORWARDED})

_HOST_SAID: Final = re.compile(r"(?i)(?:^|[;,])\s*host\s*=\s*(?:\"([^\"]*)\"|([^;,\s]*))")
_SAYS_HOST: Final = re.compile(r"(?i)host\s*=")
_WITH_HOST: Final = re.compile(r"(?i)https?://([^/?#]*)(.*)")


def check_said_again(method: str, path: str, host: str, headers: Headers) -> None:
    """Raise Refused where a header makes something else of a request than what it says itself."""
    for name, values in headers.among(_LOOKED_AT):
        if name in OVERRIDING:
            raise _invalid(f"the header {name} would make another request of it to some servers")
        for value in values:
            if not _is_same(name, value, method, path, host):
                problem = f"the header {name} says {value[:40]!a}, which the request does not say itself"
                raise _invalid(f"{problem}; drop it at the gateway, or let it repeat the request")


def _is_same(name: str, value: str, method: str, path: str, host: str) -> bool:
    try:
        return _SAME[name](value, method, path, host)
    except Refused:  # it can be read in two ways, and one of them is another place
        return False


def _is_method(value: str, method: str, _path: str, _host: str) -> bool:
    return value.strip() == method


def _is_path(value: str, _method: str, path: str, host: str) -> bool:
    said = value.strip()
    absolute = _WITH_HOST.fullmatch(said)
    if absolute is not None:
        if not _is_one_host(absolute[1], host):
            return False
        said = absolute[2] or "/"
    if said == path:
        return True
    return path_of(said) == path_of(path) and said.partition("?")[2] == path.partition("?")[2]


def _is_host(value: str, _method: str, _path: str, host: str) -> bool:
    return all(_is_one_host(one.strip(), host) for one in value.split(","))


def _is_forwarded(value: str, _method: str, _path: str, host: str) -> bool:
    """RFC 7239, 4: `for=…;host=…, for=…`."""
    said = [quoted or plain for quoted, plain in _HOST_SAID.findall(value)]
    return len(said) == len(_SAYS_HOST.findall(value)) and all(_is_one_host(one, host) for one in said)


def _is_one_host(said: str, host: str) -> bool:
    return said == host or host_of(said) == host_of(host) != ""


_SAME: Final[Mapping[str, Callable[[str, str, str, str], bool]]] = {
    **dict.fromkeys(_PATHS, _is_path),
    **dict.fromkeys(_METHODS, _is_method),
    **dict.fromkeys(_HOSTS, _is_host),
    _FORWARDED: _is_forwarded,
}


def _invalid(message: str) -> Refused:
    return Refused(Reason.REQUEST_INVALID, message)
