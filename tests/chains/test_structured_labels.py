"""Classification by models with structured output: the labels are their list, and what they fill in is checked."""

from collections.abc import Sequence
from typing import Any

import pytest
from fixed_selector import fixed
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from loopback import serving
from provider_cases import CLIENTS_OWN, Case, collected, each_client  # noqa: F401
from pydantic import Field
from scripted import Scripted

from metachain.chains import Classification, classification_chain
from metachain.chains.classification import MOST_ENUMERATED, NONE_FITS
from metachain.errors import DataError

pytestmark = pytest.mark.filterwarnings(*CLIENTS_OWN)
QUERY = {"input": "mri of the brain"}
SHOWN = fixed(("mri brain", "0611"), ("xray chest", "0324"))


class Filling(Scripted):
    """Fills in ``filled`` where it is given a tool, and keeps the tool; says ``first`` where ``filled`` is None."""

    filled: Any = None
    offered: list[dict[str, Any]] = Field(default_factory=list)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Take the tool."""
        self.offered.append(tools[0])
        return self.bind(filling=True)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        result = super()._generate(messages, stop)
        if kwargs.get("filling") and self.filled is not None:
            call = {"name": "label", "args": self.filled, "id": "1"}
            result.generations[0].message = AIMessage("", tool_calls=[call])
        return result


def filling(filled: Any, first: str = "") -> Filling:
    """A model that fills this in."""
    return Filling(first=first, filled=filled)


def offered(model: Filling) -> list[str]:
    """The list that the model was last given to choose from."""
    schema = model.offered[-1]
    listed: list[str] = schema["properties"]["label"]["enum"]
    return listed


async def test_the_labels_are_the_models_list() -> None:
    """Each call offers the labels allowed in it and a way to say that none fits; both ways to ask agree."""
    model = filling({"label": "0611"})
    chain = classification_chain(model, SHOWN)
    expected = Classification("0611", "0611", ("0324", "0611"))
    assert chain.invoke(QUERY) == await chain.ainvoke(QUERY) == expected
    assert chain.batch([QUERY]) == list(chain.stream(QUERY)) == [expected]
    assert offered(model) == ["0324", "0611", NONE_FITS]
    assert [one.type for one in model.sent[-1]] == ["human", "ai"] * 2 + ["human"]
    classification_chain(model, SHOWN, ["b", "a"]).invoke(QUERY)
    assert offered(model) == ["b", "a", NONE_FITS]


@pytest.mark.parametrize(
    ("filled", "first", "label", "answer"),
    [
        ({"label": NONE_FITS}, "", None, NONE_FITS),
        ({"label": "0999"}, "", None, "0999"),
        ({"label": " 0611. "}, "", "0611", " 0611. "),
        ({"label": 611}, "so", None, ""),
        ({}, "", None, ""),
        (None, "I can't help with that.", None, "I can't help with that."),
        (None, "0611", "0611", "0611"),
        (None, "", None, ""),
    ],
)
def test_what_is_filled_in_is_checked(filled: Any, first: str, label: str | None, answer: str) -> None:
    """None of these, another label, no text, nothing, a refusal: no label, and the reason says what was said."""
    judged = classification_chain(filling(filled, first), SHOWN).invoke(QUERY)
    assert (judged.label, judged.answer) == (label, answer)
    assert label is not None or f"the model's answer {answer!r} is none of the 2 allowed" in judged.reason


def test_a_refusal_as_openai_keeps_it_is_told() -> None:
    """A refusal that stands beside an empty text is the answer."""

    class Refusing(Filling):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            result = super()._generate(*args, **kwargs)
            result.generations[0].message = AIMessage("", additional_kwargs={"refusal": "No."})
            return result

    judged = classification_chain(Refusing(first=""), SHOWN).invoke(QUERY)
    assert (judged.label, judged.answer) == (None, "No.")


@pytest.mark.parametrize("label", [NONE_FITS, "None of these labels."])
def test_a_label_like_the_way_out_is_told_from_it(label: str) -> None:
    """Where a label says so itself, the way out is written differently, and is no label."""
    model = filling({"label": f"({NONE_FITS})"})
    chain = classification_chain(model, SHOWN, [label, "0611"])
    assert chain.invoke(QUERY).label is None
    assert offered(model) == [label, "0611", f"({NONE_FITS})"]
    assert classification_chain(filling({"label": label}), SHOWN, [label]).invoke(QUERY).label == label


def test_more_labels_than_a_list_may_hold_are_answered_in_words() -> None:
    """At the bound the list is given, over it and without labels it isn't, and the answer is checked all the same."""
    labels = [f"code {number}" for number in range(MOST_ENUMERATED + 1)]
    model = filling({"label": "code 7"}, "code 8")
    assert classification_chain(model, SHOWN, labels[:-1]).invoke(QUERY).label == "code 7"
    assert classification_chain(model, SHOWN, labels).invoke(QUERY).label == "code 8"
    assert "no label is known" in classification_chain(model, fixed()).invoke(QUERY).reason
    assert len(model.offered) == 1


def test_structured_output_can_be_left_out() -> None:
    """With False, by a profile that denies it, or within another Runnable, the model answers in words."""
    model = filling({"label": "0611"}, "0324")
    assert classification_chain(model, SHOWN, structured=True).invoke(QUERY).label == "0611"
    assert classification_chain(model, SHOWN, structured=False).invoke(QUERY).label == "0324"
    assert classification_chain(model.with_retry(), SHOWN).invoke(QUERY).label == "0324"
    denied = model.model_copy(update={"profile": {"structured_output": False, "tool_calling": False}})
    assert classification_chain(denied, SHOWN).invoke(QUERY).label == "0324"
    assert len(model.offered) == 1


@pytest.mark.parametrize("model", ["offline", FakeListChatModel(responses=["0611"]), filling(None).with_retry()])
def test_structured_output_is_asked_of_no_model_without_it(model: Any) -> None:
    """It is an error when the chain is made."""
    with pytest.raises(DataError, match="has no structured output; leave it out"):
        classification_chain(model, SHOWN, structured=True)


@each_client()
async def test_real_clients_send_the_list(case: Case) -> None:
    """The provider's client sends the labels as a schema, by its own way, and the answer is a label."""
    with serving(case.wire()) as server:
        chain = classification_chain(case.make(server), SHOWN)
        judged = chain.invoke(QUERY)
        assert judged == await chain.ainvoke(QUERY)
        sent = server.asked[-1].schema
        plain = classification_chain(case.make(server), SHOWN, structured=False).invoke(QUERY)
        assert server.asked[-1].schema is None
    assert judged == plain == Classification("0611", "0611", ("0324", "0611"))
    assert sent is not None
    assert sent["properties"]["label"]["enum"] == ["0324", "0611", NONE_FITS]
