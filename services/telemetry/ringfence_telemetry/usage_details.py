"""Counts of tokens that are told as JSON text in one attribute (Langfuse: `langfuse.observation.usage_details`).

Pure, and nothing a sender writes can raise. The rules:

- what stands in an object of its own (`prompt_tokens_details`) is part of the count it belongs to, as at providers;
- what stands beside `input` or `output` is beside them, as Langfuse adds up, unless a total says that it is within;
- kinds of a price, and not of a token (`priority`), are no further tokens.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from ringfence_telemetry.attribute_values import Value, tokens_of

_Told: TypeAlias = Mapping[str, object]

SIZE_MAX = 4_096
"""Characters of a text that is read."""

_INPUT, _OUTPUT = ("input", "input_tokens", "prompt_tokens"), ("output", "output_tokens", "completion_tokens")
_TOTAL = ("total", "total_tokens")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details")
_CACHE_READ = ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read", "cached_tokens", "cache_read")
_CACHE_WRITE = ("cache_creation_input_tokens", "input_cache_creation", "cache_creation", "cache_write_tokens")
_REASONING = ("output_reasoning", "output_reasoning_tokens", "reasoning_tokens", "reasoning")
_PRIORITY = "priority"


class UsageDetails(NamedTuple):
    """What a text tells, in the order in which spans state it."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    total_tokens: int


def usage_details_of(value: Value) -> UsageDetails | None:
    """Return what a text tells; None when it is no object of counts."""
    if not isinstance(value, str) or len(value) > SIZE_MAX:
        return None
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return _read(told) if isinstance(told, dict) else None


def _read(told: _Told) -> UsageDetails:
    input_, output, total = _first(told, _INPUT), _first(told, _OUTPUT), _first(told, _TOTAL)
    of_input, of_output = _part(told, _INPUT_DETAILS), _part(told, _OUTPUT_DETAILS)
    if not total or total != input_ + output:
        input_ += _beside(told, "input_", (*_INPUT, *_CACHE_READ, *_CACHE_WRITE))
        input_ += _first(told, _CACHE_READ) + _first(told, _CACHE_WRITE)
        output += _beside(told, "output_", _OUTPUT)
    return UsageDetails(
        input_,
        output,
        _first(told, _CACHE_READ) or _first(of_input, _CACHE_READ),
        _first(told, _CACHE_WRITE) or _first(of_input, _CACHE_WRITE),
        _first(told, _REASONING) or _first(of_output, _REASONING),
        total,
    )


def _first(told: _Told, names: tuple[str, ...]) -> int:
    return next((count for name in names if (count := _count(told.get(name)))), 0)


def _part(told: _Told, names: tuple[str, ...]) -> _Told:
    return next((part for name in names if isinstance(part := told.get(name), dict)), {})


def _beside(told: _Told, prefix: str, other: tuple[str, ...]) -> int:
    kinds = [name for name in told if name.startswith(prefix) and name not in other and _PRIORITY not in name]
    return sum(_count(told[name]) or 0 for name in kinds)


def _count(value: object) -> int | None:
    return tokens_of(value) if isinstance(value, int | float | str) else None
