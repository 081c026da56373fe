"""Who one of our services is to another, and how long its channels live."""

from dataclasses import replace
from pathlib import Path

import grpc
from ringfence.channel import ChannelOptions
from ringfence_kit.peers import PeerConfig, Peers, options_for
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.tls import TlsConfig

OWN = TlsConfig(cert_file=Path("pdp.pem"), key_file=Path("pdp.key"), client_ca_file=Path("ca.pem"))
PEER = PeerConfig(address="127.0.0.1:7402")


def shown(options: ChannelOptions) -> str | None:
    if options.token is None or isinstance(options.token, str):
        return options.token
    token = options.token()
    assert isinstance(token, str)
    return token


def test_with_a_certificate_of_our_own_we_show_it_and_trust_whom_our_clients_come_from() -> None:
    options = options_for(PEER, server=ServerConfig(), tls=OWN)
    assert options.tls is not None
    assert (options.tls.cert_file, options.tls.key_file, options.tls.ca_file) == (
        OWN.cert_file,
        OWN.key_file,
        OWN.client_ca_file,
    )
    assert options.token is None


def test_a_ca_and_a_name_given_for_the_peer_win() -> None:
    peer = replace(PEER, ca_file=Path("other.pem"), server_name="identity.mesh")
    options = options_for(peer, server=ServerConfig(), tls=OWN)
    assert options.tls is not None
    assert (options.tls.ca_file, options.tls.server_name) == (Path("other.pem"), "identity.mesh")


def test_a_ca_alone_is_tls_without_a_certificate_of_ours() -> None:
    options = options_for(replace(PEER, ca_file=Path("ca.pem")), server=ServerConfig(), tls=None)
    assert options.tls is not None
    assert options.tls.cert_file is None


def test_in_development_the_service_token_is_shown_and_read_anew(tmp_path: Path) -> None:
    options = options_for(PEER, server=ServerConfig(dev=True, data=tmp_path), tls=None)
    token = tmp_path / "dev" / "service.token"
    token.parent.mkdir()
    token.write_text("first\n")
    assert (options.tls, shown(options)) == (None, "first")
    token.write_text("second\n")
    assert shown(options) == "second"


def test_a_token_file_given_for_the_peer_wins(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("mine")
    peer = replace(PEER, token_file=token)
    assert shown(options_for(peer, server=ServerConfig(dev=True, data=tmp_path), tls=None)) == "mine"


def test_otherwise_nothing_is_shown() -> None:
    options = options_for(PEER, server=ServerConfig(), tls=None)
    assert (options.tls, options.token) == (None, None)


async def test_the_channels_to_others_are_opened_once_each_and_closed_together(tmp_path: Path) -> None:
    one, other = PeerConfig(address="127.0.0.1:1"), PeerConfig(address="127.0.0.1:2")
    async with Peers(server=ServerConfig(data=tmp_path), tls=None) as peers:
        channel = peers.channel(one)
        assert peers.channel(one) is channel
        assert peers.channel(other) is not channel
    assert channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN
