"""Where the registry is for the outside world: nothing a client says goes into an answer."""

from typing import Any

import pytest
from ringfence_kit.names import AgentName
from ringfence_kit.refusals import StartRefused
from ringfence_registry.http.places import Places

LEDGER = AgentName("finance", "ledger")


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        ({"scheme": "http", "server": ("127.0.0.1", 7411)}, "http://127.0.0.1:7411"),
        ({"scheme": "https", "server": ("10.0.0.1", 443)}, "https://10.0.0.1"),
        ({"scheme": "http", "server": ("::1", 80)}, "http://[::1]"),
        ({"scheme": "gopher", "server": None}, "http://127.0.0.1"),
        ({"scheme": "http", "server": ("h", 7411), "headers": [(b"host", b"evil.example")]}, "http://h:7411"),
    ],
)
def test_without_a_word_of_the_operator_the_socket_says_where_we_are(scope: dict[str, Any], url: str) -> None:
    assert Places().base_url(scope) == url


def test_the_operator_is_believed_over_the_socket() -> None:
    places = Places(public_url="https://registry.example.com/a2a")
    assert places.base_url({"server": ("127.0.0.1", 7411)}) == "https://registry.example.com/a2a"


@pytest.mark.parametrize(
    "wrong",
    [
        {"public_url": "https://registry.example.com/"},
        {"public_url": "registry.example.com"},
        {"public_url": "ftp://registry.example.com"},
        {"public_url": "https://a b"},
        {"public_url": "https://a?b"},
        {"publisher": ""},
        {"publisher": "localhost"},
        {"publisher": "Example.com"},
        {"publisher": "example.com."},
        {"publisher": "ex_ample.com"},
        {"host_suffix": "agents"},
        {"host_suffix": ".example.com"},
        {"host_suffix": "agents.example.com:80"},
    ],
)
def test_what_is_no_address_keeps_the_registry_from_starting(wrong: dict[str, str]) -> None:
    with pytest.raises(StartRefused, match=next(iter(wrong))):
        Places(**wrong)


class TestUrns:
    places = Places(publisher="example.com")

    def test_an_agents_urn_leads_back_to_it(self) -> None:
        urn = self.places.urn(LEDGER)
        assert urn == "urn:air:example.com:finance:ledger"
        assert self.places.agent_of_urn(urn) == LEDGER
        assert self.places.agent_of_urn("URN:AIR:Example.COM:finance:ledger") == LEDGER

    @pytest.mark.parametrize(
        "urn",
        [
            "",
            "urn:air:example.com",
            "urn:air:example.com:ledger",
            "urn:air:other.com:finance:ledger",
            "urn:ai:example.com:finance:ledger",
            "urn:air:example.com:finance:ledger:more",
            "urn:air:example.com:finance:LEDGER",
            "urn:air:example.com:finance:../x",
            "urn:air:example.com:-:ledger",
            "https://example.com",
        ],
    )
    def test_other_names_are_none_of_ours(self, urn: str) -> None:
        assert self.places.agent_of_urn(urn) is None


class TestHosts:
    places = Places(host_suffix="agents.example.com")

    @pytest.mark.parametrize(
        "host",
        [
            "ledger.finance.agents.example.com",
            "ledger.finance.agents.example.com:7411",
            "LEDGER.Finance.Agents.Example.COM",
            "ledger.finance.agents.example.com.",
            "ledger.finance.agents.example.com.:443",
        ],
    )
    def test_a_host_names_its_agent(self, host: str) -> None:
        assert self.places.agent_of_host(host) == LEDGER

    @pytest.mark.parametrize(
        "host",
        [
            "",
            "agents.example.com",
            "finance.agents.example.com",
            "a.ledger.finance.agents.example.com",
            "ledger.finance.agents.example.com.evil.example",
            "ledger.finance.evilagents.example.com",
            "ledger.finance.agents.example.com@evil.example",
            "ledger.finance.agents.example.com/evil",
            "ledger.finance.agents.example.com:7411:7411",
            "ledger.finance.agents.example.com:port",
            "ledger..agents.example.com",
            ".finance.agents.example.com",
            "ledger.finance.agents.example.com..",
            "ledger.finance\x00.agents.example.com",
            "ledger.finance.agents.example.com, other.finance.agents.example.com",
            "127.0.0.1",
            "[::1]:80",
        ],
    )
    def test_other_hosts_name_nobody(self, host: str) -> None:
        assert self.places.agent_of_host(host) is None

    def test_without_a_suffix_no_host_is_an_agents(self) -> None:
        for host in ("ledger.finance", "ledger.finance.", "ledger.finance.agents.example.com"):
            assert Places().agent_of_host(host) is None
