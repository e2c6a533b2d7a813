"""API keys of a server's callers: making, finding, expiring and revoking them, on both engines."""

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
from metachain.library.engine import reading
from metachain.library.library import Library


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
    for wrong in (["h0", "--admin"], ["h0", "--scope", "all"]):
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
