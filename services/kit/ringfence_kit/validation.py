"""Judges input where it enters: every `convert.py` collects what is wrong here and refuses once, with all of it.

The rules:

- each method returns the value it judged. Where nothing sensible can be returned it gives None, and `ok(value)` turns
  that into the value, or raises `InvalidRequest` with every violation found so far;
- a violation names the field by its path in the request (`agent.owner.email`, `items[3].action`, `labels[team]`);
- problems say what is allowed and never repeat a text value, which may be a secret or a megabyte;
- the work done on a value, and the number of violations kept, are bounded whatever the caller sends.
"""

import math
import re
import unicodedata
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from ringfence_kit.clock import Instant, Millis
from ringfence_kit.errors import InvalidRequest, Violation

T = TypeVar("T")

MOST_VIOLATIONS = 50
"""More than this helps nobody mend a request; the rest are counted."""

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1_000

ETAG_PATTERN = re.compile(r'"[\x21\x23-\x7e]{1,126}"')
"""RFC 9110 8.8.3, strong only."""

_UUID_PATTERN = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

# Characters that change how text around them reads, or cannot be seen: C0, C1, line and paragraph separators,
# directional overrides and isolates (UAX #9), the byte order mark.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_CONTROL_MULTILINE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")

# google.protobuf.Timestamp: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
_TIMESTAMP_SECONDS = range(-62_135_596_800, 253_402_300_800)
_NANOS = range(1_000_000_000)
# google.protobuf.Duration: about 10,000 years either way.
_DURATION_SECONDS_MAX = 315_576_000_000


class SecondsAndNanos(Protocol):
    """What google.protobuf.Timestamp and Duration have in common."""

    @property
    def seconds(self) -> int:
        """Whole seconds."""
        ...

    @property
    def nanos(self) -> int:
        """The rest, in nanoseconds."""
        ...


class Violations:
    """The violations of one request, and the checks that find them."""

    def __init__(self) -> None:
        self._found: list[Violation] = []
        self._left_out = [0]
        self._prefix = ""

    def at(self, path: str) -> "Violations":
        """Return a view that reports under `path`: `found.at("agent").text(v, "purpose")` reports `agent.purpose`."""
        view = Violations()
        view._found = self._found
        view._left_out = self._left_out
        view._prefix = f"{self._prefix}{path}."
        return view

    def add(self, field: str, problem: str) -> None:
        """Report that `field` has `problem`."""
        if len(self._found) < MOST_VIOLATIONS:
            self._found.append(Violation(self._prefix + field, problem))
        else:
            self._left_out[0] += 1

    def raise_if_any(self) -> None:
        """Raise InvalidRequest with all that was found; return when nothing was."""
        if not self._found:
            return
        if self._left_out[0]:
            raise InvalidRequest(*self._found, Violation("", f"{self._left_out[0]} more violations are not listed"))
        raise InvalidRequest(*self._found)

    def ok(self, value: T | None) -> T:
        """Return a checked value, or raise with every violation of the request."""
        self.raise_if_any()
        if value is None:
            raise AssertionError("a check returned None without reporting a violation")
        return value

    def text(
        self,
        value: str,
        field: str,
        *,
        max_bytes: int,
        required: bool = True,
        pattern: re.Pattern[str] | None = None,
        shape: str = "",
        multiline: bool = False,
    ) -> str:
        """Check a text: its size in UTF-8, normal form C, no control characters (newline and tab with `multiline`),
        and `pattern` as a whole, described to the caller by `shape`. An optional text may be empty."""
        if not value:
            if required:
                self.add(field, "must not be empty")
            return value
        if _longer_than(max_bytes, value):
            self.add(field, f"is longer than {max_bytes} bytes of UTF-8")
        elif required and value.isspace():
            self.add(field, "must not be blank")
        elif (_CONTROL_MULTILINE if multiline else _CONTROL).search(value):
            self.add(field, "contains control characters")
        elif not unicodedata.is_normalized("NFC", value):
            self.add(field, "is not in Unicode normal form C")
        elif pattern is not None and pattern.fullmatch(value) is None:
            self.add(field, f"must have the form {shape or pattern.pattern}")
        return value

    def resource_name(
        self, value: str, field: str, parse: Callable[[str], T | None], *, shape: str, max_bytes: int = 512
    ) -> T | None:
        """Parse a resource name (AIP-122) of the form `shape`: `namespaces/{namespace}/agents/{agent}`."""
        if not value:
            self.add(field, f"must not be empty; it has the form {shape}")
            return None
        parsed = None if _longer_than(max_bytes, value) else parse(value)
        if parsed is None:
            self.add(field, f"must have the form {shape}")
        return parsed

    def enum(self, value: int, field: str, known: Mapping[int, T], *, default: T | None = None) -> T | None:
        """Map an enum's number by `known`. 0 (…_UNSPECIFIED) gives `default`, and is a violation without one.

        proto3 keeps numbers it does not know: a newer client's value must be refused, not taken for something else.
        """
        found = known.get(value)
        if found is not None:
            return found
        if value == 0:
            if default is None:
                self.add(field, "must be set")
            return default
        self.add(field, f"{value} is not a value this server knows")
        return None

    def one_of(self, chosen: str | None, field: str, choices: Collection[str]) -> str | None:
        """Check that one member of a oneof is set: `found.one_of(m.WhichOneof("subject"), "subject", ["did", …])`."""
        if chosen is None or chosen not in choices:
            self.add(field, f"exactly one of {', '.join(choices)} must be set")
            return None
        return chosen

    def uuid(self, value: str, field: str, *, required: bool = True) -> str:
        """Check a UUID in its canonical form of 36 characters (RFC 9562 4); return it in lower case."""
        if not value and not required:
            return value
        if len(value) != 36 or _UUID_PATTERN.fullmatch(value) is None:
            self.add(field, "must be a UUID such as 123e4567-e89b-42d3-a456-426614174000")
            return value
        if uuid.UUID(value).int == 0:
            self.add(field, "must not be the nil UUID")
        return value.lower()

    def request_id(self, value: str, field: str = "request_id") -> str:
        """Check an idempotency key (AIP-155); empty means the caller wants none."""
        return self.uuid(value, field, required=False)

    def etag(self, value: str, field: str = "etag") -> str:
        """Check a strong quoted etag; empty means the caller does not care what it overwrites (AIP-154)."""
        if value and ETAG_PATTERN.fullmatch(value) is None:
            self.add(field, 'must be an etag as it was returned, quotes included: "17-…"')
        return value

    def page_size(
        self, value: int, field: str = "page_size", *, default: int = PAGE_SIZE_DEFAULT, maximum: int = PAGE_SIZE_MAX
    ) -> int:
        """Return the page size to use: 0 gives the default, too many the maximum (AIP-158)."""
        if value < 0:
            self.add(field, "must not be negative")
        return min(value, maximum) if value > 0 else default

    def integer(self, value: int, field: str, *, minimum: int, maximum: int) -> int:
        """Check a whole number's range, both ends included."""
        if not minimum <= value <= maximum:
            self.add(field, f"must be from {minimum} to {maximum}")
        return value

    def number(self, value: float, field: str, *, minimum: float, maximum: float) -> float:
        """Check that a floating-point number is finite and in range, both ends included."""
        if not math.isfinite(value) or not minimum <= value <= maximum:
            self.add(field, f"must be a number from {minimum:g} to {maximum:g}")
        return value

    def octets(self, value: bytes, field: str, *, max_bytes: int, min_bytes: int = 0) -> bytes:
        """Check the length of a bytes field."""
        if not value and min_bytes > 0:
            self.add(field, "must not be empty")
        elif not min_bytes <= len(value) <= max_bytes:
            allowed = f"{min_bytes} to {max_bytes}" if min_bytes != max_bytes else str(max_bytes)
            self.add(field, f"must be {allowed} bytes long")
        return value

    def timestamp(
        self,
        value: SecondsAndNanos,
        field: str,
        *,
        not_before: Instant | None = None,
        not_after: Instant | None = None,
    ) -> Instant | None:
        """Check a google.protobuf.Timestamp that is set; return it cut to milliseconds."""
        if value.seconds not in _TIMESTAMP_SECONDS or value.nanos not in _NANOS:
            self.add(field, "is not a valid timestamp (years 1 to 9999, nanos 0 to 999,999,999)")
            return None
        instant = Instant(value.seconds * 1_000 + value.nanos // 1_000_000)
        if not_before is not None and instant < not_before:
            self.add(field, "lies too far in the past")
        if not_after is not None and instant > not_after:
            self.add(field, "lies too far in the future")
        return instant

    def duration(self, value: SecondsAndNanos, field: str, *, minimum: Millis, maximum: Millis) -> Millis | None:
        """Check a google.protobuf.Duration that is set, in range at both ends; return it cut to milliseconds."""
        signs_differ = value.seconds * value.nanos < 0
        if abs(value.seconds) > _DURATION_SECONDS_MAX or abs(value.nanos) not in _NANOS or signs_differ:
            self.add(field, "is not a valid duration")
            return None
        nanos = value.seconds * 1_000_000_000 + value.nanos
        # Compared before it is cut, so that -1 ns is not taken for zero.
        if not minimum * 1_000_000 <= nanos <= maximum * 1_000_000:
            self.add(field, f"must be from {minimum / 1_000:g} s to {maximum / 1_000:g} s")
        return Millis(nanos // 1_000_000)

    def items(self, values: Sequence[T], field: str, *, max_items: int, min_items: int = 0) -> Iterator[tuple[str, T]]:
        """Check how many there are, then give each with its path; the surplus is reported and not given."""
        if len(values) < min_items:
            self.add(field, f"must have at least {min_items} {'entry' if min_items == 1 else 'entries'}")
        if len(values) > max_items:
            self.add(field, f"has {len(values)} entries; at most {max_items} are allowed")
        for index, value in enumerate(values[:max_items]):
            yield f"{field}[{index}]", value

    def distinct(self, values: Sequence[object], field: str) -> None:
        """Check that no value comes twice."""
        seen: dict[object, int] = {}
        for index, value in enumerate(values):
            first = seen.setdefault(value, index)
            if first != index:
                self.add(f"{field}[{index}]", f"repeats {field}[{first}]")

    def mapping(
        self,
        values: Mapping[str, str],
        field: str,
        *,
        max_entries: int,
        keys: re.Pattern[str],
        keys_shape: str,
        max_key_bytes: int = 63,
        max_value_bytes: int,
    ) -> dict[str, str]:
        """Check a map of texts (labels): its size, each key's form and length, each value as an optional text."""
        if len(values) > max_entries:
            self.add(field, f"has {len(values)} entries; at most {max_entries} are allowed")
            return {}
        for key, value in values.items():
            if _longer_than(max_key_bytes, key) or keys.fullmatch(key) is None:
                self.add(field, f"keys must have the form {keys_shape}, at most {max_key_bytes} bytes")
            else:
                self.text(value, f"{field}[{key}]", max_bytes=max_value_bytes, required=False)
        return dict(values)

    def update_mask(
        self, paths: Sequence[str], allowed: Collection[str], field: str = "update_mask", *, when_empty: Collection[str]
    ) -> frozenset[str]:
        """Check a field mask (AIP-134): `*` alone means every allowed path, an empty one means `when_empty`."""
        if not paths:
            return frozenset(when_empty)
        if list(paths) == ["*"]:
            return frozenset(allowed)
        for index, path in enumerate(paths):
            if path not in allowed:
                self.add(f"{field}.paths[{index}]", f"must be one of {', '.join(sorted(allowed))}, or * alone")
        return frozenset(allowed).intersection(paths)


def _longer_than(max_bytes: int, text: str) -> bool:
    """Say whether `text` takes more than `max_bytes` in UTF-8, without encoding a text that is far too long."""
    return len(text) > max_bytes or (len(text) * 4 > max_bytes and len(text.encode("utf-8", "replace")) > max_bytes)
