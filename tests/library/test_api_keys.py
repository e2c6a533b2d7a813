"""API keys of a server's callers: making, finding, expiring and revoking them, on both engines."""

import getpass
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from behind import alter
from handmade import Tiny, demonstrations, metachain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from metachain.errors import DataError, NotFoundError
from metachain.learning.unlearning import forget
from metachain.library.api_keys import ADMIN, DEFAULT_SCOPES, METRICS, SCOPES, Key
from metachain.library.database.engine import reading
from metachain.library.library import Library
from metachain.timestamps import parse_moment


def test_a_key_is_found_by_its_secret_alone(place: str) -> None:
    """An id, another key's secret under this id, or a part of the secret finds nothing."""
    with Library.open(place, Tiny()) as library:
        key, secret = library.keys.make("st-marys", ["ask", "read"])
        other, others = library.keys.make("general")
        assert library.keys.of(secret) == key
        assert key == Key(key.id, "st-marys", frozenset({"ask", "read"}), key.made, key.until)
        assert library.keys.of(others) == other
        assert other.scopes == frozenset(DEFAULT_SCOPES)
        mixed = f"mc_{key.id}_{others.split('_', 2)[2]}"
        for wrong in ("", "mc", f"mc_{key.id}_", secret[:-1], f"{secret}x", mixed, secret.upper(), key.id):
            assert library.keys.of(wrong) is None


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(guess=st.text())
def test_no_text_is_a_key_by_accident(place: str, guess: str) -> None:
    """Any other text finds no key and raises no error."""
    with Library.open(place, Tiny()) as library:
        assert library.keys.of(guess) is None


def test_the_library_keeps_no_secret(place: str) -> None:
    """The table holds only the hash of a secret."""
    with Library.open(place, Tiny()) as library:
        _, secret = library.keys.make("st-marys")
        with reading(library._engine) as connection:
            rows = str(connection.execute(text("SELECT * FROM keys")).all())
    assert secret.split("_", 2)[2] not in rows


def test_a_key_counts_until_its_end_or_until_it_is_revoked(place: str) -> None:
    """An expired or revoked key is not found any more."""
    now = datetime.now(UTC)
    with Library.open(place, Tiny()) as library:
        lasting, secret = library.keys.make("st-marys", until=now + timedelta(hours=1))
        _, ended = library.keys.make("st-marys", until=now - timedelta(seconds=1))
        assert library.keys.of(secret) == lasting
        assert library.keys.of(ended) is None
        assert len(library.keys.all()) == 2
        library.keys.revoke(lasting.id)
        assert library.keys.of(secret) is None
        with pytest.raises(NotFoundError, match="no key has the id"):
            library.keys.revoke(lasting.id)


def test_scopes_are_known_ones(place: str) -> None:
    """An institution's key has institution scopes, other keys have the keeper's; any other scope is refused."""
    with Library.open(place, Tiny()) as library:
        assert library.keys.make(None)[0].allows("ask")
        counting, _ = library.keys.make(None, [METRICS])
        assert counting.allows(METRICS)
        assert not any(counting.allows(scope) for scope in (*SCOPES, ADMIN))
        for institution, scopes in (("a", [ADMIN]), ("a", [METRICS]), ("a", ["everything"]), (None, ["ask"])):
            with pytest.raises(DataError, match="a scope of"):
                library.keys.make(institution, scopes)
        with pytest.raises(DataError, match="institution"):
            library.keys.make(" ")


def test_who_is_forgotten_has_no_key(place: str) -> None:
    """Erasing an institution erases its keys."""
    with Library.open(place, Tiny()) as library:
        library.add(demonstrations())
        _, secret = library.keys.make("h0")
        kept, _ = library.keys.make("h1")
        forget(library, institution="h0")
        assert library.keys.of(secret) is None
        assert library.keys.all() == (kept,)


def test_a_library_remembers_that_it_had_a_key(place: str) -> None:
    """After a key was made or revoked; not after an erasure without keys, or the try to revoke an unknown one."""
    with Library.open(place, Tiny()) as library:
        library.add(demonstrations())
        with pytest.raises(NotFoundError):
            library.keys.revoke("unknown")
        forget(library, institution="h0")
        assert not library.keys.ever_made()
        key, _ = library.keys.make("h1")
        assert library.keys.ever_made()
        library.keys.revoke(key.id)
        assert library.keys.ever_made()


def test_a_key_ends_after_a_year_unless_it_is_said(place: str) -> None:
    """Without an end a key ends after 365 days, with ``never`` it does not end."""
    with Library.open(place, Tiny()) as library:
        usual, _ = library.keys.make("h0")
        assert usual.until is not None
        lasts = parse_moment(usual.until) - parse_moment(usual.made)
        assert abs(lasts - timedelta(days=365)) <= timedelta(seconds=2)
        assert library.keys.make("h0", until="never")[0].until is None


def test_a_rotated_key_counts_for_the_time_of_grace(place: str) -> None:
    """The new key has the institution and the scopes; the old one ends after a day, at once, or at its earlier end."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    with Library.open(place, Tiny()) as library:
        keys = library.keys
        old, old_secret = keys.make("h0", ["ask", "texts"], until="never")
        new, new_secret = keys.rotate(old.id)
        assert (new.institution, new.scopes) == (old.institution, old.scopes)
        assert new.id != old.id
        assert keys.of(new_secret) == new
        ending = keys.of(old_secret)
        assert ending is not None
        assert ending.until is not None
        assert timedelta(hours=23) < parse_moment(ending.until) - datetime.now(UTC) <= timedelta(hours=24)
        last, _ = keys.rotate(new.id, "never", timedelta())
        assert keys.of(new_secret) is None
        assert last.until is None
        short, _ = keys.make(None, until=soon)
        keys.rotate(short.id, grace=timedelta(days=7))
        assert {one.id: one.until for one in keys.all()}[short.id] == short.until
        with pytest.raises(NotFoundError, match="no key has the id"):
            keys.rotate("unknown")
        with pytest.raises(DataError, match="the time of grace"):
            keys.rotate(last.id, grace=timedelta(seconds=-1))
        told = [one.detail["old"] for one in library.audit.events() if one.kind == "key rotated"]
        assert told == [old.id, new.id, short.id]


def test_the_last_use_of_a_key_is_kept(place: str) -> None:
    """It is the minute, and nothing for a key that was never used or is gone."""
    with Library.open(place, Tiny()) as library:
        key, secret = library.keys.make("h0")
        assert key.used is None
        library.keys.mark_used(key.id)
        library.keys.mark_used("gone")
        found = library.keys.of(secret)
    assert found is not None
    assert found.used is not None
    assert found.used.endswith(":00Z")
    assert timedelta() <= datetime.now(UTC) - parse_moment(found.used) < timedelta(minutes=2)


@pytest.mark.parametrize("gone", ["revoked", "erased"])
def test_a_library_of_before_remembers_it_from_now_on(place: str, gone: str) -> None:
    """It has keys and no counter of them, which the last revocation or erasure makes."""
    with Library.open(place, Tiny()) as library:
        library.add(demonstrations())
        key, _ = library.keys.make("h0")
        alter(place, "DELETE FROM counters WHERE name = 'keys'")
        assert library.keys.ever_made()
        if gone == "revoked":
            library.keys.revoke(key.id)
        else:
            forget(library, institution="h0")
        assert not library.keys.all()
        assert library.keys.ever_made()


def test_the_command_makes_lists_and_revokes(tmp_path: Path) -> None:
    """The secret is printed alone on the last line, and only once."""
    place = str(tmp_path / "hospitals.db")
    with Library.open(place, Tiny()) as library:
        library.add(demonstrations())
    assert "no key" in metachain("key", place).stdout
    made = metachain("key", place, "h0", "--scope", "ask", "--until", "2999-12-31").stdout
    secret = made.splitlines()[-1]
    with Library.open(place, Tiny()) as library:
        found = library.keys.of(secret)
    assert found is not None
    assert (found.institution, found.scopes) == ("h0", frozenset({"ask"}))
    listed = metachain("key", place).stdout
    assert found.id in listed
    assert secret not in listed
    assert "counts no more" in metachain("key", place, "--revoke", found.id).stdout
    kept = metachain("key", place, "h0", "--until", "never")
    assert "never ends" in kept.stdout
    [_, id, *_] = kept.stdout.split()
    rotated = metachain("key", place, "--rotate", id, "--grace", "7d")
    assert f"key {id} ends in 7d" in rotated.stdout
    with Library.open(place, Tiny()) as library:
        [old] = [one for one in library.keys.all() if one.id == id]
        new = library.keys.of(rotated.stdout.splitlines()[-1])
        actors = {one.actor for one in library.audit.events() if one.kind.startswith("key")}
    assert new is not None
    assert (new.institution, new.scopes) == (old.institution, old.scopes)
    assert old.until is not None
    assert timedelta(days=6) < parse_moment(old.until) - datetime.now(UTC) <= timedelta(days=7)
    assert actors == {getpass.getuser()}
    for wrong in (
        ["h0", "--admin"],
        ["h0", "--scope", "all"],
        ["--rotate", id, "--revoke", id],
        ["--rotate", id, "--scope", "ask"],
        ["--rotate", id, "--grace", "soon"],
        ["--rotate", id, "--grace", "999999d"],
        ["--rotate", "unknown"],
    ):
        done = metachain("key", place, *wrong)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")


def test_a_secret_goes_to_a_new_private_file(tmp_path: Path) -> None:
    """It is then not printed; a file that is there, or a link, is left alone, and no key is made."""
    place, file, link = str(tmp_path / "hospitals.db"), tmp_path / "h0.key", tmp_path / "link"
    with Library.open(place, Tiny()) as library:
        library.add(demonstrations())
    done = metachain("key", place, "h0", "--to", file)
    secret = file.read_text().strip()
    assert secret not in done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    link.symlink_to(tmp_path / "elsewhere")
    for taken in (file, link, tmp_path / "nowhere" / "h0.key"):
        refused = metachain("key", place, "h0", "--to", taken)
        assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr
    assert not (tmp_path / "elsewhere").exists()
    assert file.read_text().strip() == secret
    with Library.open(place, Tiny()) as library:
        found = library.keys.of(secret)
        assert library.keys.all() == (found,)
