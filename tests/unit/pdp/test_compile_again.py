"""Compiling a bundle that has much in common with the last: the same answer, less work, and others run in between."""

import gc
from dataclasses import replace

import pytest
from ringfence_pdp.breathing import Breath, uncollected
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import LARGE, BundleCompiler, compile_files
from ringfence_pdp.errors import BundleInvalid
from support.pdp.world import policy


def rule(place: int) -> str:
    return f"{{name: r, match: {{actions: [read_{place}]}}, effect: ALLOW, when: 'args.rows < {place}'}}"


def file(place: int, *, called: str = "") -> PolicyFile:
    return PolicyFile(path=f"{place}.yaml", content=policy(rule(place), name=called or f"p{place}").encode())


FILES = [file(place) for place in range(5)]


def test_what_did_not_change_is_not_compiled_again() -> None:
    compiler = BundleCompiler()
    before = {each.id: each for each in compiler.compile_files(FILES).rules}
    after = {each.id: each for each in compiler.compile_files([file(9), *FILES[1:]]).rules}
    assert sorted(after) == ["p1/r", "p2/r", "p3/r", "p4/r", "p9/r"]
    assert all(after[name] is before[name] for name in after if name in before)


def test_a_condition_of_a_changed_file_is_not_compiled_again() -> None:
    compiler = BundleCompiler()
    (before,) = compiler.compile_files(FILES[:1]).rules
    (after,) = compiler.compile_files([replace(FILES[0], content=FILES[0].content + b"# checked\n")]).rules
    assert after is not before
    assert after.evaluate is before.evaluate


def test_compiled_again_it_decides_as_compiled_anew() -> None:
    compiler = BundleCompiler()
    compiler.compile_files([file(7), *FILES])
    again, anew = compiler.compile_files(FILES), compile_files(FILES)
    assert [each.id for each in again.rules] == [each.id for each in anew.rules]
    assert (again.policy_count, again.rule_count, again.findings) == (anew.policy_count, anew.rule_count, anew.findings)


def test_what_files_contradict_one_another_in_is_found_again() -> None:
    compiler = BundleCompiler()
    compiler.compile_files(FILES)
    with pytest.raises(BundleInvalid, match="another document of this bundle is called 'p1'"):
        compiler.compile_files([*FILES, file(8, called="p1")])
    assert compiler.compile_files(FILES).rule_count == 5


def test_a_file_with_problems_is_refused_as_often_as_it_comes() -> None:
    compiler = BundleCompiler()
    broken = replace(FILES[0], content=FILES[0].content.replace(b"args.rows", b"args.rows <"))
    for _ in range(2):
        with pytest.raises(BundleInvalid, match="condition"):
            compiler.compile_files([broken, *FILES[1:]])


def test_it_lets_others_run_in_between() -> None:
    rests: list[str] = []
    compiler = BundleCompiler(lambda: lambda: rests.append("rest"))
    compiler.compile_files(FILES)
    assert len(rests) > 20 * len(FILES)


def test_a_breath_is_short_and_is_not_taken_every_time() -> None:
    breath = Breath()
    for _ in range(1_000):
        breath()


def test_a_large_bundle_is_not_looked_through_for_garbage_and_a_small_one_is_left_alone() -> None:
    frozen = gc.get_freeze_count()
    compile_files(FILES)
    assert gc.get_freeze_count() <= frozen
    padding = b"#" * LARGE + b"\n"
    compile_files([replace(FILES[0], content=padding + FILES[0].content)])
    assert gc.get_freeze_count() > frozen
    assert gc.isenabled()


def test_the_collector_stays_off_for_who_switched_it_off() -> None:
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
