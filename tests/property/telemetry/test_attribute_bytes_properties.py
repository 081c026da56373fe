"""Attributes are read off their bytes as protobuf reads them, whatever they are and however they are laid out."""

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from ringfence_telemetry.attribute_bytes import UNREADABLE, name_of, read_attribute, read_fields
from ringfence_telemetry.attribute_values import Value

NAMES = st.text(max_size=20) | st.just("n" * 200) | st.sampled_from(["gen_ai.agent.id", "session.id"])
SCALARS = st.one_of(
    st.builds(AnyValue, string_value=st.text(max_size=20) | st.just("v" * 300)),
    st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(AnyValue, double_value=st.floats(allow_nan=False)),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=5)),
    st.just(AnyValue()),
)
VALUES = SCALARS | st.builds(
    lambda items: AnyValue(array_value=ArrayValue(values=items)), st.lists(SCALARS, max_size=2)
)
VALUES |= st.builds(lambda item: AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=item)])), SCALARS)
ATTRIBUTES = st.builds(KeyValue, key=NAMES, value=VALUES)


def as_protobuf_reads(attribute: KeyValue) -> tuple[str, Value]:
    value = attribute.value
    match value.WhichOneof("value"):
        case "string_value":
            return attribute.key, value.string_value
        case "int_value":
            return attribute.key, value.int_value
        case "double_value":
            number = value.double_value
            return attribute.key, int(number) if number.is_integer() and abs(number) < 2**63 else number
        case _:
            return attribute.key, UNREADABLE


@given(ATTRIBUTES)
def test_an_attribute_is_what_protobuf_says(attribute: KeyValue) -> None:
    encoded = attribute.SerializeToString()
    name, value = read_attribute(encoded)
    expected = as_protobuf_reads(attribute)
    assert (name, value) == expected
    assert type(value) is type(expected[1])


@given(ATTRIBUTES)
def test_a_name_told_without_reading_is_the_name(attribute: KeyValue) -> None:
    told = name_of(attribute.SerializeToString())
    assert told is None or told.decode() == attribute.key


@given(st.lists(ATTRIBUTES, min_size=1, max_size=3), st.booleans())
def test_the_last_of_several_wins_as_in_protobuf(attributes: list[KeyValue], value_first: bool) -> None:
    encoded = b"".join(attribute.SerializeToString() for attribute in attributes)
    if value_first:
        encoded = KeyValue(value=AnyValue(int_value=7)).SerializeToString() + encoded
    merged = KeyValue.FromString(encoded)
    if merged.value.WhichOneof("value") not in ("array_value", "kvlist_value"):
        assert read_attribute(encoded) == as_protobuf_reads(merged)
    told = name_of(encoded)
    assert told is None or told.decode() == merged.key


@given(ATTRIBUTES, st.binary(max_size=6))
def test_fields_nobody_knows_are_passed_over(attribute: KeyValue, more: bytes) -> None:
    unknown = b"\x7a" + bytes([len(more)]) + more + b"\x79" + bytes(8) + b"\x7d" + bytes(4) + b"\x78\x01"
    encoded = unknown + attribute.SerializeToString() + unknown
    assert read_attribute(encoded) == as_protobuf_reads(attribute)


@settings(max_examples=500)
@given(st.binary(max_size=40))
def test_bytes_that_are_no_attribute_say_nothing_and_break_nothing(noise: bytes) -> None:
    read_attribute(noise)
    name_of(noise)
    read_fields(noise)
