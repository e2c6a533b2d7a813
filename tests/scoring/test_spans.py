"""Span lists are read and written without loss, and found in queries by example."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import briefly

from metachain.scoring.spans import Span, are_span_lists, format_spans, parse_spans, tag_spans

WORDS = st.text(string.ascii_letters + string.digits + " ;[]().,-", min_size=1, max_size=15).map(str.strip)
TYPES = st.from_regex(r"[A-Za-z]([A-Za-z0-9_/ -]{0,8}[A-Za-z0-9])?", fullmatch=True)
SHOWN = [
    ("She takes metoprolol for the heart .", "metoprolol [Drug]"),
    ("He takes atenolol with his fever .", "atenolol [Drug]; fever [Sign]"),
    ("There was a fever and a rash .", "fever [Sign]; rash [Sign]"),
    ("Nothing was found .", "none"),
]


@given(st.lists(st.builds(Span, WORDS, TYPES), max_size=4))
@briefly
def test_what_is_written_is_read_back(spans: list[Span]) -> None:
    """Any spans come back as they were, brackets and semicolons in their texts included."""
    assume(all(span.text for span in spans))
    assume(not any("]" in span.text and "[" in span.text for span in spans))
    assert parse_spans(format_spans(spans)) == tuple(spans)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("none", ()),
        (" None.\n", ()),
        ("fever [Sign]", (("fever", "Sign"),)),
        ("fever [Sign]; zinc  [Drug] ;", (("fever", "Sign"), ("zinc", "Drug"))),
        (" fever [Sign];zinc oxide [Drug]; ", (("fever", "Sign"), ("zinc oxide", "Drug"))),
        ("factor ( F8 ; long ) [Gene]; x [1] y [Gene]", (("factor ( F8 ; long )", "Gene"), ("x [1] y", "Gene"))),
        ("", None),
        ("fever", None),
        ("[Sign]", None),
        ("see reference [12]", None),
        ("fever [Sign], zinc [Drug] and more", None),
        ("fever [Sign]\nzinc", None),
        ("none; fever", None),
    ],
)
def test_the_form_of_a_span_list(output: str, expected: tuple[tuple[str, str], ...] | None) -> None:
    """Other forms are None, never a guess."""
    assert parse_spans(output) == expected


def test_span_lists_are_told_from_other_outputs() -> None:
    """One span must be there, blank outputs don't count, and the share is a minimum."""
    assert are_span_lists(["fever [Sign]", "none", ""])
    assert not are_span_lists(["none", "none"])
    assert not are_span_lists([])
    assert not are_span_lists(["fever [Sign]", "fever"])
    assert are_span_lists(["fever [Sign]", "fever"], share=0.5)


def test_spans_seen_before_are_found() -> None:
    """A marked word is found again, in the query's own writing and order."""
    assert tag_spans("A Rash , then a fever .", SHOWN) == "Rash [Sign]; fever [Sign]"


def test_words_never_seen_are_found_by_shape_and_place() -> None:
    """A new word with the endings and neighbours of marked ones gets their type."""
    assert tag_spans("She takes bisoprolol for the heart .", SHOWN) == "bisoprolol [Drug]"


def test_adjacent_tokens_of_one_type_are_one_span() -> None:
    """A span runs over tokens, is cut from the query as it stands, and ends where the type does."""
    shown = [("acute renal failure after zinc oxide", "acute renal failure [Sign]; zinc oxide [Drug]")]
    assert tag_spans("acute  renal failure zinc oxide", shown) == "acute  renal failure [Sign]; zinc oxide [Drug]"


def test_only_as_many_places_are_marked_as_listed() -> None:
    """Of a word that stands twice and is listed once, the first place is the marked one; listed twice, both are."""
    text = "prior cold ; the cold air"
    assert tag_spans(text, [(text, "cold [Sign]")]) == "cold [Sign]"
    assert tag_spans(text, [(text, "cold [Sign]; cold [Sign]")]) == "cold [Sign]; cold [Sign]"


def test_longer_spans_mark_before_shorter_ones() -> None:
    """A span within a longer one marks another place, whatever their order in the output."""
    text = "cold sore and cold"
    for output in ("cold [A]; cold sore [B]", "cold sore [B]; cold [A]"):
        assert tag_spans(text, [(text, output)]) == "cold sore [B]; cold [A]"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", SHOWN),
        (" \n", SHOWN),
        ("She takes atenolol .", []),
        ("She takes atenolol .", [("She takes atenolol .", "none")]),
        ("She takes atenolol .", [("She takes atenolol .", "a drug of hers")]),
        ("She takes atenolol .", [("", "atenolol [Drug]"), ("nothing here", "elsewhere [Drug]")]),
        ("Nothing was found .", SHOWN),
    ],
)
def test_none_where_nothing_is_found(query: str, shown: list[tuple[str, str]]) -> None:
    """Empty queries, nothing shown, nothing marked and nothing alike all give the word none."""
    assert tag_spans(query, shown) == "none"


@given(st.permutations(SHOWN), st.sampled_from(["A rash and atenolol .", "The fever , she takes zinc .", "x"]))
@briefly
def test_the_order_of_demonstrations_does_not_matter(shown: list[tuple[str, str]], query: str) -> None:
    """Spans are the same in whatever order demonstrations are shown."""
    assert tag_spans(query, shown) == tag_spans(query, SHOWN)


@given(st.text(max_size=30))
@briefly
def test_every_answer_is_a_span_list_of_the_query(query: str) -> None:
    """Whatever the query, the answer parses, and each span's text stands in the query."""
    spans = parse_spans(tag_spans(query, SHOWN))
    assert spans is not None
    assert all(span.text in query and span.type in {"Drug", "Sign"} for span in spans)
