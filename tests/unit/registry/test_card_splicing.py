"""Splicing a signature into a card's bytes, shape by shape; the property is in `test_card_splicing_properties.py`."""

import pytest
from ringfence_registry.cards.signatures.splicing import NoRoomForSignature, with_signature

ENTRY = {"protected": "p", "signature": "s"}
WRITTEN = '{"protected":"p","signature":"s"}'


@pytest.mark.parametrize(
    ("card", "spliced"),
    [
        ("{}", f'{{"signatures":[{WRITTEN}]}}'),
        (" { } ", f' {{"signatures":[{WRITTEN}] }} '),
        ('{"name":"a"}', f'{{"name":"a","signatures":[{WRITTEN}]}}'),
        ('{\n  "name": "a"\n}\n', f'{{\n  "name": "a","signatures":[{WRITTEN}]\n}}\n'),
        ('{"signatures":[]}', f'{{"signatures":[{WRITTEN}]}}'),
        ('{"signatures": [ \t\n ] }', f'{{"signatures": [{WRITTEN} \t\n ] }}'),
        ('{"signatures":[{"a":1}],"b":2}', f'{{"signatures":[{{"a":1}},{WRITTEN}],"b":2}}'),
        ('{"signatures": [ {"a": 1} ]}', f'{{"signatures": [ {{"a": 1}},{WRITTEN} ]}}'),
        ('{"signatures":null,"b":[]}', f'{{"signatures":[{WRITTEN}],"b":[]}}'),
        ('{"signat\\u0075res":[1]}', f'{{"signat\\u0075res":[1,{WRITTEN}]}}'),
        ('{"a":{"signatures":[]}}', f'{{"a":{{"signatures":[]}},"signatures":[{WRITTEN}]}}'),
        ('{"a":"\\"signatures\\":[]","b":"}"}', f'{{"a":"\\"signatures\\":[]","b":"}}","signatures":[{WRITTEN}]}}'),
        ('{"é":"\U0001f600"}', f'{{"é":"\U0001f600","signatures":[{WRITTEN}]}}'),
    ],
)
def test_an_entry_is_written_where_the_list_ends_or_begins(card: str, spliced: str) -> None:
    assert with_signature(card.encode(), {**ENTRY}) == spliced.encode()


@pytest.mark.parametrize("signatures", ["7", '"x"', "{}", "true"])
def test_what_is_no_list_is_left_alone(signatures: str) -> None:
    with pytest.raises(NoRoomForSignature):
        with_signature(f'{{"signatures":{signatures}}}'.encode(), {**ENTRY})
