"""Whether the time of an answer tells that an institution which shares nothing holds a text.

    python -m benchmarks.chains.membership_timing [--probes 400]

One institution shares nothing and holds half of the probes; another sends them all, once each, in random order. Texts
are 150 random words of the generated, synthetic world, with the real encoder. Printed for each route: the area under
the ROC curve (AUC) of "faster means member", .5 for a guess, with its standard error (Hanley & McNeil 1982, eq. 1).
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.chains.load import READY_SECONDS, free_port, until_ready
from benchmarks.common.machine import machine
from metachain import EVERYONE, Demonstration, Library, learn
from metachain.data.synthetic import generate_world
from metachain.learning.artifacts import save_prior

PAST, WORDS, WARM = 4, 150, 10
SECRETIVE, ASKING = "secretive", "asking"
WAIT_SECONDS = 120


def body(route: str, text: str) -> dict[str, Any]:
    """Body of one request about a text."""
    if route == "/adapt":
        return {"examples": [{"input": text, "output": "1"}]}
    return {"texts": [text], "budget": 1} if route == "/label" else {"input": {"input": text}}


def main() -> None:
    """Fill a library, serve it, send the probes to each route, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probes", type=int, default=400)
    given = parser.parse_args()
    drawn = np.random.default_rng(3)
    world = generate_world()
    words = [word for one in world for word in one.input.split()]
    print(
        f"{machine().line()}\n\n| route | AUC | standard error | median of members | of others |\n|---|---|---|---|---|"
    )
    for route in ("/adapt", "/label", "/classify/invoke"):
        texts = [" ".join(drawn.choice(words, WORDS)) for _ in range(given.probes + WARM)]
        members = texts[: given.probes // 2]
        with TemporaryDirectory() as folder:
            place = str(Path(folder) / "hospitals.db")
            with Library.open(place) as library:
                past = sorted({one.institution for one in world})[:PAST]
                library.add([one for one in world if one.institution in past], share=EVERYONE)
                library.add(Demonstration(SECRETIVE, text, "9999") for text in members)
                library.add([Demonstration(ASKING, "chest x-ray", "1")])
                save_prior(library, learn(library, ASKING))
                secret = library.keys.make(ASKING)[1]
            report(route, timed(place, secret, route, texts, drawn), members)


def timed(place: str, secret: str, route: str, texts: list[str], drawn: np.random.Generator) -> dict[str, float]:
    """Serve a library; returns the seconds of the answer about each text, without those that warm the server."""
    port = free_port()
    command = [sys.executable, "-m", "metachain", "serve", place, "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **quiet)
    warm, probes = texts[-WARM:], texts[:-WARM]
    found = {}
    try:
        address = f"http://127.0.0.1:{port}"
        until_ready(address, server, "/readyz")
        key = {"Authorization": f"Bearer {secret}"}
        with httpx.Client(base_url=address, headers=key, timeout=WAIT_SECONDS) as client:
            for text in [*warm, *drawn.permutation(probes).tolist()]:
                begun = time.perf_counter()
                client.post(route, json=body(route, text)).raise_for_status()
                found[text] = time.perf_counter() - begun
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(READY_SECONDS)
    return {text: found[text] for text in probes}


def report(route: str, seconds: dict[str, float], members: list[str]) -> None:
    """Print a row."""
    is_member = np.array([text in set(members) for text in seconds])
    times = np.array(list(seconds.values()))
    auc = float(roc_auc_score(is_member, -times))
    first, second = auc / (2 - auc) - auc**2, 2 * auc**2 / (1 + auc) - auc**2
    n, m = int(is_member.sum()), int((~is_member).sum())
    error = np.sqrt((auc * (1 - auc) + (n - 1) * first + (m - 1) * second) / (n * m))
    medians = (f"{1000 * np.median(times[group]):.1f} ms" for group in (is_member, ~is_member))
    print(f"| `{route}` | {auc:.3f} | {error:.3f} | {' | '.join(medians)} |", flush=True)


if __name__ == "__main__":
    main()
