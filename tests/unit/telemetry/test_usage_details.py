"""Counts told as JSON text: what is no object of counts says nothing, and nothing raises."""

import pytest
from ringfence_telemetry.usage_details import SIZE_MAX, UsageDetails, usage_details_of


@pytest.mark.parametrize(
    "text", ["", "null", "[1]", "7", "{", '{"input": 1', "[" * SIZE_MAX, '{"input": 1}' + " " * SIZE_MAX, 3, None]
)
def test_what_is_no_object_of_counts_says_nothing(text: str | int | None) -> None:
    assert usage_details_of(text) is None


def test_counts_that_cannot_be_believed_are_left_away() -> None:
    text = '{"input": -1, "output": true, "input_audio": 1e99, "output_audio": NaN, "cache_read_input_tokens": "4"}'
    assert usage_details_of(text) == UsageDetails(4, 0, 4, 0, 0, 0)


def test_a_total_says_that_what_is_cached_is_within_the_input() -> None:
    text = '{"input": 100, "input_cached_tokens": 40, "output": 10, "output_reasoning_tokens": 6, "total": 110}'
    assert usage_details_of(text) == UsageDetails(100, 10, 40, 0, 6, 110)


def test_what_was_written_to_the_cache_is_counted_once_however_long_it_is_kept() -> None:
    text = (
        '{"input": 5, "output": 1, "cache_creation_input_tokens": 20, "cache_creation_ephemeral_5m_input_tokens": 20,'
        ' "cache_read_input_tokens": 3}'
    )
    assert usage_details_of(text) == UsageDetails(28, 1, 3, 20, 0, 0)
