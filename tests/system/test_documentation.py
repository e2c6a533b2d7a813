"""The documentation builds with warnings as errors, and its pages ask nobody else for anything."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_builds_and_is_self_contained(tmp_path: Path) -> None:
    """Strictly: every page is in the navigation, every link leads somewhere; no script, style or font is elsewhere."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    names = {one.stem for one in (ROOT / "docs").glob("*.md")}
    assert names <= {one.stem for one in pages}
    for page in pages:
        html = page.read_text()
        loaded = re.findall(
            r"<script[^>]*src=\"([^\"]+)\"|<link[^>]*rel=\"(?:stylesheet|preconnect)\"[^>]*href=\"([^\"]+)\"", html
        )
        assert not [one for pair in loaded for one in pair if one.startswith(("http", "//"))], page.name
