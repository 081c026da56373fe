"""What holds for every search, count and page, whatever the agents: the index against the slow and obvious way."""

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.events import Change
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.agent_index import AgentIndex
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.bits import everything, flags_of, of_flags, of_slots, slots_of
from ringfence_registry.finding.facets import facet_of
from ringfence_registry.finding.orders import Order
from ringfence_registry.finding.postings import Postings
from ringfence_registry.finding.ranking import Scores
from ringfence_registry.finding.search_fields import WORTH
from ringfence_registry.finding.similar import SimilarQuery
from ringfence_registry.finding.word_index import STRENGTH_BITS, WordIndex, strengths_of
from ringfence_registry.finding.words import kin_of, words_of
from ringfence_registry.model import Agent, AgentState
from ringfence_registry.namespaces.visible import EVERYTHING, Visible
from support.registry.agents import agents, meshes
from support.registry.found import NOW, STRANGER, Finding, Sight, an_agent_saying
from support.registry.random_filters import RandomFilters, random_mesh

WORDS = ("ledger", "ledgers", "books", "sql", "the", "café", "cafe", "x")
texts = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
slots = st.sets(st.integers(0, 200))


@st.composite
def speaking(draw: st.DrawFn) -> list[Agent]:
    """Agents of a few words, in two namespaces."""
    names = draw(st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=12))
    return [
        an_agent_saying(
            name,
            namespace=draw(st.sampled_from(("open", "closed"))),
            display_name=draw(texts) or "Agent",
            purpose=draw(texts) or "Works.",
            description=draw(texts),
            tags=tuple(dict.fromkeys(draw(texts).split())),
        )
        for name in names
    ]


# Words


@given(st.text(st.characters(max_codepoint=127)))
def test_words_of_ascii_are_those_of_any_text(text: str) -> None:
    """What is ASCII is read in another way, which is faster; behind a word that is not, it is read as everything is."""
    assert words_of(text) == words_of(f"é {text}")[1:]
    assert words_of(text) == re.findall(r"\w+", text.lower())


# Sets


@given(slots)
def test_a_set_is_what_was_put_in(wanted: set[int]) -> None:
    bits = of_slots(list(wanted))
    assert slots_of(bits) == sorted(wanted)
    flags = flags_of(bits, 201)
    assert of_flags(bool(flag) for flag in flags) == bits
    assert [slot for slot in range(201) if flags[slot]] == sorted(wanted)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3_000)), max_size=40, unique=True), st.data())
def test_postings_are_a_mapping_to_sets(pairs: list[tuple[str, int]], data: st.DataObject) -> None:
    # One value is carried by enough to be kept in each of the three ways.
    many = [("many", slot) for slot in range(1_100)]
    postings: Postings[str] = Postings()
    for value, slot in [*many, *pairs]:
        postings.add(value, slot)
    gone = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    for value, slot in gone:
        postings.discard(value, slot)
    model: dict[str, set[int]] = {}
    for value, slot in [*many, *(pair for pair in pairs if pair not in gone)]:
        model.setdefault(value, set()).add(slot)
    assert set(postings) == set(model)
    assert {value: set(slots_of(postings.of(value))) for value in model} == model
    assert set(slots_of(postings.where(lambda value: value < "m"))) == set().union(
        *(found for value, found in model.items() if value < "m")
    )
    among = of_slots(range(0, 3_001, 2))
    counts = {value: n for value, found in model.items() if (n := sum(slot % 2 == 0 for slot in found))}
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    for most in range(1, 6):
        assert postings.commonest(among, most, str, slots=3_001) == ranked[:most]


@given(st.lists(st.lists(st.sampled_from("abc"), unique=True), max_size=40), st.lists(st.integers(0, 1_140)))
def test_postings_loaded_in_parts_are_those_added_one_by_one(said: list[list[str]], cuts: list[int]) -> None:
    held = [*([["many"]] * 1_100), *said]
    pairs = [(value, slot) for slot, values in enumerate(held) for value in values]
    one_by_one, in_parts = Postings[str](), Postings[str]()
    for value, slot in pairs:
        one_by_one.add(value, slot)
    for start, end in pairwise((0, *sorted(cuts), len(held))):
        in_parts.load(pair for pair in pairs if start <= pair[1] < end)
    in_parts.packed()
    assert {value: in_parts.of(value) for value in in_parts} == {value: one_by_one.of(value) for value in one_by_one}
    everybody, slots = everything(1_140), 1_141
    first = in_parts.commonest(everybody, 4, str, slots=slots)
    assert first == one_by_one.commonest(everybody, 4, str, slots=slots)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 40), st.floats(0, 1))
def test_the_commonest_of_thousands_of_values_are_those_of_a_count_by_hand(seed: int, most: int, share: float) -> None:
    chance = random.Random(seed)
    held: dict[str, set[int]] = {f"v{number}": {chance.randrange(1_500)} for number in range(1_100)}
    for number in range(60):
        held[f"v{number * 7}"] |= set(chance.sample(range(1_500), chance.choice((2, 3, 30, 1_200))))
    postings: Postings[str] = Postings()
    postings.load((value, slot) for value, slots in held.items() for slot in slots)
    postings.packed()
    among = {slot for slot in range(1_500) if chance.random() < share}
    counts = {value: len(slots & among) for value, slots in held.items() if slots & among}
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    assert postings.commonest(of_slots(among), most, str, slots=1_500) == ranked[:most]


@given(speaking(), st.integers(1, 3))
def test_an_index_loaded_in_parts_is_the_one_that_was_changed_agent_by_agent(mesh: list[Agent], size: int) -> None:
    views = [AgentView(agent=agent, now=NOW) for agent in mesh]
    changed, loaded = AgentIndex(views.__getitem__), AgentIndex(views.__getitem__)
    for slot, view in enumerate(views):
        changed.change(slot, before=None, after=view)
    for start in range(0, len(views), size):
        part = views[start : start + size]
        loaded.load(start, part)
        loaded.load_moving(range(start, start + len(part)), part)
    loaded.packed()
    for field in (*AGENT_FIELDS.fields, "labels.team"):
        assert held_in(loaded, field, len(views)) == held_in(changed, field, len(views))
    words = set(changed.words.words())
    assert set(loaded.words.words()) == words
    assert all(loaded.words.planes(word) == changed.words.planes(word) for word in words)


def held_in(index: AgentIndex, field: str, length: int) -> object:
    """Return everything an index knows of a field."""
    values = index.values(field)
    if values is None:
        return None
    postings = values.postings(field)
    if postings is None:
        return list(values.values_of(field, everything(length)))
    return {value: postings.of(value) for value in postings}, values.counts(field)


@given(st.lists(st.tuples(st.lists(st.integers(0, 15), min_size=6, max_size=6), st.integers(1, 40)), max_size=6), slots)
def test_scores_are_sums_and_the_best_are_the_best(added: list[tuple[list[int], int]], chosen: set[int]) -> None:
    scores, sums = Scores(), [0] * 6
    for numbers, times in added:
        planes = tuple(of_slots([s for s, number in enumerate(numbers) if number >> bit & 1]) for bit in range(4))
        scores.add(planes, times=times)
        sums = [total + times * number for total, number in zip(sums, numbers, strict=True)]
    assert [scores.of(slot) for slot in range(6)] == sums
    among = {slot % 6 for slot in chosen}
    for limit in range(1, 8):
        best = scores.best(of_slots(list(among)), limit)
        ranked = sorted((sums[slot] for slot in among), reverse=True)[:limit]
        sure, tied = slots_of(best.sure), slots_of(best.tied)
        taken = [sums[slot] for slot in sure] + [sums[slot] for slot in tied][: best.wanted]
        assert sorted(taken, reverse=True) == ranked
        assert len({sums[slot] for slot in tied}) <= 1
    for score in {*sums, 1}:
        assert set(slots_of(scores.below(score, everything(6)))) == {s for s in range(6) if sums[s] < score}
        assert set(slots_of(scores.exactly(score, everything(6)))) == {s for s in range(6) if sums[s] == score}


@given(st.lists(st.tuples(st.integers(0, 9), st.dictionaries(st.sampled_from(WORDS), st.integers(1, 15))), max_size=30))
def test_an_index_of_words_forgets_nothing_and_keeps_nothing(changes: list[tuple[int, dict[str, int]]]) -> None:
    index, model = WordIndex(), dict[int, dict[str, int]]()
    for slot, said in changes:
        index.change(slot, before=model.get(slot, {}), after=said)
        model[slot] = said
    for word in WORDS:
        planes = index.planes(word)
        held = {slot: sum((planes[bit] >> slot & 1) << bit for bit in range(STRENGTH_BITS)) for slot in range(10)}
        assert held == {slot: model.get(slot, {}).get(word, 0) for slot in range(10)}
        assert set(index.kin(word)) == {
            other for said in model.values() for other in said if kin_of(other) == kin_of(word)
        }
    assert set(index.words()) == {word for said in model.values() for word in said}


_said = st.lists(st.tuples(st.sampled_from((8, 4, 2, 1)), st.lists(st.sampled_from(WORDS)).map(" ".join)), max_size=4)


@given(st.lists(st.tuples(st.booleans(), st.lists(_said, max_size=5)), max_size=6), st.integers(0, 10**6))
def test_words_that_are_taken_together_are_those_taken_one_by_one(
    parts: list[tuple[bool, list[list[tuple[int, str]]]]], first: int
) -> None:
    together, apart = WordIndex(), WordIndex()
    for at_once, places in parts:
        for slot, texts_by_place in enumerate(places, first):
            apart.load(slot, strengths_of(texts_by_place))
            if not at_once:
                together.load(slot, strengths_of(texts_by_place))
        if at_once:
            together.load_many(first, places)
        first += len(places)
    for index in (together, apart):
        index.packed()
    assert together.held() == apart.held()
    assert {word: together.kin(word) for word in WORDS} == {word: apart.kin(word) for word in WORDS}


@given(st.integers(), st.integers(2_049, 5_000))
@settings(max_examples=10)
def test_a_word_of_many_agents_is_as_strong_as_they_say_it(seed: int, count: int) -> None:
    index, dice = WordIndex(), random.Random(seed)
    levels = {slot: dice.randint(1, 15) for slot in sorted(dice.sample(range(3 * count), count))}
    for slot, level in levels.items():
        index.load(slot, {"word": level})
    index.packed()
    planes = index.planes("word")
    assert planes == tuple(
        of_slots([slot for slot, level in levels.items() if level >> bit & 1]) for bit in range(STRENGTH_BITS)
    )


# Search


def naive_strength(agent: Agent, kin: str) -> int:
    view = AgentView(agent=agent, now=NOW)
    strengths: dict[str, int] = {}
    for field, worth in WORTH.items():
        for text in AGENT_FIELDS.searched[field].values(view):
            for word in words_of(text):
                if kin_of(word) == kin:
                    strengths[word] = strengths.get(word, 0) | worth
    return sum(strengths.values())


@given(speaking(), texts.filter(bool))
def test_a_search_finds_who_says_a_telling_word(mesh: list[Agent], query: str) -> None:
    kin = {kin_of(word) for word in words_of(query)}
    saying = {each: {str(a.name) for a in mesh if naive_strength(a, each)} for each in kin}
    telling = [names for names in saying.values() if 0 < len(names) <= max(1, len(mesh) // 2)]
    matching = set().union(*(telling or saying.values()))
    page = Finding(mesh).page(query)
    assert {str(each.view.agent.name) for each in page.found} == matching
    assert page.total == len(matching)
    relevances = [(-each.relevance, str(each.view.agent.name)) for each in page.found]
    assert relevances == sorted(relevances)


@given(speaking(), texts.filter(bool), st.integers(1, 4))
def test_a_walk_over_pages_is_one_long_page(mesh: list[Agent], query: str, size: int) -> None:
    finding = Finding(mesh)
    whole = [(each.view.agent.name, each.relevance, each.matches) for each in finding.page(query).found]
    walked = [(each.view.agent.name, each.relevance, each.matches) for each in finding.walk(query, size=size)]
    assert walked == whole


@given(speaking(), speaking(), texts.filter(bool), st.integers(1, 3), st.randoms(use_true_random=False))
def test_a_walk_sees_whoever_does_not_change_exactly_once(
    mesh: list[Agent], later: list[Agent], query: str, size: int, dice: random.Random
) -> None:
    finding = Finding(mesh)
    changing = [replace(agent, name=replace(agent.name, agent=f"{agent.name.agent}-new")) for agent in later]
    stable = {str(each.view.agent.name) for each in finding.page(query).found}
    seen: list[str] = []
    for each in finding.walk(query, size=size):
        seen.append(str(each.view.agent.name))
        if changing:
            agent = changing.pop(dice.randrange(len(changing)))
            finding.apply(agent, Change.ADDED)
    counts = Counter(seen)
    assert {name for name in counts if name in stable} == stable
    assert all(counts[name] == 1 for name in stable)


@given(speaking(), texts.filter(bool))
def test_the_same_question_has_the_same_answer_whatever_order_they_came_in(mesh: list[Agent], query: str) -> None:
    late = Finding()
    for agent in reversed(mesh):
        late.apply(agent, Change.ADDED)
    assert [(f.view.agent, f.relevance) for f in late.page(query).found] == [
        (f.view.agent, f.relevance) for f in Finding(mesh).page(query).found
    ]


# What is hidden


@given(speaking(), texts.filter(bool), st.integers(0, 2**32))
def test_a_caller_who_does_not_see_a_namespace_cannot_tell_that_it_is_there(
    mesh: list[Agent], query: str, seed: int
) -> None:
    seen = [agent for agent in mesh if agent.name.namespace == "open"]
    sight = Sight({STRANGER.principal: Visible(listed=frozenset({"open"}))})
    crowded, alone = Finding(mesh, sight=sight), Finding(seen, sight=sight)

    def told(finding: Finding) -> object:
        page = finding.page(query, caller=STRANGER)
        similar = finding.similar.find_similar_agents(
            SimilarQuery(namespace=None, like=query, limit=10, min_score=0.01), caller=STRANGER
        )
        facets = finding.facets("labels.tier", "skills.tags", "state", caller=STRANGER, most=1)
        found = [(each.view.agent, each.relevance, each.matches) for each in page.found]
        return found, page.total, similar, facets

    assert told(crowded) == told(alone)
    filters = RandomFilters(random.Random(seed), random_mesh(random.Random(seed), 0))
    want = filters.draw().text
    assert crowded.names(query, caller=STRANGER, filter_text=want) == alone.names(
        query, caller=STRANGER, filter_text=want
    )


# Facets


@settings(max_examples=60)
@given(meshes(), st.integers(1, 4), st.integers(0, 2**32))
def test_facets_are_what_counting_by_hand_gives(mesh: list[Agent], most: int, seed: int) -> None:
    live = [agent for agent in mesh if agent.state is not AgentState.RETIRED]
    said = RandomFilters(random.Random(seed), random_mesh(random.Random(seed), 0)).draw()
    matching = [agent for agent in live if said.means(agent)]
    by_hand: dict[str, Callable[[Agent], set[str]]] = {
        "risk_tier": lambda a: {a.spec.risk_tier.name},
        "skills.tags": lambda a: {tag for skill in a.card.skills for tag in skill.tags},
        "labels.team": lambda a: {a.spec.labels["team"]} if a.spec.labels.get("team") else set(),
        "labels": lambda a: set(a.spec.labels),
        "capabilities.streaming": lambda a: (
            set() if a.card.capabilities.streaming is None else {str(a.card.capabilities.streaming).lower()}
        ),
        "uid": lambda a: {a.uid},
    }
    finding = Finding(mesh)
    answer = finding.facets(*by_hand, filter_text=said.text, most=most)
    assert answer.total == len(matching)
    among = of_slots([finding.catalog.place(str(agent.name)) for agent in matching])
    for facet in answer.facets:
        # Few agents are read, many are counted by an index: whichever is done.
        for reading in (0, 1_000_000):
            assert facet_of(finding.catalog, facet.field, among, most=most, reading=reading) == facet
        values = {str(agent.name): by_hand[facet.field](agent) for agent in matching}
        counts = Counter(value for held in values.values() for value in held)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        assert list(facet.values) == ranked[:most]
        unlisted = {value for value, _ in ranked[most:]}
        assert facet.other == sum(not unlisted.isdisjoint(held) for held in values.values())
        assert facet.unset == sum(not held for held in values.values())


# Orders


@given(
    meshes(), st.sampled_from(["name", "display_name", "create_time", "risk_tier"]), st.booleans(), st.integers(1, 4)
)
def test_a_walk_in_any_order_is_the_sorted_list(mesh: list[Agent], field: str, descending: bool, size: int) -> None:
    catalog = Finding(mesh).catalog
    order, among = Order(field, descending=descending), catalog.seen_by(EVERYTHING)
    walked: list[str] = []
    after = b""
    while page := list(order.walk(catalog, among, after, size)):
        walked += [name for name, _ in page]
        after = page[-1][1]
    keys = {
        "name": lambda a: str(a.name),
        "display_name": lambda a: a.spec.display_name.casefold(),
        "create_time": lambda a: a.created_at,
        "risk_tier": lambda a: ["LOW", "MEDIUM", "HIGH", "CRITICAL"].index(a.spec.risk_tier.name),
    }
    by_name = sorted(mesh, key=lambda a: str(a.name))
    expected = sorted(by_name, key=keys[field], reverse=descending)
    assert walked == [str(agent.name) for agent in expected]


@given(agents())
def test_every_text_that_is_searched_is_found_by_each_of_its_words(agent: Agent) -> None:
    finding = Finding([replace(agent, state=AgentState.ACTIVE)])
    view = AgentView(agent=agent, now=NOW)
    for field in WORTH:
        for text in AGENT_FIELDS.searched[field].values(view):
            for word in words_of(text):
                assert finding.names(word) == [agent.name.agent]
