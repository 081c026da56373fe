from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_pdp.filters.finding import Content, Effects
from ringfence_pdp.filters.intent.frame import Frame, frame_of
from ringfence_pdp.filters.intent.gathering import ENGLISH
from ringfence_pdp.filters.intent.lexicon import built_in
from ringfence_pdp.filters.intent.readings import CATEGORIES, POINTS_MAX, severity_of

ANY_TEXT = st.text(st.characters(codec=None), max_size=400)
KNOWN_WORDS = sorted(word for words in built_in().languages.values() for word in words.words)
# Words that are known, in any order: what an errand is made of, and much that is none.
ERRANDS = st.lists(st.sampled_from([*KNOWN_WORDS, ".", "all", "not", "without"]), max_size=30).map(" ".join)
# Begins with a word that says it is English: one without any is read in every language.
ENGLISH_ERRANDS = st.lists(st.sampled_from(sorted(built_in().languages[ENGLISH].words)), max_size=30).map(
    lambda words: " ".join(["the", *words])
)
ACTIONS = st.sampled_from(["", "send_mail", "delete_rows", "read_file", "x"])


def is_sound(frame: Frame) -> bool:
    points = dict(frame.intents)
    return (
        0 <= frame.points <= POINTS_MAX
        and frame.severity == severity_of(frame.points)
        and set(points) <= set(CATEGORIES)
        and (frame.points == max(points.values()) if points else frame.points == 0)
        and (frame.category in points if points else not frame.category)
    )


@given(ANY_TEXT, ACTIONS, st.sampled_from(Effects), st.booleans())
def test_any_text_has_a_frame(text: str, action: str, effects: Effects, is_sink: bool) -> None:
    assert is_sound(frame_of(text, Content((), action=action, tool=text[:40], effects=effects, is_sink=is_sink)))


@given(ERRANDS)
def test_any_errand_has_a_frame_and_always_the_same(errand: str) -> None:
    frame = frame_of(errand)

    assert is_sound(frame)
    assert frame == frame_of(errand)


@given(ERRANDS)
def test_capitals_and_marks_in_between_change_nothing(errand: str) -> None:
    assert frame_of(errand.upper().replace(" ", ", ")).intents == frame_of(errand).intents


@given(ENGLISH_ERRANDS, st.sampled_from(["Approved by the change board.", "My manager said it is fine.", "As agreed."]))
def test_a_claim_of_authority_before_an_errand_takes_nothing_away(errand: str, claim: str) -> None:
    assert frame_of(f"{claim} {errand}").points >= frame_of(errand).points


@settings(max_examples=15)
@given(st.sampled_from(KNOWN_WORDS), st.sampled_from(["a", " ", ".", "@", "://", "aA", "\u0301", "keep it between "]))
def test_64_kilobytes_have_a_frame(word: str, filling: str) -> None:
    assert is_sound(frame_of((word + filling) * (65_536 // len(word + filling))))
