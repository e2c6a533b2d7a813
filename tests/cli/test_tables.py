"""What the command line prints of an evaluation."""

from typing import Any

import pytest
from results import graded, part, result, scores

from metachain.cli.shared.console import out
from metachain.cli.shared.tables import print_evaluation, print_institutions


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Lines of a wide console without the frames, cells separated by one space."""
    monkeypatch.setattr(out, "_width", 200)

    def lines() -> list[str]:
        text = capsys.readouterr().out
        return [" ".join(line.replace("│", " ").replace("┃", " ").split()) for line in text.splitlines()]

    return lines


def test_harm_is_told_at_every_label_count(printed: Any) -> None:
    """The share of runs more than one point worse than ``semantic``, by label count."""
    print_evaluation(result(scores({"a": 0.4, "b": 0.6}) + scores({"a": 0.7, "b": 0.6}, 16)))
    assert "runs of metachain more than one point worse than semantic: 50.0 % at 8 labels and 0.0 % at 16 labels" in (
        printed()
    )


def test_a_plain_evaluation_has_no_further_tables(printed: Any) -> None:
    """One reader, one metric and all past institutions need no table of their own."""
    print_evaluation(result(scores({"a": 0.6, "b": 0.6})))
    text = " ".join(printed())
    assert "gain of metachain over semantic by" not in text
    assert "left out" not in text


def test_readers_and_past_have_a_table_each(printed: Any) -> None:
    """Gain and interval by reader, the main one first, and by number of past institutions, all of them last."""
    print_evaluation(
        result(
            scores({"a": 0.6, "b": 0.6}),
            readers={"copy": part({"a": 0.75, "b": 0.75})},
            past=[{"past": 5, **part({"a": 0.55, "b": 0.55})}],
            settings={"readers": ["vote", "copy"], "past": [5, 40, "all"]},
        )
    )
    lines = printed()
    by_reader = lines.index("gain of metachain over semantic by reader")
    by_past = lines.index("gain of metachain over semantic by past institutions")
    assert by_reader < lines.index("vote +20.0 %") < lines.index("copy +50.0 %") < by_past
    assert by_past < lines.index("5 +10.0 %") < lines.index("all +20.0 %")
    assert "+50.0 % to +50.0 %" in lines
    assert "--past 40 left out: not every institution has more past institutions than that" in lines


def test_each_institution_has_a_row_at_the_largest_label_count(printed: Any) -> None:
    """Queries of all seeds, both scores, their difference; the worst first; nothing steers the terminal."""
    print_institutions(result(scores({"a": 0.1, "b": 0.1}, 4) + scores({"a": 0.75, "b\x1b[2J": 0.25})))
    lines = printed()
    assert "each institution at 8 labels" in lines
    assert "institution queries semantic metachain difference" in lines
    assert [line for line in lines if line[-3:].isdigit()] == [
        "b\ufffd[2J 20 0.500 0.250 −0.250",
        "a 20 0.500 0.750 +0.250",
    ]


def test_no_pairs_no_table(printed: Any) -> None:
    """Without metachain or semantic the table is missed in words."""
    print_institutions(result([row for row in scores({"a": 0.5}) if row["selector"] == "semantic"]))
    assert printed() == ["no table by institution: none was scored with both metachain and semantic"]


def test_calibration_is_told_in_one_line(printed: Any) -> None:
    """The expected calibration error at every label count, where there is one."""
    rows = [{"labels": labels, "ece": ece, "n": 9, "bins": []} for labels, ece in ((0, 0.0312), (16, 0.1))]
    print_evaluation(result(scores({"a": 0.6}), calibration=rows))
    assert (
        "expected calibration error of the probabilities that metachain gives: 0.031 at 0 labels and 0.100 at 16 labels"
    ) in printed()
    print_evaluation(result(scores({"a": 0.6})))
    assert "calibration" not in " ".join(printed())


def test_parts_have_a_table_of_their_worth(printed: Any) -> None:
    """A row a part: points and interval at every label count, a dash where there is none; then what parts are."""
    rows = [
        {"part": "vote", "labels": 0, "points": 1.24, "ci95": [-0.3, 2.51]},
        {"part": "vote", "labels": 8, "points": -0.5, "ci95": None},
        {"part": "text", "labels": 8, "points": 0.0, "ci95": [0.0, 0.0]},
    ]
    print_evaluation(result(scores({"a": 0.6}), ablation=rows))
    lines = printed()
    table = lines[lines.index("what each part is worth: mean of metachain minus that without it, in points") :]
    assert "vote +1.2 −0.5" in table
    assert "−0.3 to +2.5" in table
    assert "text – 0.0" in table
    assert table[-2:] == ["vote: the nearest neighbours' vote", "text: character n-grams in the similarity"]


def test_what_is_shown_has_columns_at_the_largest_label_count(printed: Any) -> None:
    """The best answer shown, distinct answers and demonstrations; and the scores by skill where several were asked."""
    rows = scores({"a": 0.25, "b": 0.25}, 4) + scores({"a": 0.75, "b": 0.75}, 16)
    print_evaluation(result(graded(rows, skills=())))
    lines = printed()
    assert "demonstrations at 16 labels: best answer shown, distinct answers, number" in lines
    assert "metachain 0.900 2.0 6.0" in lines
    print_evaluation(result(graded(rows)))
    lines = printed()
    assert "selector shown distinct shots skill 0 skill 0.5 skill 1" in lines
    assert "semantic 0.900 2.0 6.0 0.500 0.700 0.900" in lines
    assert "metachain 0.900 2.0 6.0 0.750 0.825 0.900" in lines
    by_skill = lines[lines.index("gain of metachain over semantic by skill") :]
    assert "0 −50.0 % +50.0 %" in by_skill
    assert "1 0.0 % 0.0 %" in by_skill
    print_evaluation(result(rows))
    assert not any("shown" in line for line in printed())


def test_names_of_selectors_are_whole_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six label counts on eighty columns wrap the numbers, and cut neither these nor a name short."""
    monkeypatch.setattr(out, "_width", 80)
    rows = [row for labels in range(6) for row in scores({"a": 0.61, "b": 0.6}, labels)]
    print_evaluation(result([*rows, *({**row, "selector": "metachain-screening"} for row in rows)]))
    text = capsys.readouterr().out
    assert "│ metachain-screening │" in text
    assert text.count("+20%…") == text.count("+22% ") == 6
    assert max(map(len, text[: text.index("runs")].splitlines())) <= 80
