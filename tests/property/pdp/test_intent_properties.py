import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_pdp.filters.finding import Argument, ArgumentType, Content, Kind
from ringfence_pdp.filters.intent.artefact import installed
from ringfence_pdp.filters.intent.classifier import LOW_AT, Intent, intent
from ringfence_pdp.filters.intent.features import BLOCK, BUCKETS, grams
from ringfence_pdp.filters.intent.heads import Heads
from ringfence_pdp.filters.intent.p_values import CHANCES, PValues, curve
from ringfence_pdp.filters.intent.readings import CATEGORIES

ANY_TEXT = st.text(st.characters(codec=None), max_size=600)
SCORES = st.lists(st.floats(-20, 20), min_size=20, max_size=200)


def made_up_heads() -> Heads:
    chance = np.random.default_rng(7)
    weights = chance.integers(-127, 128, (BUCKETS, len(CATEGORIES)), dtype=np.int8)
    return Heads(weights, np.full(len(CATEGORIES), 0.01), np.zeros(len(CATEGORIES)))


HEADS = made_up_heads()


@given(ANY_TEXT)
def test_n_grams_of_any_text_are_in_range_and_always_the_same(text: str) -> None:
    first, second = grams(text), grams(text)

    assert np.array_equal(first.codes, second.codes)
    assert np.array_equal(first.all, second.all)
    assert (first.starts < first.ends).all()
    assert (first.ends[:-1] <= first.starts[1:]).all()
    assert not len(first.all) or first.all.max() < BUCKETS


@given(st.text(st.characters(max_codepoint=127), max_size=200), st.text("\u200b\u2060\ufeff\u00ad", max_size=20))
def test_what_nobody_sees_changes_nothing(text: str, unseen: str) -> None:
    hidden = "".join(letter + unseen for letter in text)

    assert np.array_equal(grams(text).all, grams(hidden).all)


@given(ANY_TEXT)
def test_a_head_scores_any_text(text: str) -> None:
    scores = HEADS.scores(text)

    assert np.isfinite(scores.values).all()
    assert scores.window_count >= 1
    assert ((scores.windows >= 0) & (scores.windows < scores.window_count)).all()


@given(st.text("abc ", min_size=2 * BLOCK, max_size=6 * BLOCK))
@settings(max_examples=40)
def test_a_long_text_scores_at_least_what_its_parts_do_in_place(text: str) -> None:
    found = HEADS.scores(text)
    buckets = found.grams

    whole = HEADS._weights[buckets.all].sum(axis=0, dtype=np.int64)
    sums, counts = HEADS._of_blocks(buckets)

    assert np.array_equal(sums.sum(axis=0), whole)
    assert counts.sum() == len(buckets.all)


@given(SCORES, st.lists(st.floats(-30, 30), min_size=2, max_size=20))
def test_a_higher_score_never_has_a_higher_p_value(reference: list[float], asked: list[float]) -> None:
    of = PValues(curve(reference)).of
    chances = [of(score) for score in sorted(asked)]

    assert chances == sorted(chances, reverse=True)
    assert all(0 < chance <= 1 for chance in chances)


@given(st.integers(0, 2**32), st.sampled_from(["normal", "exponential", "uniform"]))
@settings(max_examples=10)
def test_a_p_value_is_the_share_of_the_reference_that_scores_as_high(seed: int, shape: str) -> None:
    reference = getattr(np.random.default_rng(seed), shape)(size=4000).tolist()
    of = PValues(curve(reference)).of

    for chance in CHANCES:
        reached = sum(of(score) <= chance for score in reference) / len(reference)
        assert reached <= chance + 1 / 1000


@given(ANY_TEXT, st.sampled_from(ArgumentType))
@settings(max_examples=60)
def test_intent_of_any_text_is_findings_and_never_an_exception(text: str, type_: ArgumentType) -> None:
    found = intent().findings(Content((Argument("/text", text, type_),)))

    assert list(found) == list(Intent(installed()).findings(Content((Argument("/text", text, type_),))))
    assert all(one.kind is Kind.INTENT and one.p_value is not None and one.p_value <= LOW_AT for one in found)
    assert not found or type_ is not ArgumentType.SECRET


@given(st.lists(st.tuples(ANY_TEXT, st.sampled_from(ArgumentType)), max_size=4))
@settings(max_examples=60)
def test_a_call_is_as_rare_as_its_rarest_finding_and_common_without_one(said: list[tuple[str, ArgumentType]]) -> None:
    content = Content(tuple(Argument(f"/{place}", text, type_) for place, (text, type_) in enumerate(said)))
    found, p_value = intent().findings(content), intent().p_value(content)

    if found:
        assert p_value == min(one.p_value or 0.0 for one in found)
    elif all(type_ is ArgumentType.SECRET for _, type_ in said):
        assert p_value is None
    else:
        assert p_value is not None
        assert LOW_AT < p_value <= 1
    assert all(one.p_value >= (p_value or 1) for one in intent().doubts(content))
