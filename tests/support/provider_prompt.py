"""The prompt for every provider's client."""

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

__all__ = ["PROMPT"]

PROMPT: list[BaseMessage] = [
    SystemMessage("Codes."),
    HumanMessage("mri brain"),
    AIMessage("code 0611"),
    HumanMessage("mri of the brain"),
]
