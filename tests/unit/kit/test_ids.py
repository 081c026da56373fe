"""Identifiers: the form of a random UUID, and never the same twice, from however many threads and processes."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor

from ringfence_kit.ids import counting_ids, id_of, random_ids


def test_random_ids_are_uuids_of_version_4() -> None:
    for made in (random_ids() for _ in range(1_000)):
        read = uuid.UUID(made)
        assert (str(read), read.version, read.variant) == (made, 4, uuid.RFC_4122)


def test_every_free_bit_is_random() -> None:
    made = [uuid.UUID(random_ids()).int for _ in range(1_000)]
    ever_set, always_set = made[0], made[0]
    for one in made:
        ever_set, always_set = ever_set | one, always_set & one
    fixed = (0xF << 76) | (0x3 << 62)
    assert ever_set ^ always_set == (2**128 - 1) ^ fixed


def test_no_two_are_the_same_from_many_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [one for some in pool.map(lambda _: [random_ids() for _ in range(2_000)], range(8)) for one in some]
    assert len(set(made)) == len(made)


def test_a_forked_process_gives_none_of_its_parents() -> None:
    random_ids()  # so that some are there to be inherited
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, " ".join(random_ids() for _ in range(50)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as told:
        childs = set(told.read().split())
    assert len(childs) == 50
    assert not childs & {random_ids() for _ in range(300)}


def test_an_id_that_follows_from_content_is_a_uuid_of_version_8() -> None:
    made = id_of(b"content")
    assert (made == id_of(b"content"), made == id_of(b"other content")) == (True, False)
    assert (str(uuid.UUID(made)), uuid.UUID(made).version, uuid.UUID(made).variant) == (made, 8, uuid.RFC_4122)


def test_counted_ids_are_the_same_in_every_run() -> None:
    first, second = counting_ids(), counting_ids()
    assert [first() for _ in range(3)] == [second() for _ in range(3)]
    assert len({counting_ids(1)(), counting_ids(2)(), counting_ids()()}) == 3
