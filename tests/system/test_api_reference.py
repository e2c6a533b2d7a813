"""The API reference covers every package and finds each public name, with its docstring, without running the code."""

import re
from pathlib import Path

import griffe
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    name
    for page in (ROOT / "docs").glob("api*.md")
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
)
ROOMS = sorted(path.parent.name for path in (ROOT / "metachain").glob("*/__init__.py"))


@pytest.fixture(scope="module")
def tree() -> griffe.Module:
    """The package as griffe reads it, as the documentation does."""
    loader = griffe.GriffeLoader(search_paths=[ROOT], allow_inspection=False)
    loaded = loader.load("metachain")
    loader.resolve_aliases(external=False)
    assert isinstance(loaded, griffe.Module)
    return loaded


def test_every_package_is_there() -> None:
    """The root, the errors and each package but the command line stand on one page."""
    assert (
        sorted(["metachain", "metachain.errors", *(f"metachain.{room}" for room in ROOMS if room != "cli")]) == PACKAGES
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_a_docstring(tree: griffe.Module, package: str) -> None:
    """The reference leaves out a name without a docstring, so each has one: functions, classes and constants."""
    module = tree[package.removeprefix("metachain.")] if package != "metachain" else tree
    assert module.exports
    assert [name for name in module.exports if not module[str(name)].docstring] == []
