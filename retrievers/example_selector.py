"""The example selector of one institution, for LangChain's few-shot prompts."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector

from metachain.data.demonstration import Demonstration
from metachain.data.metadata.filters import condition_of
from metachain.errors import DataError
from metachain.learning.policy import DEFAULT, Policy
from metachain.learning.posterior import Posterior
from metachain.learning.prior import version_of
from metachain.library.audit import AuditEntry, new_id
from metachain.library.caller import caller
from metachain.library.erasure import records_sha256
from metachain.library.library import Library
from metachain.normal_form import normal_form
from metachain.retrievers.explaining_selector import CountTokens
from metachain.selection.selection import Selection
from metachain.selection.selector import Selector
from metachain.selection.token_budget import select_within
from metachain.timestamps import now

__all__ = ["MetaExampleSelector", "text_of"]


class MetaExampleSelector(BaseExampleSelector):
    """Selects, for one institution, the demonstrations that best transfer to each input; the best comes last.

    LangChain passes a selector *all* variables of the prompt. This one reads ``input_key`` and ignores the others.
    Each example is ``{input_key: …, output_key: …}``. There are at most ``k`` of them, and the input itself is never
    one of them. Labels and feedback that anybody adds for the institution later count from the next selection on.

    ``policy`` sets the method and the order of selection; ``metachain.selection.load_policy`` reads the policy
    that was learned for a model. ``k`` replaces the number in the policy. ``filter`` admits demonstrations by their
    metadata, in the grammar of the vector store (``metachain.data.metadata.filters``): ``{"year": {"$gte": 2020}}``. It
    narrows what the sharing rules allow, and never widens it.
    """

    def __init__(
        self,
        library: Library,
        posterior: Posterior,
        k: int | None = None,
        input_key: str = "input",
        output_key: str = "output",
        *,
        policy: Policy = DEFAULT,
        filter: Mapping[str, Any] | None = None,
    ) -> None:
        self.library, self.input_key, self.output_key = library, input_key, output_key
        self._posterior, self._k, self._policy = posterior, k, policy
        if filter is not None:
            condition_of(filter)  # refused at once, also where the library is empty
        self._filter = filter
        self._selector = self._new_selector()

    @property
    def institution(self) -> str:
        """The target institution."""
        return self._posterior.institution

    def labels(self) -> tuple[str, ...]:
        """Known outputs of the institution, in alphabetical order."""
        return self._selector.labels() if self._selector else ()

    def labels_of(self, institution: str) -> tuple[str, ...]:
        """Known outputs of the institution, as ``labels``. Raises DataError for another institution."""
        self._check_institution(institution)
        return self.labels()

    def explain(self, text: str) -> Selection:
        """Select for one input, and give each demonstration's scores and reason."""
        return self._selector.select(text) if self._selector else self._empty_selection(text)

    def explain_within(self, text: str, budget: int, tokens: CountTokens) -> Selection:
        """Select for one input at most ``budget`` tokens, and give reasons; ``tokens`` counts a demonstration."""
        return select_within(self._selector, text, budget, tokens) if self._selector else self._empty_selection(text)

    def explain_for(
        self, institution: str, text: str, budget: int | None = None, tokens: CountTokens | None = None
    ) -> Selection:
        """Select as ``explain`` or, with a budget, ``explain_within``. Raises DataError for another institution."""
        self._check_institution(institution)
        if budget is None or tokens is None:
            return self.explain(text)
        return self.explain_within(text, budget, tokens)

    def select_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Select for the variable ``input_key``; the list is empty where the library is empty.

        Raises DataError where the variable is missing, blank or no string.
        """
        return self._examples(self.explain(self._query(input_variables)))

    def select_examples_within(
        self, input_variables: Mapping[str, Any], budget: int, tokens: CountTokens
    ) -> list[dict[str, Any]]:
        """Select for the variable ``input_key`` at most ``budget`` tokens, as ``explain_within`` does."""
        return self._examples(self.explain_within(self._query(input_variables), budget, tokens))

    async def aselect_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Select without blocking the event loop."""
        return await asyncio.to_thread(self.select_examples, input_variables)

    def add_example(self, example: Mapping[str, Any]) -> str:
        """Store one more labelled example of the institution, and return the demonstration's id.

        On return, the example is on disk and counts in the next selection. Adding it again changes nothing.
        Raises DataError where a key is missing, blank or no string, and StorageError where the library can't store the
        example. Raises NotFoundError where the library holds no past institution to adapt from; the example is then
        stored all the same.
        """
        input, output = (text_of(example, key, "the example") for key in (self.input_key, self.output_key))
        demonstration = Demonstration(self.institution, input, output)
        self.library.add([demonstration], origin="adapted")
        if self._selector is None:
            self._selector = self._new_selector()
        return demonstration.id

    async def aadd_example(self, example: Mapping[str, Any]) -> str:
        """Store and adapt without blocking the event loop."""
        return await asyncio.to_thread(self.add_example, example)

    def _check_institution(self, institution: str) -> None:
        if normal_form(institution) != self.institution:
            raise DataError(
                f"this selector serves {self.institution!r}, not {institution!r}; "
                "make another one, or use LibraryExampleSelector for all institutions"
            )

    def _query(self, input_variables: Mapping[str, Any]) -> str:
        return text_of(input_variables, self.input_key, "the prompt's variables")

    def _examples(self, selection: Selection) -> list[dict[str, Any]]:
        return [{self.input_key: one.input, self.output_key: one.output} for one in selection.demonstrations]

    def _empty_selection(self, text: str) -> Selection:
        """Selection from an empty library; the audit records it like any other."""
        found, sharing = Selection(self.institution, text, (), "nearest", id=new_id()), self.library.sharing
        rules, prior = sharing.usable_by(self.institution).rules, version_of(self._posterior.prior)
        what = found.id, now(), found.institution, sharing.purpose, found.method, (), rules, prior
        entry = AuditEntry(*what, contents_sha256=records_sha256(()), **asdict(caller()))
        self.library.audit.record([entry])
        return found

    def _new_selector(self) -> Selector | None:
        """Selector over the library; it also sees labels and feedback that are added later. None for an empty one."""
        if not self.library.institutions():
            return None
        return Selector(self.library, self._posterior, self._k, self._policy, filter=self._filter)


def text_of(values: Mapping[str, Any], key: str, where: str) -> str:
    """Return the text under a key; ``where`` names the mapping in errors.

    Raises DataError where the key is missing, or its value is no string.
    """
    if key not in values:
        held = ", ".join(repr(name) for name in values) or "nothing"
        raise DataError(f"{where} must hold {key!r}, got {held}; add it, or name another key in the selector")
    value = values[key]
    if not isinstance(value, str):
        raise DataError(f"{key!r} must be a string, got {type(value).__name__}")
    return value
