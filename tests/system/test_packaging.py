"""The wheel that others install: built from the source distribution, installed where no checkout is, and run there."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from metachain import __version__

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "MANIFEST.in", "metachain", "chains", "retrievers")
ROOMS = (
    "data",
    "embedding",
    "deidentification",
    "scoring",
    "library",
    "learning",
    "selection",
    "evaluation",
    "reporting",
    "cli",
)


def run(*command: object, folder: Path) -> str:
    """Run a command in a folder, without this checkout on Python's path; its standard output."""
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(kind: str, source: Path, target: Path) -> Path:
    """Build ``sdist`` or ``wheel`` by the build backend, with the setuptools of this environment."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(target)!r})"
    run(sys.executable, "-c", code, folder=source)
    return max(target.iterdir(), key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, built in a copy of the checkout, so that nothing is written to the checkout."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("sdist")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source)
    return build("sdist", source, target)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the unpacked source distribution."""
    source, target = tmp_path_factory.mktemp("unpacked"), tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(source, filter="data")
    return build("wheel", source / f"metachain-{__version__}", target)


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of a fresh virtual environment that holds the wheel; what it depends on comes from this environment.

    A path that a ``.pth`` file adds stands last, and ``.pth`` files found there are not read, so an editable
    installation of this checkout has no effect.
    """
    environment = tmp_path_factory.mktemp("fresh") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, folder=environment.parent)
    python = environment / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python),
        *("install", "--no-deps", "--no-index", "--quiet", wheel),
        folder=environment.parent,
    )
    installed = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=environment.parent)
    dependencies = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (Path(installed.strip()) / "dependencies.pth").write_text("\n".join(dependencies) + "\n", encoding="utf-8")
    return environment / "bin"


def metadata(wheel: Path) -> Message:
    """The wheel's own account of itself."""
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(f"metachain-{__version__}.dist-info/METADATA").decode())


def test_the_wheel_holds_every_package(wheel: Path) -> None:
    """Ten rooms, chains, retrievers, the type marker and the report's template are in it, and each file once."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    parts = [
        *ROOMS,
        "cli/shared",
        "data/metadata",
        "learning/changes",
        "library/joining",
        "learning/ridge",
        "library/database",
        "chains",
        "chains/answers",
        "chains/local",
        "chains/service",
        "retrievers",
    ]
    packages = {name.removesuffix("/__init__.py") for name in names if name.endswith("/__init__.py")}
    assert packages == {"metachain", *(f"metachain/{part}" for part in parts)}
    assert {"metachain/py.typed", "metachain/reporting/report.html.j2"} <= set(names)
    assert len(names) == len(set(names))
    held = {name for name in names if ".dist-info/" not in name}
    there = {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in [
            *((f"metachain/{room}", ROOT / "metachain" / room) for room in ROOMS),
            ("metachain/chains", ROOT / "chains"),
            ("metachain/retrievers", ROOT / "retrievers"),
        ]
        for path in folder.rglob("*.py")
    }
    assert there | {f"metachain/{path.name}" for path in (ROOT / "metachain").glob("*.py")} <= held
    assert all(name.startswith("metachain/") for name in held)


def test_the_source_distribution_holds_what_builds_the_wheel(sdist: Path) -> None:
    """It has the licence, the changelog and the settings, and no tests, of which it could hold only some."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"} <= names
    assert [name for name in names if name.startswith("tests")] == []


def test_the_metadata_says_whose_it_is(wheel: Path) -> None:
    """Version, licence, authors and addresses are what pyproject.toml and ``metachain/_version.py`` say."""
    said = metadata(wheel)
    assert (said["Name"], said["Version"], said["License-Expression"]) == ("metachain", __version__, "Apache-2.0")
    assert said["Author"] == "The metachain maintainers"
    labels = {url.partition(",")[0] for url in said.get_all("Project-URL", [])}
    assert labels == {"Homepage", "Documentation", "Changelog", "Issues"}


def test_the_installed_package_is_the_wheels(programs: Path, tmp_path: Path) -> None:
    """Every package is imported from the fresh environment, not from the checkout."""
    parts = [*ROOMS, "chains", "chains.answers", "chains.local", "chains.service", "retrievers"]
    names = ["metachain", *(f"metachain.{part}" for part in parts)]
    code = f"import importlib\nfor name in {names}: print(importlib.import_module(name).__file__)"
    files = run(programs / "python", "-c", code, folder=tmp_path).splitlines()
    assert len(files) == len(names)
    assert [file for file in files if not Path(file).is_relative_to(programs.parent)] == []


def test_the_installed_command_works_in_an_empty_folder(programs: Path, tmp_path: Path) -> None:
    """``metachain --version`` says the version, and ``metachain demo`` ends in a verdict and a report page."""
    assert run(programs / "metachain", "--version", folder=tmp_path) == f"metachain {__version__}\n"
    assert list(tmp_path.iterdir()) == []
    shown = run(programs / "metachain", "demo", folder=tmp_path)
    assert "metachain" in shown
    assert "</html>" in (tmp_path / "metachain-demo" / "report.html").read_text(encoding="utf-8")
