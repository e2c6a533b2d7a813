"""Step 6, agent: one agent for two hospitals, with demonstrations for the hospital of each run.

    python examples/step6_agent.py

The hospitals are synthetic. Put "anthropic:…", "ollama:…" or any chat model in place of the offline one, which can't
call tools; so this script calls the tools itself.
"""

import tempfile
from pathlib import Path

from langchain.agents import create_agent

from metachain import EVERYONE, Library, adapt, learn
from metachain.chains import DemonstrationMiddleware, MetaChainToolkit, load_model
from metachain.data import generate_world
from metachain.learning import save_posterior, save_prior

LABELS = 16
HOSPITALS = ("tallowgate-general", "wexcombe-infirmary")
"""The first books a drug by its route of administration, the second by its use."""
QUESTION = "heparin 5 mg injection"


def main() -> None:
    """Print the agent's answer for each hospital, the size of its state, and the results of the tools."""
    world = generate_world()

    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder) / "hospitals.db") as library:
        library.add((one for one in world if one.institution not in HOSPITALS), share=EVERYONE)
        prior = learn(library)
        save_prior(library, prior)
        for name in HOSPITALS:
            library.add([one for one in world if one.institution == name][:LABELS])
            save_posterior(library, adapt(prior, library, name))

        agent = create_agent(load_model("offline"), middleware=[DemonstrationMiddleware(library, k=8)])
        for name in HOSPITALS:
            done = agent.invoke({"messages": [("human", QUESTION)]}, context={"institution": name})
            answer, held = done["messages"][-1].text, len(done["messages"])
            print(f"{name} asks {QUESTION!r}: {answer} (the state holds {held} messages, no demonstration)")

        toolkit = MetaChainToolkit(library=library, institutions=(HOSPITALS[0],), k=2)
        arguments = {"institution": HOSPITALS[0], "text": QUESTION}
        for tool in toolkit.get_tools():
            print(f"{tool.name}: {tool.invoke({key: arguments[key] for key in tool.args if key in arguments})}")


if __name__ == "__main__":
    main()
