"""The report page: self-contained, complete, safe, and the same each time."""

import re
import resource
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import sync_playwright
from results import graded, harm, summarise

from metachain.errors import DataError, StorageError
from metachain.evaluation.result import Evaluation
from metachain.evaluation.result_rows import read_scores
from metachain.evaluation.summary import worth
from metachain.reporting import report
from metachain.reporting.comparison import SELECTORS, differences, fares
from metachain.reporting.wording import percent, points, score, share


def render_report(result: dict[str, Any]) -> str:
    """The page of a stored result."""
    return report.render_report(Evaluation.from_json(result))


def write_report(result: dict[str, Any], path: str | Path) -> Path:
    """Write the page of a stored result."""
    return report.write_report(Evaluation.from_json(result), path)


LABELS = (0, 4, 8, 16, 32)
LEVELS = {
    **{"zero": 0.08, "random": 0.11, "bm25": 0.36, "semantic": 0.40, "mmr": 0.38, "meta_sel": 0.41, "hybrid": 0.42},
    **{"support": 0.14, "prior": 0.44, "scratch": 0.43, "metachain": 0.46, "verdict": 0.46, "listed": 0.47},
    **{"oracle": 0.93},
}
LEARNED = ("prior", "scratch", "metachain", "verdict")
SLOPES = {
    **{"zero": 0, "random": 0.005, "bm25": 0.01, "semantic": 0.012, "mmr": 0.01, "meta_sel": 0.012, "hybrid": 0.012},
    **{"support": 0.08, "prior": 0.0, "scratch": 0.03, "metachain": 0.038, "verdict": 0.038, "listed": 0.038},
    **{"oracle": 0.002},
}


def evaluation(institutions: int = 29, selectors: tuple[str, ...] = tuple(SELECTORS), **parts: Any) -> dict[str, Any]:
    """A result as ``metachain evaluate`` makes it, with scores that look real."""
    rng = np.random.default_rng(7)
    names = [f"Hospital {index:02d} of Somewhere" for index in range(institutions)]
    ease = rng.normal(0, 0.09, institutions)
    fit = rng.normal(0, 0.07, institutions)
    scores = [
        {
            **{"selector": name, "labels": labels, "institution": institution, "seed": seed},
            **{"metric": "accuracy", "n": 100},
            "score": float(
                np.clip(
                    LEVELS[name]
                    + SLOPES[name] * rank
                    + ease[place]
                    + fit[place] * (name in LEARNED)
                    + rng.normal(0, 0.04),
                    0.0,
                    1.0,
                )
            ),
        }
        for name in selectors
        for rank, labels in enumerate(LABELS)
        for place, institution in enumerate(names)
        for seed in range(3)
    ]
    return {
        **{"dataset": "chargemaster.jsonl", "protocol": "group", "model": "offline", "shots": 8},
        **{"seeds": [0, 1, 2], "scores": scores, "summary": summary(scores, selectors)},
        "settings": {"queries": 100, "command": "metachain evaluate chargemaster.jsonl --protocol group"},
        "cost": {"seconds": 412.6, "model_calls": 478500, "tokens": 0},
        **parts,
    }


def summary(scores: list[dict[str, Any]], selectors: tuple[str, ...]) -> list[dict[str, Any]]:
    """The contract's summary, computed the slow and obvious way."""
    rng = np.random.default_rng(0)
    return [_summary_row(scores, name, labels, rng) for name in selectors for labels in LABELS]


def _summary_row(scores: list[dict[str, Any]], selector: str, labels: int, rng: np.random.Generator) -> dict[str, Any]:
    ours, baseline = (_by_institution(scores, name, labels) for name in (selector, "semantic"))
    gain, interval = None, None
    if len(baseline) and selector != "semantic":
        gain = float(ours.mean() / baseline.mean() - 1)
        picks = rng.integers(0, len(ours), (500, len(ours)))
        gains = ours[picks].mean(1) / baseline[picks].mean(1) - 1
        interval = [float(edge) for edge in np.quantile(gains, [0.025, 0.975])] if len(ours) > 1 else None
    worst = np.sort(ours)[: max(1, len(ours) // 10)].mean()
    head = {"selector": selector, "labels": labels, "mean": float(ours.mean()), "worst_decile": float(worst)}
    return {**head, "gain": gain, "ci95": interval}


def _by_institution(scores: list[dict[str, Any]], selector: str, labels: int) -> np.ndarray:
    found: dict[str, list[float]] = {}
    for row in scores:
        if (row["selector"], row["labels"]) == (selector, labels):
            found.setdefault(row["institution"], []).append(row["score"])
    return np.array([np.mean(values) for values in found.values()])


@pytest.fixture(scope="module")
def page() -> str:
    """The page of the realistic result."""
    return render_report(evaluation())


def test_same_result_gives_the_same_bytes(page: str) -> None:
    """Rendering twice, or with the score rows in another order, gives the same page."""
    result = evaluation()
    shuffled = {**result, "scores": list(reversed(result["scores"]))}
    assert render_report(result) == page == render_report(shuffled)


def test_every_summary_number_is_in_a_table(page: str) -> None:
    """Mean, worst decile, gain and both ends of its interval of every summary row stand in a table cell."""
    cells = " ".join(re.findall(r"<td.*?</td>", page, flags=re.DOTALL))
    for row in evaluation()["summary"]:
        gains = [percent(value) for value in (row["gain"], *(row["ci95"] or ()))]
        for text in (score(row["mean"]), score(row["worst_decile"]), *gains):
            assert text in cells


def test_each_row_of_a_table_has_its_own_selector_s_numbers(page: str) -> None:
    """The row of a selector holds its means in the order of the label counts."""
    table = page[page.index('id="mean-table"') : page.index('id="worst-table"')]
    for selector in SELECTORS:
        row = re.search(rf'<th scope="row">{selector}</th>(.*?)</tr>', table, flags=re.DOTALL)
        assert row is not None
        means = [score(one["mean"]) for one in evaluation()["summary"] if one["selector"] == selector]
        assert re.findall(r"<td>([\d.]+)<small>", row[1]) == means


def test_every_institution_s_difference_is_in_a_table(page: str) -> None:
    """The table of differences has a row for each institution, with the difference at each label count."""
    table = page[page.index('id="difference-table"') :]
    for labels, row in differences(read_scores(evaluation()["scores"])).items():
        column = LABELS.index(labels)
        for institution, value in row.items():
            cells = table[table.index(f'<th scope="row">{institution}</th>') :].split("</tr>")[0]
            assert re.findall(r">([+−\d.]+)</td>", cells)[column] == score(value, signed=True)


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_charts_name_every_selector_in_text(page: str, size: str) -> None:
    """Each curve is labelled in words, in the drawing for a desktop and in the one for a phone."""
    chart = page[page.index(f'<div class="{size}">') :].split("</div>", maxsplit=1)[0]
    assert set(SELECTORS) <= set(re.findall(r"<text[^>]*>([^<]*)</text>", chart))


def test_page_is_self_contained(page: str) -> None:
    """Nothing on the page is fetched: no scripts, no links, no addresses, only references inside the page."""
    assert "http" not in page
    assert not re.search(r"<(script|link|img|iframe|object)\b|@import|\bsrc=", page)
    targets = re.findall(r'href="([^"]*)"', page) + re.findall(r"url\(([^)]*)\)", page)
    assert all(target.startswith("#") for target in targets)


def test_ids_are_unique_and_references_resolve(page: str) -> None:
    """Four drawings share a page without sharing an id, and each reference leads to one."""
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    used = re.findall(r'href="#([^"]*)"', page) + re.findall(r"url\(#([^)]*)\)", page)
    named = re.findall(r'aria-labelledby="([^"]*)"', page)
    assert set(used + named) <= set(ids)


def test_headings_are_in_order_and_figures_are_described(page: str) -> None:
    """The page has a language, one h1 before all h2, and words for every drawing and table."""
    assert '<html lang="en">' in page
    assert re.findall(r"<h(\d)", page) == ["1"] + ["2"] * 7
    assert len(re.findall(r"<svg[^>]* role=\"img\" aria-label=\"[^\"]{20,}\"", page)) == page.count("<svg") == 4
    assert all("aria-label" in table for table in re.findall(r"<table[^>]*>", page))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_enough_contrast(page: str, scheme: int) -> None:
    """Text colours reach 4.5:1 and drawing colours 3:1 on the paper (WCAG 2.2, 1.4.3 and 1.4.11)."""
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", page.split(":root {")[scheme + 1]))
    text = dict.fromkeys(("ink", "quiet", "blue", "vermillion"), 4.5)
    drawn = dict.fromkeys(("orange", "sky", "green", "yellow", "purple"), 3.0)
    for name, least in {**text, **drawn}.items():
        assert contrast(colours[name], colours["paper"]) >= least, name
    assert contrast(colours["quiet"], colours["card"]) >= 4.5
    assert contrast(colours["warn-ink"], colours["warn"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """WCAG's relative luminance of ``#rgb`` or ``#rrggbb``."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_hostile_text_is_escaped() -> None:
    """Markup in any text of the result is shown as text: in names, settings, command, selector and metric."""
    hostile = "</td><script>alert('$x$')</script>"
    result = evaluation(3, dataset=hostile, model=hostile, settings={"command": hostile, hostile: [hostile]})
    for row in result["scores"]:
        row["metric"] = hostile
        row["institution"] = row["institution"] + hostile
        row["selector"] = row["selector"].replace("bm25", hostile)
    for row in result["summary"]:
        row["selector"] = row["selector"].replace("bm25", hostile)
    page = render_report(result)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10


def test_what_was_learned_is_told_in_a_line_each() -> None:
    """Institutions held out that taught the same are counted together, the commonest first."""
    learned = {"settings": {"belief": 1.0, "scale": 0.3}, "trusts_consensus": True}
    nothing = {"settings": None, "trusts_consensus": False}
    page = render_report(evaluation(2, settings={"lessons": {"a": nothing, "b": learned, "c": learned}}))
    told = "2 × with labels belief 1, scale 0.3, without consensus; 1 × with labels nearest neighbours, without nearest"
    assert told in page


def test_synthetic_worlds_are_labelled(page: str) -> None:
    """A result of a generated world says so in a banner; a real one has none."""
    assert 'class="banner"' not in page
    synthetic = render_report(evaluation(2, settings={"synthetic": True}))
    assert "generated, synthetic world" in synthetic[synthetic.index('class="banner"') :].split("</p>")[0]


def test_missing_selectors_leave_a_page() -> None:
    """Without metachain, or without the baseline, the page stands and says what can't be compared."""
    for selectors in (("semantic", "bm25"), ("metachain",), ("zero",)):
        page = render_report(evaluation(4, selectors))
        assert "There is nothing to compare" in page
        assert "say whether metachain pays" in page


def test_one_institution_has_no_intervals() -> None:
    """With a single institution the page stands, and says that there is no interval."""
    page = render_report(evaluation(1))
    assert "no interval" in page
    assert "too few institutions for an interval" in page


def test_nothing_scored_leaves_a_page() -> None:
    """A result without scores and summary gives a page without drawings."""
    page = render_report(evaluation(1, (), cost={"seconds": None, "tokens": None}))
    assert "There are no scores to draw" in page
    assert "<svg" not in page


def test_gaps_and_not_a_number_are_dashes() -> None:
    """A selector that was not run at some label count, and values that are not numbers, leave dashes."""
    result = evaluation(3)
    result["summary"] = [row for row in result["summary"] if (row["selector"], row["labels"]) != ("support", 0)]
    result["summary"][0].update(mean=float("nan"), gain=None, ci95=None)
    result["scores"] = [row for row in result["scores"] if (row["selector"], row["labels"]) != ("support", 0)]
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", render_report(result), flags=re.DOTALL)


def test_a_foreign_dictionary_is_refused_by_name_of_what_it_lacks() -> None:
    """A dictionary that is not an evaluation result raises DataError that lists the missing parts."""
    with pytest.raises(DataError, match="lacks scores and cost"):
        render_report({name: part for name, part in evaluation(1).items() if name not in ("scores", "cost")})


def test_writing_gives_the_rendered_page(tmp_path: Path, page: str) -> None:
    """The file holds the page in UTF-8, replaces an older one, and no temporary file stays."""
    path = tmp_path / "report.html"
    path.write_text("older")
    assert write_report(evaluation(), str(path)) == path
    assert path.read_text("utf-8") == page
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A missing folder, or a folder in the file's place, raises StorageError with the path; nothing stays."""
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "missing" / "report.html", tmp_path / "folder"):
        with pytest.raises(StorageError, match=re.escape(str(place))):
            write_report(evaluation(1), place)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_failed_write_keeps_the_older_page(tmp_path: Path) -> None:
    """When a file can't grow any more in the middle, the older report is still whole, and nothing else is left."""
    path = tmp_path / "report.html"
    path.write_text("older")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StorageError, match="File too large"):
            write_report(evaluation(1), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_lone_surrogates_are_written(tmp_path: Path) -> None:
    """Text that UTF-8 can't hold does not stop the report."""
    assert write_report(evaluation(1, dataset="broken \ud800 text"), tmp_path / "report.html").exists()


def instrument() -> dict[str, Any]:
    """The realistic result with harm, a further reader and a smaller past, each with other numbers."""
    base = evaluation()
    parts = [evaluation(size) for size in (9, 14)]
    settings = {**base["settings"], "readers": ["vote", "copy"], "past": [5, "all"]}
    return {
        **{**base, "settings": settings, "harm": harm(base["scores"])},
        "readers": {"copy": {"summary": parts[0]["summary"], "scores": parts[0]["scores"]}},
        "past": [{"past": 5, "summary": parts[1]["summary"], "scores": parts[1]["scores"]}],
    }


def ablated() -> dict[str, Any]:
    """A realistic result with a part left out, and with calibrated probabilities."""
    base = evaluation(9, ("semantic", "metachain", "oracle"))
    less = [
        {**row, "selector": "metachain-vote", "score": row["score"] - 0.02 * row["labels"] / 32}
        for row in base["scores"]
        if row["selector"] == "metachain"
    ]
    scores = base["scores"] + less
    bins = [{"probability": 0.02, "right": 0.01, "n": 4000}, {"probability": 0.95, "right": 0.875, "n": 321}]
    return {
        **{**base, "scores": scores, "summary": summary(scores, ("semantic", "metachain", "metachain-vote", "oracle"))},
        "calibration": [{"labels": count, "ece": 0.0123, "n": 4321, "bins": bins} for count in LABELS],
        "ablation": worth(scores, {"vote": "metachain-vote"}),
    }


def cells_of(page: str, table: str, row: str) -> list[str]:
    """The texts of a row's cells, without what is small in them."""
    start = page[page.index(f'id="{table}"') :]
    cells = start[start.index(f'<th scope="row">{row}<') :].split("</tr>")[0]
    return [re.sub(r"<small>.*", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells)]


def test_harm_readers_and_past_are_in_tables() -> None:
    """The share of losing draws, and each variant's gain, at every label count; the page stays as it has to be."""
    result = instrument()
    page = render_report(result)
    assert cells_of(page, "harm-table", "metachain") == [share(row["share"]) for row in result["harm"]]
    rows = {"vote": result, "copy": result["readers"]["copy"], "5": result["past"][0], "all": result}
    tables = {"vote": 1, "copy": 1, "5": 2, "all": 2}
    for name, part in rows.items():
        gains = [percent(row["gain"]) for row in part["summary"] if row["selector"] == "metachain"]
        assert cells_of(page, f"variant-table-{tables[name]}", name) == gains
    test_ids_are_unique_and_references_resolve(page)
    test_headings_are_in_order_and_figures_are_described(page)
    test_page_is_self_contained(page)


def test_a_plain_result_has_no_further_tables(page: str) -> None:
    """One reader and all past institutions need none; nor does a file of before harm was counted."""
    assert "variant-table" not in page
    assert "harm-table" not in page


def test_each_institution_s_scores_and_queries_are_in_its_row(page: str) -> None:
    """After its differences come both scores at the largest label count, and the queries of all seeds."""
    found = fares(read_scores(evaluation()["scores"]), LABELS[-1])
    assert len(found) == 29
    for one in found:
        told = cells_of(page, "difference-table", one.institution)[len(LABELS) :]
        assert told == [score(one.baseline), score(one.ours), "300"]


def test_an_institution_that_stops_early_has_dashes() -> None:
    """One that gave too few labels for the largest count keeps its row."""
    result = evaluation(3)
    name = result["scores"][0]["institution"]
    result["scores"] = [row for row in result["scores"] if row["institution"] != name or row["labels"] < 32]
    assert cells_of(render_report(result), "difference-table", name)[len(LABELS) - 1 :] == ["–"] * 4


def test_parts_left_out_are_in_tables_and_explained() -> None:
    """Each has its row among the selectors, its worth in points, and words; the curves are drawn without them."""
    result = ablated()
    page = render_report(result)
    means = [score(row["mean"]) for row in result["summary"] if row["selector"] == "metachain-vote"]
    assert cells_of(page, "mean-table", "metachain-vote") == means
    assert cells_of(page, "worth-table", "vote") == [points(row["points"]) for row in result["ablation"]]
    assert '<th scope="row">vote<small>the nearest neighbours&#39; vote</small></th>' in page
    assert "<td>metachain without the nearest neighbours&#39; vote</td>" in page
    assert "metachain-vote" not in "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "Those that lack a part of metachain are in the tables only." in page


def test_probabilities_have_panels_and_a_table() -> None:
    """Share right, mean probability and number of every bin stand in a table; the page stays as it has to be."""
    page = render_report(ablated())
    assert cells_of(page, "calibration-table", "ECE") == ["0.012"] * 5
    assert cells_of(page, "calibration-table", "0 to 10 %") == ["1.0 %"] * 5
    assert cells_of(page, "calibration-table", "90 to 100 %") == ["87.5 %"] * 5
    assert cells_of(page, "calibration-table", "40 to 50 %") == ["–"] * 5
    assert "<small>95.0 %, 321</small>" in page
    assert page.count("<svg") == 6
    assert len(re.findall(r"<svg[^>]* role=\"img\" aria-label=\"[^\"]{20,}\"", page)) == 6
    assert re.findall(r"<h(\d)", page) == ["1"] + ["2"] * 8
    test_ids_are_unique_and_references_resolve(page)
    test_page_is_self_contained(page)


def test_without_ablation_or_probabilities_there_is_nothing_of_them(page: str) -> None:
    """Nor in a file of before they were counted."""
    assert "worth-table" not in page
    assert "calibration" not in page
    assert "lack a part" not in page


def matrices(institutions: int = 3) -> dict[str, Any]:
    """What an evaluation tells of transfer and of whose demonstrations were shown; one name is hostile."""
    names = ["<b>North</b>", *(f"site {number:03d}" for number in range(1, institutions))]
    rows = [
        [1.0 if a == b else round(0.1 + 0.2 * ((a + b) % 4), 2) for b in range(institutions)]
        for a in range(institutions)
    ]
    shares = [
        {"institution": name, "labels": labels, "shares": {names[-1]: 0.75, name: 0.25}}
        for labels in (0, 16)
        for name in names[:2]
    ]
    return {"transfer": {"institutions": names, "rows": rows}, "origins": shares}


def test_matrices_are_heat_maps_with_their_numbers() -> None:
    """Every cell has its number, deeper where it is higher, and the diagonal is marked; names are escaped."""
    told = matrices()
    page = render_report(evaluation(3, **told))
    names, rows = told["transfer"]["institutions"], told["transfer"]["rows"]
    table = page[page.index('<table class="heat" aria-labelledby="transfer-table"') :]
    table = table[: table.index("</table>")]
    cells = re.findall(r'<td style="--deep:([\d.]+)%"( class="own")?>([^<]+)</td>', table)
    assert [told for _, _, told in cells] == [
        f"{value:.2f}".lstrip("0") if value < 1 else "1" for row in rows for value in row
    ]
    assert [bool(own) for _, own, _ in cells] == [a == b for a in names for b in names]
    off = [value for a, row in enumerate(rows) for b, value in enumerate(row) if a != b]
    low, high = min(off), max(off)
    for (deep, _, _), value in zip(cells, [value for row in rows for value in row], strict=True):
        assert float(deep) == pytest.approx(100 * min((value - low) / (high - low), 1), abs=0.1)
    assert "<b>North</b>" not in page
    assert "&lt;b&gt;North&lt;/b&gt;" in page


def test_leaning_is_that_at_the_most_labels() -> None:
    """Shares of the last label count; what was not shown is a dot."""
    page = render_report(evaluation(3, **matrices()))
    assert "at 16 labels" in page
    table = page[page.index('aria-labelledby="leaning-table">') :]
    table = table[table.index("<tbody>") : table.index("</tbody>")]
    cells = re.findall(r">([^<]+)</td>", table)
    assert sorted(cells) == sorted([".25", ".75", "·", "·", ".25", ".75"])


def test_a_large_matrix_is_drawn_in_part() -> None:
    """And says how many are not."""
    page = render_report(evaluation(3, **matrices(100)))
    assert "The first 60 institutions are drawn, 40 more are not." in page
    assert page.count("--deep:") < 2 * 60 * 60


def test_what_the_guard_let_choose_is_told() -> None:
    """For each institution held out, with and without labels, and in how many."""
    result = evaluation(3)
    chosen = {"scale": 4.0}
    lessons = [{"settings": chosen, "trusts_consensus": True}, {"settings": chosen, "trusts_consensus": False}]
    lessons += [{"settings": None, "trusts_consensus": False}]
    result["settings"]["lessons"] = dict(zip("abc", lessons, strict=True))
    page = render_report(result)
    assert "let in for 2 of 3 institutions, without any label for 1." in page
    assert cells_of(page, "guard-table", "b") == ["learned", "nearest neighbours"]


def test_a_result_of_before_has_no_matrices(page: str) -> None:
    """It renders all the same."""
    for absent in ("transfer-table", "leaning-table", "guard-table"):
        assert absent not in page


def skilled() -> dict[str, Any]:
    """A result with three skills and with what was shown."""
    base = evaluation(9, ("semantic", "metachain", "oracle"))
    rows = graded(base["scores"])
    return {**base, "scores": rows, "summary": summarise(rows), "settings": {"skill": [0.0, 0.5, 1.0]}}


def test_what_is_shown_has_tables() -> None:
    """The best answer shown, distinct answers and demonstrations at every label count; a result of before has none."""
    page = render_report(skilled())
    assert cells_of(page, "shown-table", "metachain") == ["0.900"] * len(LABELS)
    assert cells_of(page, "distinct-table", "semantic") == ["2.0"] * len(LABELS)
    assert "<td>2.0<small>of 6.0</small></td>" in page
    assert "shown-table" not in render_report(evaluation(1))


def test_skills_are_drawn_and_in_tables() -> None:
    """Scores by skill at the largest label count, gains at every one; all other tables stay those of the reader."""
    result = skilled()
    page = render_report(result)
    plain = {**result, "scores": [row for row in result["scores"] if "skill" not in row]}
    plain["summary"] = [row for row in result["summary"] if "skill" not in row]
    means = [row["mean"] for row in result["summary"] if (row["selector"], row["labels"]) == ("metachain", 32)]
    assert cells_of(page, "skill-table", "metachain") == [score(mean) for mean in means]
    assert page.count("<svg") == 6
    assert re.findall(r"<h(\d)", page) == ["1"] + ["2"] * 8
    for table in ("mean-table", "worst-table", "gain-table", "difference-table"):
        start, other = page.index(f'id="{table}"'), render_report(plain)
        assert page[start : page.index("</table>", start)] in other
    assert 'id="skill"' not in render_report(plain)
    test_ids_are_unique_and_references_resolve(page)
    test_page_is_self_contained(page)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_a_browser(tmp_path: Path, width: int) -> None:
    """Nothing is wider than the window, one drawing of each figure is seen, and the browser has nothing to say."""
    chromium = shutil.which("chromium")
    assert chromium, "install Debian's package chromium"
    path = write_report(skilled(), tmp_path / "report.html")
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", lambda one: said.append(one.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") == width
            drawn = page.locator("section[aria-labelledby=skill] svg").all()
            assert [one.is_visible() for one in drawn] == [width > 1000, width < 1000]
            assert page.locator("#skill-table").is_visible()
        finally:
            browser.close()
    assert said == []
