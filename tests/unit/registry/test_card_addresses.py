"""Addresses taken apart as those who connect would, and never looked up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence_registry.cards.addresses import Address, normal_address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://a.example.com", Address("a.example.com", "https")),
        ("HTTPS://A.Example.COM:8443/x?y#z", Address("a.example.com", "https", 8443)),
        ("https://a.example.com.", Address("a.example.com", "https")),
        ("https://ada:secret@a.example.com/", Address("a.example.com", "https", has_credentials=True)),
        ("https://good.example.com@evil.example.com/", Address("evil.example.com", "https", has_credentials=True)),
        ("https://a@b@evil.example.com/", Address("evil.example.com", "https", has_credentials=True)),
        ("https://[2001:db8::1]:443/", Address("2001:db8::1", "https", 443)),
        ("wss://a.example.com/socket", Address("a.example.com", "wss")),
        ("a.example.com:443", Address("a.example.com", "", 443)),
        ("a.example.com", Address("a.example.com")),
        ("localhost", Address("localhost")),
        ("[::1]:50051", Address("::1", "", 50051)),
        ("dns:///a.example.com:443", Address("a.example.com", "", 443)),
        ("dns://8.8.8.8/a.example.com", Address("a.example.com")),
        ("ipv4:10.0.0.1:443", Address("10.0.0.1", "", 443)),
    ],
)
def test_an_address_leads_to_a_host(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            ".",
            "..:443",
            "agent.",
            "agent",
            "/a2a",
            "?x",
            "#",
            "https://",
            "https:///a2a",
            "https://?x",
            "://a.example.com",
        ),
        *(
            "https://[::1",
            "https://::1]/",
            "https://a.example.com:99999",
            "https://a.example.com:x",
            "a.example.com:99999",
        ),
        *("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "mailto:ada@example.com"),
        *(
            "https://a.example.com/a b",
            "https://a.example.com\\@evil.example.com",
            "https://a\n.example.com",
            "a\x00b.c:1",
        ),
        *(
            "https://{host}/a2a",
            "https://<your-host>/a2a",
            "https://a.example.com:{port}",
            "{host}:443",
            'https://"a"/',
        ),
    ],
)
def test_what_leads_nowhere_is_no_address(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example.com", "HTTPS://A.EXAMPLE.COM:443/", True),
        ("http://a.example.com/x", "http://a.example.com:80/x", True),
        ("a.example.com:443", "A.example.com:443", True),
        ("https://a.example.com/x", "https://a.example.com/X", False),
        ("https://a.example.com/x", "https://a.example.com/x/", False),
        ("https://a.example.com", "http://a.example.com", False),
        ("https://a.example.com:8443", "https://a.example.com", False),
    ],
)
def test_addresses_that_lead_to_one_place_are_one(one: str, other: str, same: bool) -> None:
    assert (normal_address(one) == normal_address(other)) is same


@given(st.text(max_size=30) | st.text("htps:/@[].0123456789abc%", max_size=30))
def test_any_text_is_an_address_or_none(text: str) -> None:
    address = parse_address(text)
    assert address is None or (address.host and address.host == address.host.lower())
    assert normal_address(normal_address(text)) == normal_address(text)
