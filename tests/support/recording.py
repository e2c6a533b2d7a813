"""Contents of a library as plain JSON, by names that are the same before and after the move to packages.

Nothing of metachain is imported here, so that the version before the move can run it too.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import numpy as np

__all__ = ["artifact", "assert_same", "assert_same_text", "contents", "mixed_up", "plain", "selections", "suggestions"]

TOLERANCE = 1e-5
"""Largest difference of two numbers that count as the same, relative where they are larger than 1."""
NUMBER = re.compile(r"-?\d+(?:\.\d+(?:[eE][-+]?\d+)?|[eE][-+]?\d+)")
"""A number with a fraction or an exponent in a JSON text; whole numbers are compared as text."""


def plain(value: Any) -> Any:
    """Turn a value into what JSON holds; sets become sorted lists, arrays their type, shape and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "shape": list(value.shape), "values": value.ravel().tolist()}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value))
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if isinstance(value, datetime) else value


def artifact(library: Any, name: str) -> dict[str, Any]:
    """Return the JSON header and the arrays that a library holds under a name."""
    header, arrays = library.load(name)
    return {"header": plain(header), "arrays": {key: plain(arrays[key]) for key in sorted(arrays)}}


def contents(library: Any) -> dict[str, Any]:
    """Read everything that a library holds."""
    names = library.institutions()
    return {
        "demonstrations": plain(library.demonstrations()),
        "grants": plain(library.sharing.grants()),
        "groups": plain(library.sharing.groups()),
        "shared": {name: sorted({one.institution for one in library.shared_demonstrations(name)}) for name in names},
        "outcomes": {origin: plain(library.outcomes.of(origin=origin)) for origin in ("chain", "collected")},
        "audit": [plain(one) for one in library.audit.entries()],
        "keys": plain(library.keys.all()),
        "answers": {name: plain(library.listed_answers(name)) for name in names},
        "receipts": plain(library.receipts()),
        "states": {name: plain(library.state(name)) for name in names},
        "artifacts": {name: artifact(library, name) for name in library.learned()},
    }


def selections(made: Iterable[Any]) -> list[dict[str, Any]]:
    """Return each selection's demonstrations in their order, with the numbers; reasons are prose and left out."""
    return [
        {
            "query": one.query,
            "method": one.method,
            "best_first": one.best_first,
            "chosen": [
                plain([*shown.demonstration.key, shown.score, shown.similarity, shown.plausibility])
                for shown in one.chosen
            ],
        }
        for one in made
    ]


def suggestions(made: Iterable[Any]) -> list[list[Any]]:
    """Return the text and the gain of each suggested label."""
    return [plain([one.text, one.gain]) for one in made]


def mixed_up(demonstrations: Iterable[Any]) -> list[Any]:
    """Return the demonstrations with answers that no other demonstration foretells, so that nothing can be learned."""
    return [
        replace(one, output=f"code {sha256(f'{one.institution} {one.input}'.encode()).digest()[0] % 8}")
        for one in demonstrations
    ]


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    """Compare two JSON values: numbers with a fraction to ``TOLERANCE``, the order of keys and all else exactly."""
    if isinstance(expected, float) and isinstance(found, float):
        near = math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        assert near or (math.isnan(found) and math.isnan(expected)), f"{where}: {found!r}, before {expected!r}"
        return
    assert type(found) is type(expected), f"{where}: {found!r}, before {expected!r}"
    if isinstance(expected, dict):
        assert list(found) == list(expected), f"{where}: {list(found)}, before {list(expected)}"
        for name in expected:
            assert_same(found[name], expected[name], f"{where}/{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), f"{where}: {len(found)} values, before {len(expected)}"
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{where}/{place}")
    else:
        assert found == expected, f"{where}: {found!r}, before {expected!r}"


def assert_same_text(found: str, expected: str) -> None:
    """Compare two JSON texts byte by byte, numbers with a fraction to ``TOLERANCE``."""
    assert NUMBER.sub("#", found) == NUMBER.sub("#", expected)
    for one, other in zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True):
        assert math.isclose(float(one), float(other), rel_tol=TOLERANCE, abs_tol=TOLERANCE), f"{one}, before {other}"
