"""Contract of every example selector of ours (langchain-tests has no suite for them).

A subclass provides the fixtures ``selector``, ``twin`` (a new selector of the same parts) and ``empty`` (over an empty
library).
"""

from langchain_core.example_selectors import BaseExampleSelector

QUERY = "xray chest ward a"
ELSE = "mri spine day unit"


class SelectorContract:
    """Tests that hold for every example selector."""

    async def test_sync_equals_async(self, selector: BaseExampleSelector) -> None:
        """Both ways to select choose the same, in the same order."""
        chosen = selector.select_examples({"input": QUERY})
        assert chosen
        assert await selector.aselect_examples({"input": QUERY}) == chosen

    def test_order_is_deterministic(self, selector: BaseExampleSelector, twin: BaseExampleSelector) -> None:
        """The same query gets the same examples in the same order, also from a new selector."""
        chosen = selector.select_examples({"input": QUERY})
        selector.select_examples({"input": ELSE})
        assert selector.select_examples({"input": QUERY}) == chosen
        assert twin.select_examples({"input": QUERY}) == chosen

    def test_an_added_example_is_visible_at_once(self, selector: BaseExampleSelector) -> None:
        """The selection after ``add_example`` shows the new example, at the end, for a very similar text."""
        example = {"input": "helicopter transport", "output": "air"}
        assert selector.add_example(example)
        assert selector.select_examples({"input": "helicopter  transports"})[-1] == example

    async def test_an_example_added_asynchronously_is_visible_at_once(self, selector: BaseExampleSelector) -> None:
        """As above, with the asynchronous twins."""
        example = {"input": "helicopter transport", "output": "air"}
        assert await selector.aadd_example(example)
        assert (await selector.aselect_examples({"input": "helicopter  transports"}))[-1] == example

    def test_adding_twice_adds_once(self, selector: BaseExampleSelector) -> None:
        """The same example added again has the same id, and is shown once."""
        example = {"input": "helicopter transport", "output": "air"}
        assert selector.add_example(example) == selector.add_example(example)
        assert selector.select_examples({"input": "helicopter transports"}).count(example) == 1

    def test_an_added_answer_to_the_very_text_is_shown_next_to_it(self, selector: BaseExampleSelector) -> None:
        """In any letter case or white space, and with a full stop more."""
        example = {"input": "helicopter transport", "output": "air"}
        selector.add_example(example)
        for query in ("helicopter transport", "  Helicopter\tTRANSPORT ", "helicopter transport."):
            assert selector.select_examples({"input": query})[-1] == example

    def test_unknown_keys_are_ignored(self, selector: BaseExampleSelector) -> None:
        """A selector receives all variables of a prompt, of any type, and reads only its own."""
        others = {"history": ["a", 3], "instructions": "{input}", "output": "not to be read", "n": 1}
        assert selector.select_examples({**others, "input": QUERY}) == selector.select_examples({"input": QUERY})

    def test_an_empty_library_gives_an_empty_list(self, empty: BaseExampleSelector) -> None:
        """An empty library shows nothing."""
        assert empty.select_examples({"input": QUERY}) == []

    async def test_an_empty_library_gives_an_empty_list_asynchronously(self, empty: BaseExampleSelector) -> None:
        """As above, with the asynchronous twin."""
        assert await empty.aselect_examples({"input": QUERY}) == []
