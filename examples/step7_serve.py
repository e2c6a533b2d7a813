"""Step 7, serve: the library behind a URL, with a key for each hospital.

    python examples/step7_serve.py         # needs the extra metachain[serve]

The script starts ``metachain serve`` on this machine, sends queries of two hospitals, corrects an answer, and ends the
server. The hospitals are synthetic.
"""

import socket
import subprocess
import sys
import time
from contextlib import suppress

import httpx
from hospital import a_new_hospital
from langserve import RemoteRunnable

from metachain import adapt, learn
from metachain.learning import save_posterior, save_prior

with socket.socket() as found:
    found.bind(("127.0.0.1", 0))
    PORT = found.getsockname()[1]
URL = f"http://127.0.0.1:{PORT}"


def main() -> None:
    """Print answers for two hospitals, a refused request, and the effect of feedback."""
    with a_new_hospital() as (library, name, own):
        prior = learn(library)
        library.add(own[:16])
        save_prior(library, prior)
        save_posterior(library, adapt(prior, library, name))
        other = library.institutions()[0]
        keys = {one: {"Authorization": f"Bearer {library.keys.make(one)[1]}"} for one in (name, other)}

        place = str(library.place)
        server = subprocess.Popen([sys.executable, "-m", "metachain", "serve", place, "--port", str(PORT)])
        try:
            wait_for(server)
            query = own[20].input
            for one, key in keys.items():
                classify = RemoteRunnable(f"{URL}/classify/", headers=key)
                print(f"{one} asks {query!r}: {classify.invoke({'input': query})['label']}")

            body = {"input": {"input": query, "institution": other}}
            refused = httpx.post(f"{URL}/classify/invoke", json=body, headers=keys[name])
            print(f"{name} asks for {other}: {refused.status_code}, {refused.json()['detail']}")

            body = {"examples": [{"input": one.input, "output": one.output} for one in own[16:20]]}
            state = httpx.post(f"{URL}/adapt", json=body, headers=keys[name], timeout=60).json()
            print(f"{name} gives {state['stored']} more labels: {state['labels']} now, selection by {state['method']}")

            asked = {"input": {"input": query}}
            answered = httpx.post(f"{URL}/classify/invoke", json=asked, headers=keys[name]).json()
            judged = {"run_id": answered["metadata"]["run_id"], "correction": own[20].output}
            kept = httpx.post(f"{URL}/feedback", json=judged, headers=keys[name]).json()
            print(f"the right answer is kept: {kept['correction']}")
        finally:
            server.terminate()
            server.wait(60)


def wait_for(server: subprocess.Popen) -> None:
    """Wait until the server is ready; exit with an error after a minute."""
    end = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < end:
        with suppress(httpx.TransportError):
            if httpx.get(f"{URL}/readyz").status_code == 200:
                return
        time.sleep(0.2)
    sys.exit("the server did not start")


if __name__ == "__main__":
    main()
