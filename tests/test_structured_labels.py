"""Classification with structured output, where the model has it: labels to choose from, and a check all the same."""

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field
from scripted import Scripted
from test_few_shot import fixed

from metachain.chains import classification_chain
from metachain.chains.classification import MOST_ENUMERATED, NONE_FITS
from metachain.errors import DataError

SHOWN = fixed(("mri", "urgent"), ("visit", "routine"))
ASKED = {"input": "mri"}


class Filling(Scripted):
    """A model with tools: it fills the label in, or says ``first`` where it has none to fill in."""

    label: str = ""
    enums: list[list[str]] = Field(default_factory=list)
    """The labels that it was given to choose from, call by call."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Keep the enum."""
        (tool,) = tools
        self.enums.append(convert_to_openai_tool(tool)["function"]["parameters"]["properties"]["label"]["enum"])
        return self

    def _generate(self, messages: list[BaseMessage], *rest: Any, **kwargs: Any) -> ChatResult:
        result = super()._generate(messages)
        if self.label:
            call = ToolCall(name="label", args={"label": self.label}, id="1")
            result.generations[0].message = AIMessage("", tool_calls=[call])
        return result


async def test_the_model_chooses_from_the_labels_of_the_call() -> None:
    """Those shown where none are given, with a way to say that none fits."""
    model = Filling(first="", label="urgent")
    judged = classification_chain(model, SHOWN).invoke(ASKED)
    assert (judged.label, judged.answer) == ("urgent", "urgent")
    assert model.enums == [["routine", "urgent", NONE_FITS]]
    assert (await classification_chain(model, SHOWN, ["urgent", "later"]).ainvoke(ASKED)).label == "urgent"
    assert sorted(model.enums[-1]) == sorted(["urgent", "later", NONE_FITS])


@pytest.mark.parametrize("label", [NONE_FITS, "invented"])
def test_where_none_fits_it_says_so(label: str) -> None:
    """The model's own statement, and a label that it made up."""
    judged = classification_chain(Filling(first="", label=label), SHOWN).invoke(ASKED)
    assert judged.label is None
    assert label in judged.reason


def test_an_answer_in_words_is_taken_too() -> None:
    """From a model that fills nothing in."""
    assert classification_chain(Filling(first="Urgent."), SHOWN).invoke(ASKED).label == "urgent"


def test_a_label_may_be_called_as_the_way_out() -> None:
    """Then the way out is called differently."""
    model = Filling(first="", label=NONE_FITS)
    assert classification_chain(model, SHOWN, [NONE_FITS, "urgent"]).invoke(ASKED).label == NONE_FITS
    assert len(set(model.enums[0])) == 3


def test_too_many_labels_are_not_enumerated() -> None:
    """The model answers in words then; so it does where that is asked for, and behind another Runnable."""
    many = [f"label {number}" for number in range(MOST_ENUMERATED + 1)]
    for model, labels, options in (
        (Filling(first="label 7"), many, {}),
        (Filling(first="label 7"), many[:9], {"structured": False}),
    ):
        assert classification_chain(model, SHOWN, labels, **options).invoke(ASKED).label == "label 7"
        assert not model.enums
    enumerated = Filling(first="", label="label 7")
    assert classification_chain(enumerated, SHOWN, many[:-1]).invoke(ASKED).label == "label 7"
    assert len(enumerated.enums[0]) == MOST_ENUMERATED + 1
    wrapped = Filling(first="urgent")
    assert classification_chain(wrapped.with_retry(), SHOWN).invoke(ASKED).label == "urgent"
    assert not wrapped.enums


def test_structured_output_can_be_required() -> None:
    """Of a model that has none that is an error; a profile that denies it counts where nothing is said."""
    with pytest.raises(DataError, match="Scripted has no structured output"):
        classification_chain(Scripted(first="urgent"), SHOWN, structured=True)
    denied = Filling(first="urgent", profile={"structured_output": False, "tool_calling": False})
    assert classification_chain(denied, SHOWN).invoke(ASKED).label == "urgent"
    assert not denied.enums
    classification_chain(denied, SHOWN, structured=True).invoke(ASKED)
    assert denied.enums
