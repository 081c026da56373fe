"""Paths, URIs and hosts in one reading: what two servers look for in different places is refused, one spelling stays.

The rules:

- what some servers resolve or cut off, and others take as it is, stands in no path: dot segments, empty segments, a
  semicolon, backslash or `#`; `/`, `?`, `%` or any of these percent-encoded; controls; percent signs that encode
  nothing; bytes that are no UTF-8; letters, digits, `-` or `_` encoded although nobody has to (RFC 3986, 6.2.2.2);
- what is left is spelled as RFC 3986 has it, so that a rule names it once: what a path may hold is written plainly, all
  else percent-encoded with capitals (6.2.2.1). A slash at the end stays: to many servers it is another place;
- a host is written small, without the dot that ends a name and without the port its scheme has anyway (6.2.3).
"""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.model import Reason

PATH_MAX: Final = 512
"""Characters of what a decision may name."""

_TWO_WAYS: Final = re.compile(
    r"//|/\.{1,2}(?:/|$)|[;\\#]"
    r"|%(?![0-9a-f]{2})"
    r"|%(?:[01][0-9a-f]|2[3ef]|25|2d|3[0-9bf]|4[1-9a-f]|5[0-9acf]|6[1-9a-f]|7[0-9af])"
    r"|[^!-~]",
    re.IGNORECASE,
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9/:@!$&'()*+,=._~-]*")
_USUAL: Final = re.compile(r"(?:/[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*+)*+/?")
"""Words between single slashes, with single dots within them: nothing of `_TWO_WAYS`, and all of it plain."""
_UNQUOTED: Final = "/:@!$&'()*+,=~"
"""What a path may hold besides letters, digits, `.`, `_` and `-` (RFC 3986, 3.3: pchar), less `;`."""

_URI: Final = re.compile(r"([a-z][a-z0-9+.-]*:)(//[^/?#%]*)?([^?#]*)(\?[^#]*)?")
_NO_URI: Final = re.compile(r"[^!-~]")
_HOST: Final = re.compile(r"((?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)|\[[0-9a-f:.]+\])\.?(?::(?:80|443)|(:[0-9]{1,5}))?")


def path_of(target: str) -> str:
    """Return the path of a request target in its one spelling, without the query; or raise Refused."""
    path = target.partition("?")[0]
    if not path.startswith("/"):
        raise _invalid("the path does not begin with /")
    if len(path) > PATH_MAX:
        raise _invalid(f"the path is longer than {PATH_MAX} characters")
    return _spelled(path, "the path")


def uri_of(uri: str) -> str:
    """Return a resource's URI in its one spelling, or raise Refused.

    What is written plainly though a URI has to encode it (a space, an accent) is encoded first: clients differ in that.
    """
    parts = _URI.fullmatch(_NO_URI.sub(lambda found: quote(found[0]), uri))
    if parts is None or "\\" in uri:
        raise _invalid(
            "the URI can be read in two ways; it has to begin with a scheme in small letters, and have no fragment"
        )
    scheme, authority, path, query = parts.groups("")
    rootless = "" if path.startswith("/") else "/"
    path = _spelled(rootless + path, "the path of the URI").removeprefix(rootless)
    if scheme == "file:" and not rootless and authority in ("", "//localhost"):
        authority = "//"  # RFC 8089, 2: file:/a, file:///a and file://localhost/a are one file
    return f"{scheme}{authority}{path}{query}"


@lru_cache(maxsize=1_024)
def host_of(host: str) -> str:
    """Return a host in its one spelling, or raise Refused; none stays none."""
    parts = _HOST.fullmatch(host.lower())
    if parts is None and host:
        raise _invalid("the host can be read in two ways: it has to be a name or an address, and a port at most")
    return "" if parts is None else f"{parts[1]}{parts[2] or ''}"


def _spelled(path: str, what: str) -> str:
    return path if _USUAL.fullmatch(path) is not None else spelled_closely(path, what)


def spelled_closely(path: str, what: str) -> str:
    """Return any path in its one spelling, or raise Refused; `what` it is, in words."""
    found = _TWO_WAYS.search(path)
    if found is not None:
        advice = "send it resolved (normalize_path does), and encode only what has to be"
        raise _invalid(f"{what} can be read in two ways, at {found[0]!a}; {advice}")
    if _PLAIN.fullmatch(path) is not None:
        return path
    sent = unquote_to_bytes(path)
    try:
        sent.decode()
    except UnicodeDecodeError:
        raise _invalid(f"{what} can be read in two ways: decoded, it is not UTF-8") from None
    return quote(sent, safe=_UNQUOTED)


def _invalid(message: str) -> Refused:
    return Refused(Reason.REQUEST_INVALID, message)
