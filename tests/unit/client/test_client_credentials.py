from pathlib import Path

import pytest
from ringfence.channel import ChannelOptions, open_channel
from ringfence.credentials import ChannelError, Tls, bearer, is_loopback, token_file


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:7401",
        "127.8.9.1:1",
        "localhost:7401",
        "LOCALHOST:1",
        "[::1]:7401",
        "dns:///localhost:7401",
        "ipv4:127.0.0.1:1,127.0.0.1:2",
        "ipv6:[::1]:1",
        "unix:/run/ringfence.sock",
        "unix-abstract:ringfence",
    ],
)
def test_loopback_addresses(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1:7401",
        "registry.mesh.internal:7401",
        "localhost.evil.example:7401",
        "127.0.0.1.evil.example:1",
        "0.0.0.0:7401",
        "[::]:7401",
        "[2001:db8::1]:7401",
        "ipv4:127.0.0.1:1,10.0.0.1:2",
        "dns://8.8.8.8/localhost:1",
        "xds:///localhost",
        "",
        "[",
    ],
)
def test_anything_else_is_not(address: str) -> None:
    assert not is_loopback(address)


def test_a_token_does_not_leave_the_machine_in_clear() -> None:
    with pytest.raises(ChannelError, match=r"must not travel to mesh\.internal:7401 in clear"):
        open_channel("mesh.internal:7401", ChannelOptions(token="secret"))


@pytest.mark.parametrize("token", ["", "two words", "line\n", "naïve", "tab\t", "a\x00b"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ChannelError, match="one line of printable ASCII"):
        bearer(token)


def test_a_token_becomes_a_bearer_header() -> None:
    assert bearer("abc.def") == "Bearer abc.def"


def test_a_token_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "operator.token"
    source = token_file(file)
    file.write_text("one\n")
    assert source() == "one"
    file.write_text("two")
    assert source() == "two"


class TestTls:
    @pytest.mark.parametrize("half", ["cert_file", "key_file"])
    def test_half_a_client_certificate_is_refused(self, half: str) -> None:
        with pytest.raises(ChannelError, match="both cert_file and key_file"):
            Tls(**{half: Path("x.pem")}).credentials()  # type: ignore[arg-type]  # the names are all paths

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ChannelError, match=r"none\.pem cannot be read: No such file"):
            Tls(ca_file=tmp_path / "none.pem").credentials()


def test_channel_arguments_of_the_caller_win() -> None:
    arguments = dict(ChannelOptions(extra=(("grpc.keepalive_time_ms", 1),)).arguments())
    assert arguments["grpc.keepalive_time_ms"] == 1
    assert arguments["grpc.enable_retries"] == 0


def test_the_expected_name_of_the_server_can_be_given() -> None:
    arguments = dict(ChannelOptions(tls=Tls(server_name="registry")).arguments())
    assert arguments["grpc.ssl_target_name_override"] == "registry"
