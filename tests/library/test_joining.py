"""Old libraries come into the normal form, and names that are one are joined; nothing is lost."""

import json
import logging

import pytest
from behind import alter, rows
from handmade import Tiny, demonstrations

from metachain.data.demonstration import Demonstration, derived_id
from metachain.errors import DataError, NotFoundError
from metachain.learning.artifacts import load_prior, save_posterior, save_prior
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.learning.unlearning import rename
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE, NOBODY

COLUMNS = "institution, id, input, output, metadata, text_sha256, patient, origin, number"
PADDED = "h1  "


def as_before(place: str) -> None:
    """Say that the version before wrote the library."""
    version = "UPDATE metachain_schema SET version = 6" if "://" in place else "PRAGMA user_version = 6"
    alter(place, version)


def put(place: str, one: Demonstration, institution: str, id: str = "", **changed: object) -> None:
    """Write a row as the version before did, with an institution's name as it came."""
    facts = {"metadata": "{}", "patient": None, "origin": "imported", "number": 1, "text_sha256": "0" * 64, **changed}
    own = id or derived_id(institution, one.input, one.output)
    given = {**facts, "institution": institution, "id": own, "input": one.input, "output": one.output}
    values = ", ".join(f":{name.strip()}" for name in COLUMNS.split(","))
    alter(place, f"INSERT INTO demonstrations ({COLUMNS}) VALUES ({values})", **given)  # noqa: S608


def filled(place: str) -> None:
    """A library of three institutions, learned from."""
    with Library.open(place, Tiny()) as library:
        library.add(demonstrations(), share=EVERYONE)
        prior = learn(library)
        save_prior(library, prior)
        save_posterior(library, adapt(prior, library, "h1"))
        library.list_answers("h1", [one.output for one in library.demonstrations("h1")])


def test_spellings_of_one_institution_are_joined(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Rows that say the same become one, others move; outcomes, keys, groups, lists and counts follow."""
    filled(place)
    with Library.open(place, Tiny()) as library:
        own = library.demonstrations("h1")
        listed = library.listed_answers("h1")
        library.outcomes.record([Outcome("r", "chain", "h1", "ct", "m", (("h1", "x"),), "code 1", score=1.0)])
        library.keys.make("h1")
        library.sharing.group("north", ["h1"])
        audited, before = library.audit.verify().entries, library.revision("h1")
    sha = dict(rows(place, "SELECT id, text_sha256 FROM demonstrations WHERE institution = 'h1'", keeper="yes"))
    put(place, own[0], PADDED, text_sha256=sha[own[0].id])
    put(place, Demonstration("any", "é new", "code 1"), PADDED)
    put(place, Demonstration("any", "taken", "code 1"), PADDED, own[1].id)
    for name in ("outcomes", "keys", "groups", "revisions"):
        alter(place, f"UPDATE {name} SET institution = :padded WHERE institution = 'h1'", padded=PADDED)  # noqa: S608
    alter(place, "UPDATE outcomes SET shown = :shown", shown=json.dumps([[PADDED, own[1].id], ["h0", "y"]]))
    copied = "number, name, purpose, use, audience, until, live FROM grants WHERE institution = 'h1'"
    alter(place, f"INSERT INTO grants SELECT '{PADDED}', {copied}")
    alter(place, "UPDATE artifacts SET name = :name WHERE name = 'answers of h1'", name=f"answers of {PADDED}")
    as_before(place)
    with caplog.at_level(logging.WARNING), Library.open(place, Tiny()) as library:
        held = {one.id: one.input for one in library.demonstrations("h1")}
        assert library.institutions() == ("h0", "h1", "h2")
        assert len(held) == len(own) + 2
        assert set(held.values()) == {*(one.input for one in own), "é new", "taken"}
        assert held[f"{own[1].id} (2)"] == "taken"
        assert library.outcomes.get("r").institution == "h1"
        assert library.outcomes.get("r").shown == (("h1", f"{own[1].id} (2)"), ("h0", "y"))
        assert [one.institution for one in library.keys.all()] == ["h1"]
        assert library.sharing.groups() == {"north": ("h1",)}
        assert library.sharing.grants()["h1"] == (EVERYONE,)
        assert library.listed_answers("h1") == listed
        assert library.revision("h1") > before
        assert not any(name.startswith(("prior", "posterior")) for name in library.learned())
        event = list(library.audit.events())[-1]
        assert (event.kind, event.detail["together"], event.detail["ids"]) == ("migrated", 1, 1)
        assert library.audit.verify().broken is None
        assert library.audit.verify().entries == audited + 1
        save_prior(library, learn(library))
    assert "'h1  ' is now 'h1'" in caplog.text
    assert "é new" not in caplog.text
    caplog.clear()
    with Library.open(place, Tiny()) as library:
        assert len(library.demonstrations("h1")) == len(own) + 2
    assert not caplog.text


def test_rules_that_differ_share_nothing(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """What one spelling did not allow, no row of it may be used for; the log says whose rules to state."""
    filled(place)
    put(place, Demonstration("any", "secret", "code 1"), "h1\u200b")
    as_before(place)
    with caplog.at_level(logging.WARNING), Library.open(place, Tiny()) as library:
        assert library.sharing.grants()["h1"] == (NOBODY,)
        assert "h1" not in {one.institution for one in library.shared_demonstrations("new")}
    assert "state them for h1" in caplog.text


def test_rows_with_other_metadata_stay_two(place: str) -> None:
    """Of two rows with the same texts and other metadata both are kept: the patient of one may ask to be forgotten."""
    filled(place)
    one = Demonstration("any", "ct of a thumb", "code 1")
    put(place, one, "h1", metadata='{"patient": "p 1"}', patient="p 1")
    put(place, one, "h1 ", metadata='{"patient": "p 2 "}', patient="p 2 ")
    as_before(place)
    with Library.open(place, Tiny()) as library:
        found = [one for one in library.demonstrations("h1") if one.input == "ct of a thumb"]
        assert {one.patient for one in found} == {"p 1", "p 2"}
        assert {row[0] for row in rows(place, "SELECT patient FROM demonstrations", keeper="yes")} >= {"p 1", "p 2"}


def test_a_library_in_normal_form_keeps_what_was_learned(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is reported, recorded or removed where nothing differs in form."""
    filled(place)
    with Library.open(place, Tiny()) as library:
        before = library.learned(), library.demonstrations(), library.audit.verify().entries
    as_before(place)
    with caplog.at_level(logging.WARNING), Library.open(place, Tiny()) as library:
        assert (library.learned(), library.demonstrations(), library.audit.verify().entries) == before
    assert not caplog.text


def test_labels_that_split_are_learned_again(place: str) -> None:
    """Where a label stood in two forms, what was learned from two labels is removed."""
    filled(place)
    put(place, Demonstration("any", "ct of a thumb", "code 1 "), "h1", "own id")
    as_before(place)
    with Library.open(place, Tiny()) as library:
        assert not any(name.startswith(("prior", "posterior")) for name in library.learned())
        assert "code 1 " in {one.output for one in library.demonstrations("h1")}


def test_an_institution_is_renamed(place: str) -> None:
    """Its rows are those of the other one; what was learned is learned again, and the audit records it."""
    filled(place)
    with Library.open(place, Tiny()) as library:
        library.add(
            [Demonstration("H-1", "ct of a thumb", "code 1"), Demonstration("H-1", *_texts(library))], share=EVERYONE
        )
        size = library.counts()["h1"]
        found = rename(library, "institution", "H-1 ", "h1")
        assert library.counts()["h1"] == size + 1
        assert "H-1" not in library.institutions()
        assert (found.joined.institutions, found.joined.together, found.lost) == ({"H-1": "h1"}, 1, ())
        assert found.learned_again == ("posterior of h1", "prior")
        assert load_prior(library).institutions == ("h0", "h1", "h2")
        assert list(library.audit.events())[-1].kind == "rename"
        with pytest.raises(NotFoundError, match="holds no institution 'H-1'"):
            rename(library, "institution", "H-1", "h1")
        with pytest.raises(DataError, match="they look the same"):
            rename(library, "institution", "h1", "h1\u200b")


def _texts(library: Library) -> tuple[str, str]:
    first = library.demonstrations("h1")[0]
    return first.input, first.output


def test_a_label_is_renamed_everywhere(place: str) -> None:
    """Outputs, corrections, answers and lists get the new label; in one institution, if it is named."""
    filled(place)
    with Library.open(place, Tiny()) as library:
        library.add([Demonstration("h1", "ct of a thumb", "CODE-1 "), Demonstration("h2", "ct of a thumb", "CODE-1")])
        library.list_answers("h1", ["CODE-1", "code 1"])
        library.outcomes.record([Outcome("r", "chain", "h1", "ct", "m", (), "CODE-1", correction="CODE-1", score=0.5)])
        assert rename(library, "label", "CODE-1", "code 1", institution="h1").joined.labels == {"CODE-1": "code 1"}
        assert "CODE-1" not in {one.label for one in library.demonstrations("h1")}
        assert library.listed_answers("h1") == ("code 1",)
        assert (library.outcomes.get("r").answer, library.outcomes.get("r").correction) == ("code 1", "code 1")
        assert "CODE-1" in {one.label for one in library.demonstrations("h2")}
        rename(library, "label", "CODE-1", "code 1")
        assert "CODE-1" not in {one.label for one in library.demonstrations()}
        assert "CODE" not in str(list(library.audit.events())[-1].detail)
