"""Development tokens: made once, readable by their owner only, and refused when somebody else may have had them."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ringfence_kit.callers import Role
from ringfence_kit.clock import Instant
from ringfence_kit.dev_tokens import PERSON_LIFETIME, PREFIX, open_dev_tokens, person_token, token_path
from ringfence_kit.refusals import FileUnusable

NOW = Instant(1_767_225_600_000)


def text_of(data: Path, name: str = "operator") -> str:
    return token_path(data, name).read_text().strip()


def test_made_with_the_right_mode_and_kept(tmp_path: Path) -> None:
    open_dev_tokens(tmp_path / "data")
    path = token_path(tmp_path / "data", "operator")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    first = text_of(tmp_path / "data")
    assert first.startswith(PREFIX)
    open_dev_tokens(tmp_path / "data")
    assert text_of(tmp_path / "data") == first
    assert text_of(tmp_path / "data", "service") != first


def test_the_umask_does_not_open_them(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        open_dev_tokens(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(token_path(tmp_path, "service").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_others_may_use_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    open_dev_tokens(tmp_path)
    path = token_path(tmp_path, "operator")
    path.chmod(mode)
    with pytest.raises(FileUnusable, match=f"run: chmod 600 {path}"):
        open_dev_tokens(tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    open_dev_tokens(tmp_path / "other")
    path = token_path(tmp_path, "operator")
    path.parent.mkdir()
    path.symlink_to(token_path(tmp_path / "other", "operator"))
    with pytest.raises(FileUnusable):
        open_dev_tokens(tmp_path)


@pytest.mark.parametrize("content", ["", "short", PREFIX, "é" * 50])
def test_a_file_without_a_token_is_refused(tmp_path: Path, content: str) -> None:
    open_dev_tokens(tmp_path)
    path = token_path(tmp_path, "operator")
    path.write_text(content, "utf-8")
    with pytest.raises(FileUnusable, match="holds no token; delete it"):
        open_dev_tokens(tmp_path)


def test_only_the_whole_token_counts(tmp_path: Path) -> None:
    tokens = open_dev_tokens(tmp_path)
    token = text_of(tmp_path)
    assert tokens.caller(token, NOW) is not None
    for wrong in ("", token[:-1], token + "A", token.upper(), "é" + token[1:]):
        assert tokens.caller(wrong, NOW) is None


def test_services_that_start_at_once_agree_and_leave_nothing_else_behind(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as starting:
        opened = list(starting.map(open_dev_tokens, [tmp_path] * 8))
    token = text_of(tmp_path)
    assert all(tokens.caller(token, NOW) is not None for tokens in opened)
    assert sorted(path.name for path in (tmp_path / "dev").iterdir()) == ["operator.token", "service.token"]


def test_who_holds_the_operators_token_makes_people(tmp_path: Path) -> None:
    tokens = open_dev_tokens(tmp_path)
    ada = tokens.caller(person_token(text_of(tmp_path), name="ada", groups=["data-oncall"], now=NOW), NOW)
    assert ada is not None
    assert (ada.principal, ada.roles, ada.groups) == (
        "dev:ada",
        frozenset({Role.APPROVER}),
        frozenset({"data-oncall"}),
    )
    assert not ada.namespaces
    assert ada.expires_at == NOW + PERSON_LIFETIME


def test_a_person_made_ends_by_itself(tmp_path: Path) -> None:
    tokens = open_dev_tokens(tmp_path)
    token = person_token(text_of(tmp_path), name="ada", groups=[], now=NOW)
    assert tokens.caller(token, Instant(NOW + PERSON_LIFETIME - 1)) is not None
    assert tokens.caller(token, Instant(NOW + PERSON_LIFETIME)) is None


def test_nobody_makes_people_of_another_token(tmp_path: Path) -> None:
    tokens = open_dev_tokens(tmp_path)
    good = person_token(text_of(tmp_path), name="ada", groups=["data-oncall"], now=NOW)
    other = person_token(text_of(tmp_path, "service"), name="ada", groups=["data-oncall"], now=NOW)
    prefix, said, mac = good.split(".")
    bob = person_token(text_of(tmp_path), name="bob", groups=["data-oncall"], now=NOW).split(".")[1]
    for wrong in (other, f"{prefix}.{bob}.{mac}", f"{prefix}.{said}.", f"{prefix}.{said}", f"{prefix}.", good + "é"):
        assert tokens.caller(wrong, NOW) is None


@pytest.mark.parametrize(("name", "group"), [("operator", "a"), ("Ada", "a"), ("", "a"), ("ada", "group:a")])
def test_a_person_is_neither_the_operator_nor_a_service(tmp_path: Path, name: str, group: str) -> None:
    open_dev_tokens(tmp_path)
    with pytest.raises(ValueError, match="a person is named like ada"):
        person_token(text_of(tmp_path), name=name, groups=[group], now=NOW)
