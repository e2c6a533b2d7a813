"""What the server's OpenAPI says is so, whatever is sent: schemathesis tries."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from handmade import Tiny, demonstrations, learned_library
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from metachain.chains.server import create_app
from metachain.chains.service.running import standard_chains
from metachain.library.api_keys import DEFAULT_SCOPES
from metachain.library.library import Library
from metachain.retrievers import LibraryExampleSelector

CHAINS = [f"/{name}/{kind}" for name in ("classify", "extract", "summarize") for kind in ("batch", "invoke", "stream")]
POSTED = [*CHAINS, "/adapt", "/explain", "/feedback", "/label", "/review"]
SCHEMAS = [f"/{name}/{kind}_schema" for name in ("classify", "extract", "summarize") for kind in ("input", "output")]
READ = [*SCHEMAS, "/healthz", "/institutions", "/metrics", "/readyz", "/review"]
TEXTS_MAY_BE_BLANK: Any = positive_data_acceptance
"""JSON schema can't say which texts are blank to Python, or hold what no database stores: these are answered 422."""
OPERATIONS = sorted([*(("POST", path) for path in POSTED), *(("GET", path) for path in READ)])


@pytest.fixture
def schema(tmp_path: Path) -> Any:
    """That of an app in this process, asked with the key of an institution; what one test teaches it ends with it."""
    said = [replace(one, output=f'{{"code": "{one.output}"}}', id="") for one in demonstrations()]
    place = learned_library(str(tmp_path / "hospitals.db"), said)
    library = Library.open(place, Tiny())
    selector = LibraryExampleSelector(library)
    app = create_app(library, standard_chains("offline", selector), selector)
    _, secret = library.keys.make("h0", [*DEFAULT_SCOPES, "review"])
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers={"Authorization": f"Bearer {secret}"}), secret


def test_all_operations_are_tried(schema: Any) -> None:
    """The list below is that of the schema."""
    found = schema[0].raw_schema["paths"]
    assert sorted((method.upper(), path) for path, item in found.items() for method in item) == OPERATIONS


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_are_what_openapi_says(schema: Any, method: str, path: str) -> None:
    """No input is answered with a fault, an undocumented status or a body of another shape than documented."""
    told, secret = schema

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=told[path][method].as_strategy())
    def check(case: Any) -> None:
        case.call_and_validate(excluded_checks=[TEXTS_MAY_BE_BLANK], headers={"Authorization": f"Bearer {secret}"})

    check()
