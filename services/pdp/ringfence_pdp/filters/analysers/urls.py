"""What an argument that is a URL or a host reaches for: inside, where it should not, or out, with what it should not.

The rules:

- a URL is read as a client would read it, which is not how a person does: what stands before `@` is no host, `\\` is
  `/`, letters of other alphabets are other letters;
- where a host is follows from how it is written alone (`hosts.py`);
- an unknown host is nothing bad, and a long value in a query is nothing bad: both together are worth a note.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from ringfence_pdp.filters.analysers import places
from ringfence_pdp.filters.analysers.hosts import Where, is_disguised, where
from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, MEDIUM, Hit, Judgement
from ringfence_pdp.filters.words import word_set

METADATA: Final = Judgement("url.metadata", "credential", HIGH, "the machine's own credentials are handed out there")
DISGUISED: Final = Judgement(
    "url.disguised-address", "evasion", HIGH, "an address is written so that nobody recognises it"
)
LOOPBACK: Final = Judgement("url.loopback", "injection", MEDIUM, "the host is the machine itself")
LINK_LOCAL: Final = Judgement("url.link-local", "injection", MEDIUM, "only the machine itself reaches the host")
PRIVATE: Final = Judgement("url.private-address", "injection", LOW, "the address is inside a private network")
INTERNAL: Final = Judgement("url.internal-name", "injection", LOW, "the name only means something inside a network")
ADDRESS: Final = Judgement("url.bare-address", "exfiltration", LOW, "the host is an address without a name")
COLLECTOR: Final = Judgement("url.collector", "exfiltration", HIGH, "what is sent there is shown to whoever set it up")
FILE: Final = Judgement("url.file", "credential", HIGH, "the URL reads a file of the machine")
SCHEME: Final = Judgement(
    "url.dangerous-scheme", "injection", HIGH, "the scheme runs something or speaks to other services"
)
SCRIPT: Final = Judgement("url.script", "injection", HIGH, "the URL is a script")
USERINFO: Final = Judgement("url.deceptive-host", "evasion", HIGH, "what looks like the host is a user name")
CREDENTIALS: Final = Judgement("url.credentials", "credential", LOW, "the URL carries a user name and a password")
CONFUSED: Final = Judgement("url.confused-parsers", "evasion", HIGH, "clients do not agree which host this is")
LOOK_ALIKE: Final = Judgement("url.look-alike", "evasion", MEDIUM, "the host mixes alphabets, as names do that pretend")
CONTROL: Final = Judgement(
    "url.control-characters", "injection", HIGH, "line breaks in a URL become headers or commands"
)
CARRIES: Final = Judgement("url.carries-data", "exfiltration", MEDIUM, "the query carries much that is not readable")
CARRIES_HOST: Final = Judgement(
    "url.data-in-host", "exfiltration", MEDIUM, "the host name carries data to whoever answers it"
)
PLACEHOLDER: Final = Judgement(
    "url.carries-secret", "exfiltration", HIGH, "a secret of the machine is put into the URL"
)

ALL: Final = (
    *(METADATA, DISGUISED, LOOPBACK, LINK_LOCAL, PRIVATE, INTERNAL, ADDRESS, COLLECTOR, FILE, SCHEME, SCRIPT, USERINFO),
    *(CREDENTIALS, CONFUSED, LOOK_ALIKE, CONTROL, CARRIES, CARRIES_HOST, PLACEHOLDER),
)

URL_MAX: Final = 8_192

_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.\-]{0,30}):")
_HIDDEN: Final = re.compile(r"[\t\r\n]")
_SCRIPTS: Final = word_set("javascript vbscript livescript mocha jscript")
_DANGEROUS: Final = word_set(
    "gopher dict ldap ldaps ldapi tftp jar netdoc rmi jndi phar expect php view-source smb telnet"
)
_HTTP: Final = word_set("http https ws wss ftp ftps sftp ssh git s3 gs data blob about mailto tel")
_HOSTLESS: Final = word_set("data blob about mailto tel")
_AUTHORITY: Final = re.compile(r"[\\/]{0,4}([^\\/?#]*)(.*)", re.DOTALL)
_PORT: Final = re.compile(r":(\d{0,5})$")
_BREAKS: Final = re.compile(r"%0[ad]|%E5%98%8[AD]|[\r\n]", re.IGNORECASE)
_ACTIVE_DATA: Final = re.compile(r"\s*data:[^,]{0,100}(?:html|javascript|svg|xml|x-sh)", re.IGNORECASE)
_SECRET_NAMES: Final = re.compile(
    r"\$\{?(?:\w*(?:SECRET|TOKEN|PASSWORD|API_?KEY|CREDENTIAL)\w*)|\$\(|`|\{\{\s*(?:secrets?|env|process\.env"
    r"|config)\b",
    re.IGNORECASE,
)
_SIGNED: Final = re.compile(
    r"(?:^|[?&])(?:x-amz-signature|sig|signature|state|code|token|id_token|utm_\w+|gclid|fbclid)=", re.IGNORECASE
)
_PLAIN_VALUE: Final = re.compile(r"[a-z0-9]{8}-(?:[a-z0-9]{4}-){3}[a-z0-9]{12}|\d+|[A-Za-z]+", re.ASCII)
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/_\-]{64,}={0,2}|[0-9a-fA-F]{64,}")
_LONG_LABEL: Final = re.compile(r"(?:^|\.)[a-z0-9_\-]{40,63}\.", re.IGNORECASE)
_BITS: Final = 4.2
_VALUE_MIN: Final = 64
_HEX: Final = re.compile(r"[0-9a-fA-F]{64,}")


_BY_PLACE: Final = {
    Where.METADATA: METADATA,
    Where.LOOPBACK: LOOPBACK,
    Where.LINK_LOCAL: LINK_LOCAL,
    Where.PRIVATE: PRIVATE,
    Where.COLLECTOR: COLLECTOR,
    Where.PUBLIC_ADDRESS: ADDRESS,
    Where.INTERNAL_NAME: INTERNAL,
}
_ONLY_IN_URLS: Final = frozenset((Where.PUBLIC_ADDRESS, Where.INTERNAL_NAME))


class _Parts(NamedTuple):
    scheme: str
    userinfo: str
    host: str
    port: str
    rest: str


def hits(text: str) -> Iterator[Hit]:
    """Yield what is wrong with a URL or a host."""
    end, head = len(text), text[:URL_MAX]
    return (judgement.at(0, end) for judgement in _judged(head))


def _judged(head: str) -> Iterator[Judgement]:
    parts = _parts(head)
    if parts.scheme in _SCRIPTS or _ACTIVE_DATA.match(head):
        yield SCRIPT
        return
    if parts.scheme == "file":
        yield from _of_file(parts)
        return
    if parts.scheme in _DANGEROUS:
        yield SCHEME
    elif parts.scheme not in _HTTP and parts.scheme:
        return
    if _BREAKS.search(head) and parts.scheme:
        yield CONTROL
    yield from _of_host(parts, head)
    if parts.userinfo:
        yield from _of_user(parts)
    yield from _of_data(parts)


def _of_file(parts: _Parts) -> Iterator[Judgement]:
    path = places.plain(unquote(parts.rest))
    if places.secrecy(path) is not None or not parts.rest.startswith("/tmp/"):  # noqa: S108 - a path that is judged
        yield FILE


def _of_host(parts: _Parts, head: str) -> Iterator[Judgement]:
    host, is_url = parts.host, bool(parts.scheme)
    if parts.scheme in _HOSTLESS or (not is_url and "." not in host and ":" not in host and host != "localhost"):
        return
    place = where(host)
    if is_disguised(host) and (is_url or "." in host or host.startswith("0x")):
        yield DISGUISED
    judgement = _BY_PLACE.get(place)
    if judgement is not None and (is_url or place not in _ONLY_IN_URLS):
        yield judgement if is_url or place is Where.METADATA else judgement.less(LOW)
    if is_url and ("\\" in head.partition("?")[0] or parts.host.count("@") or "#@" in head):
        yield CONFUSED
    if _mixes_alphabets(host):
        yield LOOK_ALIKE
    if place is Where.NAME and _LONG_LABEL.search(host) and _bits(host.partition(".")[0]) > _BITS - 0.7:
        yield CARRIES_HOST


def _of_user(parts: _Parts) -> Iterator[Judgement]:
    user = unquote(parts.userinfo.partition(":")[0])
    if "." in user or "/" in user or "@" in parts.userinfo:
        yield USERINFO
    elif ":" in parts.userinfo:
        yield CREDENTIALS


def _of_data(parts: _Parts) -> Iterator[Judgement]:
    if _SECRET_NAMES.search(parts.rest) or _SECRET_NAMES.search(parts.host):
        yield PLACEHOLDER
    if where(parts.host) not in (Where.NAME, Where.PUBLIC_ADDRESS, Where.COLLECTOR):
        return
    query = parts.rest.partition("?")[2].partition("#")[0]
    if any(_is_opaque(value) for value in _values(query)) and not _SIGNED.search(query):
        yield CARRIES
    elif any(_is_opaque(piece) for piece in parts.rest.partition("?")[0].split("/")[1:32]) and not query:
        yield CARRIES.less(LOW)


def query_values(url: str) -> Sequence[str]:
    """Return the decoded values in the query of a URL, which may be texts of any kind."""
    return [unquote(value.replace("+", " "), errors="replace") for value in _values(url[:URL_MAX].partition("?")[2])]


def _values(query: str) -> Sequence[str]:
    return [pair.partition("=")[2] or pair for pair in query.split("&")[:64] if pair]


def _is_opaque(value: str) -> bool:
    plain = unquote(value)
    if len(plain) < _VALUE_MIN or not _ENCODED.search(plain):
        return False
    return (_HEX.fullmatch(plain) is not None and len(plain) > _VALUE_MIN) or _bits(plain) > _BITS


def _bits(text: str) -> float:
    """Return how many bits a character of `text` says."""
    if not text:
        return 0.0
    size = len(text)
    return -sum(count / size * math.log2(count / size) for count in Counter(text).values())


def _parts(text: str) -> _Parts:
    scheme_found = _SCHEME.match(text)
    plain = _HIDDEN.sub("", text.strip())
    scheme, rest = "", plain
    if scheme_found is not None or _SCHEME.match(plain):
        before, _, after = plain.partition(":")
        # `localhost:8080` is a host and a port.
        if not re.match(r"\d{1,5}(?:/|$)", after):
            scheme, rest = before.lower(), after
    found = _AUTHORITY.match(rest)
    authority, path = (found.group(1), found.group(2)) if found is not None else ("", "")
    userinfo, _, hostport = authority.rpartition("@")
    hostport = unquote(hostport)
    if hostport.startswith("["):
        host, _, port = hostport[1:].partition("]")
        return _Parts(scheme, userinfo, host.lower(), port.lstrip(":"), path)
    port_found = _PORT.search(hostport)
    host = hostport[: port_found.start()] if port_found is not None and hostport.count(":") == 1 else hostport
    return _Parts(scheme, userinfo, _folded(host), port_found.group(1) if port_found is not None else "", path)


def _folded(host: str) -> str:
    """Return a host as clients look it up: full-width digits and dots are digits and dots."""
    if host.isascii():
        return host.lower()
    return unicodedata.normalize("NFKC", host).replace("。", ".").lower()


def _mixes_alphabets(host: str) -> bool:
    label_texts = []
    for label in host.split("."):
        if label.startswith("xn--"):
            try:
                label_texts.append(label[4:].encode("ascii").decode("punycode"))
            except UnicodeError:
                return True
        else:
            label_texts.append(label)
    return any(_is_mixed(label) for label in label_texts)


def _is_mixed(label: str) -> bool:
    if label.isascii():
        return False
    latin = any("a" <= letter <= "z" or "\u00c0" <= letter <= "\u024f" for letter in label)
    other = any("\u0370" <= letter <= "\u058f" or "\u13a0" <= letter <= "\u13ff" for letter in label)
    return (latin and other) or (other and all(letter in _LATIN_LOOKS or letter in "-0123456789" for letter in label))


_LATIN_LOOKS: Final = frozenset("аеорсухіјѕһԁԛԝɡαορνκτιѵьӏ")
