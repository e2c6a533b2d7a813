"""Micro-batches: what waits for one turn is computed together, and nobody gets another's result or error."""

import asyncio
from collections.abc import Sequence

import pytest

from metachain.chains.server import Limits
from metachain.chains.service.fair_queue import FairQueue
from metachain.chains.service.metrics import Metrics
from metachain.chains.service.micro_batches import CHARACTERS, MOST, MicroBatches
from metachain.errors import DataError, StorageError


class Work:
    """A computation that notes its batches."""

    def __init__(self, wrong: str = "", error: Exception | None = None) -> None:
        self.batches: list[list[str]] = []
        self._wrong, self._error = wrong, error or DataError("this text is wrong")

    def __call__(self, batch: Sequence[str]) -> list[str]:
        """Double each item."""
        self.batches.append(list(batch))
        if self._wrong in batch:
            raise self._error
        return [one * 2 for one in batch]


def batches() -> MicroBatches[str, str]:
    """Batches of a queue of their own."""
    return MicroBatches(FairQueue(Limits(), Metrics()))


async def together(work: Work, items: Sequence[str], characters: int = 1, groups: int = 1) -> list[object]:
    """Compute items that come at the same moment; returns the result or the error of each."""
    made = batches()
    coming = (made.run("caller", f"group {place % groups}", item, characters, work) for place, item in enumerate(items))
    return list(await asyncio.gather(*coming, return_exceptions=True))


def test_what_comes_together_is_computed_together() -> None:
    """At most eight at once, in order, and each request gets its own result."""
    work, items = Work("none"), [str(number) for number in range(20)]
    assert asyncio.run(together(work, items)) == [one * 2 for one in items]
    assert [len(batch) for batch in work.batches] == [MOST, MOST, 4]
    assert [one for batch in work.batches for one in batch] == items


def test_a_batch_of_long_texts_is_small() -> None:
    """Its characters are bounded; a longer text than that has a batch of its own."""
    work = Work("none")
    asyncio.run(together(work, list("abcd"), CHARACTERS // 2))
    assert work.batches == [["a", "b"], ["c", "d"]]
    work = Work("none")
    asyncio.run(together(work, list("abc"), CHARACTERS * 10))
    assert work.batches == [["a"], ["b"], ["c"]]


def test_groups_are_kept_apart() -> None:
    """What is for another institution is in another batch."""
    work = Work("none")
    assert asyncio.run(together(work, list("abcd"), groups=2)) == ["aa", "bb", "cc", "dd"]
    assert sorted(work.batches) == [["a", "c"], ["b", "d"]]


def test_a_wrong_text_fails_alone() -> None:
    """The others of its batch are answered."""
    first, wrong, third = asyncio.run(together(Work("b"), list("abc")))
    assert (first, third) == ("aa", "cc")
    assert isinstance(wrong, DataError)


def test_what_fails_for_all_is_not_tried_for_each() -> None:
    """A library that can't be read is asked once."""
    work = Work("b", StorageError("the disk is full"))
    assert {type(one) for one in asyncio.run(together(work, list("abc")))} == {StorageError}
    assert len(work.batches) == 1


def test_what_is_given_up_is_not_computed() -> None:
    """A request that is cancelled while it waits takes no part, and those behind it are answered."""

    async def run() -> Work:
        work, made = Work("none"), batches()
        coming = [asyncio.create_task(made.run("caller", "", one, 1, work)) for one in "abc"]
        await asyncio.sleep(0)
        coming[1].cancel()
        assert await coming[0] == "aa"
        assert await coming[2] == "cc"
        with pytest.raises(asyncio.CancelledError):
            await coming[1]
        await asyncio.gather(*made._taking)
        assert not made._waiting
        return work

    assert "b" not in [one for batch in asyncio.run(run()).batches for one in batch]
