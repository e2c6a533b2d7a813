"""The forecast of the gain, against what an evaluation of the same library shows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade import Letters, Tiny, demonstrations

from metachain.data.demonstration import Demonstration
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.evaluation.diagnosis import diagnose
from metachain.evaluation.gain_forecast import FORECAST_LABELS, LEAST_GAIN, Gain, GainForecast, forecast_gains
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.library_measures import Rehearsals, neighbour_table_for
from metachain.evaluation.plan import Plan
from metachain.evaluation.runner import SharedMeasurements
from metachain.learning.guard import ARMS, NEAREST
from metachain.learning.pool import make_pool
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE

GOOD, BAD, OPEN = Gain(0.1, (0.05, 0.15)), Gain(0.0, (-0.01, 0.01)), Gain(0.1, (-0.05, 0.3))


def forecast_of(folder: Path, made: Sequence[Demonstration]) -> tuple[GainForecast, ...]:
    """Forecast the gain for a library that holds some demonstrations."""
    with Library.open(folder / "x.db", Letters()) as library:
        library.add(made, share=EVERYONE)
        return diagnose(library).forecast


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(WorldSettings(), id="default"),
        pytest.param(WorldSettings(divergence=0, noise=0, exceptions=0, misleading=0), id="all alike"),
        pytest.param(WorldSettings(institutions=20, misleading=13, demonstrations=100), id="mostly outliers"),
    ],
)
def test_it_agrees_with_an_evaluation(tmp_path: Path, settings: WorldSettings) -> None:
    """What ``evaluate`` measures, with other supports and queries, lies in the interval of the forecast."""
    made = generate_world(settings)
    forecast = forecast_of(tmp_path, made)
    plan = Plan(labels=FORECAST_LABELS, selectors=("semantic", "support", "metachain"))
    summary = evaluate(made, Letters().encode([one.input for one in made]), plan).summary
    mean = {(row.selector, row.labels): row.mean for row in summary}
    for one in forecast:
        for gain, other in ((one.over_nearest, "semantic"), (one.over_own, "support")):
            assert gain.interval is not None
            shown = mean["metachain", one.labels] / mean[other, one.labels] - 1
            low, high = gain.interval
            assert low - LEAST_GAIN / 2 <= shown <= high + LEAST_GAIN / 2


def test_an_institution_takes_part_up_to_half_of_its_demonstrations(tmp_path: Path) -> None:
    """Twenty-four demonstrations each are enough for 4 labels, and too few for 16 and 32."""
    with Library.open(tmp_path / "x.db", Tiny()) as library:
        library.add(demonstrations(5, 24), share=EVERYONE)
        forecast = diagnose(library).forecast
    assert [(one.labels, one.institutions) for one in forecast] == [(4, 5), (16, 0), (32, 0)]
    assert forecast[1].over_nearest == Gain(None, None)
    assert forecast[1].pays is None


def test_three_institutions_have_a_mean_and_no_interval(tmp_path: Path) -> None:
    """A bootstrap of three values would promise too much, so nothing is settled."""
    made = generate_world(WorldSettings(institutions=3, misleading=0, demonstrations=80))
    forecast = forecast_of(tmp_path, made)
    assert all(one.over_nearest.mean is not None and one.over_nearest.interval is None for one in forecast)
    assert {one.pays for one in forecast} == {None}


def test_the_arm_is_that_of_the_others() -> None:
    """Arms chosen for plain nearest neighbours gain nothing over them but by the similarity used."""
    made = generate_world(WorldSettings(misleading=0))
    vectors = Letters().encode([one.input for one in made])
    table = neighbour_table_for(make_pool(made, np.concatenate([vectors, vectors], axis=1) / np.float32(np.sqrt(2))))
    count, measurements = len(table.pool.institutions), SharedMeasurements.of(table)
    played = Rehearsals.none(count)
    plain = replace(played, arms=np.full((count, 2), ARMS.index(NEAREST)))
    nearest = forecast_gains(measurements, plain)
    assert all(abs(one.over_nearest.mean or 0.0) < LEAST_GAIN for one in nearest)
    nobody = forecast_gains(measurements, played)
    assert [one.institutions for one in nobody] == [0, 0, 0]


@pytest.mark.parametrize(
    ("nearest", "own", "pays"),
    [(GOOD, GOOD, True), (GOOD, BAD, False), (BAD, OPEN, False), (GOOD, OPEN, None), (Gain(None, None), GOOD, None)],
)
def test_both_gains_must_pay(nearest: Gain, own: Gain, pays: bool | None) -> None:
    """Learning pays where it beats nearest neighbours and the institution's own labels."""
    assert GainForecast(4, nearest, own, 5).pays is pays


@pytest.mark.parametrize(
    ("mean", "interval", "pays"),
    [
        (0.02, (0.001, 0.04), True),
        (0.019, (0.001, 0.04), None),
        (0.019, (0.001, 0.0199), False),
        (0.5, (0.0, 0.9), None),
        (-0.5, (-0.9, -0.1), False),
        (0.5, None, None),
    ],
)
def test_a_gain_pays_from_two_per_cent_on(mean: float, interval: tuple[float, float] | None, pays: bool | None) -> None:
    """It must be shown to be a gain, and be 2 % in the mean; what is shown to be less does not pay."""
    assert Gain(mean, interval).pays is pays
