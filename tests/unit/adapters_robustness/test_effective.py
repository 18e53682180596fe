"""Effective robustness: lines in closed form, intervals that cover, published numbers, and input that determines nothing."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from optlab.errors import OptionError, ProblemError
from optlab_adapters.robustness import effective_robustness
from optlab_adapters.robustness.lines import fit_lines

RNG = np.random.default_rng(11)
USUAL = RNG.uniform(0.55, 0.97, 40)
SHIFTED = special.expit(
    0.8 * special.logit(USUAL) - 0.5 + 0.1 * RNG.standard_normal(USUAL.size)
)
SCALES = {"logit": special.logit, "probit": stats.norm.ppf, "linear": np.asarray}
BACK = {"logit": special.expit, "probit": stats.norm.cdf, "linear": np.asarray}


@pytest.mark.parametrize("scale", SCALES)
def test_the_line_is_that_of_a_regression_in_closed_form(scale: str) -> None:
    mask = np.arange(40) % 3 > 0
    made = effective_robustness(USUAL, SHIFTED, mask, scale, samples=0)
    to = SCALES[scale]
    expected = stats.linregress(to(USUAL[mask]), to(SHIFTED[mask]))
    assert made.slope == pytest.approx(expected.slope, rel=1e-10)
    assert made.intercept == pytest.approx(expected.intercept, rel=1e-10)
    assert made.r2 == pytest.approx(expected.rvalue**2, rel=1e-10)
    told = BACK[scale](expected.slope * to(USUAL) + expected.intercept)
    np.testing.assert_allclose(made.robustness, SHIFTED - told, atol=1e-12)


@given(
    points=st.lists(
        st.tuples(st.floats(-50, 50, width=16), st.floats(-50, 50, width=16)),
        min_size=3,
        max_size=12,
    ).filter(lambda pairs: np.ptp([x for x, _ in pairs]) > 0.1),
    data=st.data(),
)
def test_every_line_is_that_of_its_weights(
    points: list[tuple[float, float]], data: st.DataObject
) -> None:
    x, y = np.array(points).T
    weight = st.lists(st.integers(1, 4), min_size=len(x), max_size=len(x))
    counts = np.array([data.draw(weight), data.draw(weight)], dtype=float)
    lines = fit_lines(x, y, counts)
    for k, row in enumerate(counts):
        rows = np.sqrt(row)[:, None] * np.stack([x, np.ones_like(x)], axis=1)
        expected = np.linalg.lstsq(rows, np.sqrt(row) * y)[0]
        found = lines.slope[k], lines.intercept[k]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * (1 + abs(y).max()))
        assert -1e-9 <= lines.r2[k] <= 1 + 1e-9


def test_a_lifted_model_is_as_robust_as_it_was_lifted() -> None:
    shifted = special.expit(0.9 * special.logit(USUAL) - 0.3)
    shifted[7] += 0.05
    made = effective_robustness(USUAL, shifted, np.delete(np.arange(40), 7), samples=0)
    assert made.robustness[7] == pytest.approx(0.05, abs=1e-9)
    assert np.abs(np.delete(made.robustness, 7)).max() < 1e-9
    assert made.r2 == pytest.approx(1)
    # A line that goes through the lifted model as well is pulled towards it.
    assert effective_robustness(USUAL, shifted, samples=0).robustness[7] < 0.05


def test_masks_and_numbers_are_the_same_and_others_do_not_matter() -> None:
    mask = USUAL < 0.9
    by_mask = effective_robustness(USUAL, SHIFTED, mask, samples=50)
    by_number = effective_robustness(USUAL, SHIFTED, np.flatnonzero(mask), samples=50)
    assert by_mask.to_dict() == by_number.to_dict()
    alone = effective_robustness(USUAL[mask], SHIFTED[mask], samples=50)
    assert (alone.lines.slope == by_mask.lines.slope).all()
    other = effective_robustness(USUAL, SHIFTED, mask, samples=50, seed=1)
    assert other.slope == pytest.approx(by_mask.slope, rel=1e-12)
    assert (other.interval("slope") != by_mask.interval("slope")).all()


def test_intervals_cover_the_line_that_the_models_are_drawn_from() -> None:
    rng = np.random.default_rng(5)
    tries, covered, widths = 200, np.zeros(2), np.zeros(2)
    for _ in range(tries):
        x = rng.normal(2.0, 0.8, 40)
        y = 0.8 * x - 0.4 + rng.normal(0, 0.2, 40)
        made = effective_robustness(special.expit(x), special.expit(y), samples=200)
        for k, (name, truth) in enumerate((("slope", 0.8), ("intercept", -0.4))):
            low, high = made.interval(name)
            covered[k] += low <= truth <= high
            widths[k] += high - low
    assert (covered / tries > 0.89).all()
    assert (covered / tries < 0.985).all()
    # The standard error of the slope is about 0.2 / (0.8 sqrt(40)).
    assert widths[0] / tries == pytest.approx(2 * 1.96 * 0.2 / (0.8 * 40**0.5), rel=0.1)


def test_intervals_of_the_robustness_of_models_are_those_of_the_line() -> None:
    made = effective_robustness(USUAL, SHIFTED, samples=300)
    low, high = made.interval("robustness")
    assert low.shape == USUAL.shape
    assert (low <= made.robustness).all()
    assert (made.robustness <= high).all()
    tail = stats.norm.cdf(-np.sqrt(40 / 38) * stats.t.ppf(0.975, 38))
    by_hand = np.quantile(
        [
            SHIFTED - special.expit(a * special.logit(USUAL) + b)
            for a, b in zip(made.lines.slope[1:], made.lines.intercept[1:], strict=True)
        ],
        [tail, 1 - tail],
        axis=0,
    )
    np.testing.assert_allclose([low, high], by_hand, atol=1e-3)
    narrow = made.interval("robustness", 0.5)
    assert (narrow[0] > low).all()
    assert (narrow[1] < high).all()


def test_accuracies_of_nothing_and_all_are_finite() -> None:
    made = effective_robustness([0.0, 0.5, 1.0, 0.8], [0.0, 0.4, 1.0, 0.7], samples=50)
    assert np.isfinite(made.robustness).all()
    assert np.isfinite(made.interval("slope")).all()


def test_shifts_that_no_model_feels_differently_have_nothing_to_explain() -> None:
    made = effective_robustness(USUAL, np.full(40, 0.3), samples=50)
    assert made.slope == pytest.approx(0, abs=1e-10)
    assert made.r2 == 0
    assert (made.interval("r2") == 0).all()


def test_few_models_of_which_draws_may_be_all_the_same() -> None:
    made = effective_robustness([0.5, 0.5, 0.9], [0.4, 0.42, 0.8], samples=200)
    assert np.isfinite(made.lines.slope).all()
    expected = stats.linregress(special.logit([0.5, 0.5, 0.9]), special.logit([0.4, 0.42, 0.8]))
    assert made.slope == pytest.approx(expected.slope)


@pytest.mark.parametrize(
    ("usual", "shifted", "baseline", "words"),
    [
        (100 * USUAL, SHIFTED, None, r"acc_id\[0\] is .*divide percent by 100"),
        (USUAL, np.where(np.arange(40) == 3, np.nan, SHIFTED), None, r"acc_ood\[3\] is nan"),
        (USUAL, SHIFTED[:-1], None, "acc_id has 40 entries and acc_ood 39"),
        (USUAL[None], SHIFTED, None, r"shape \(1, 40\)"),
        (["a"], SHIFTED, None, "not an array of numbers"),
        (USUAL, SHIFTED, USUAL[:5] > 0, r"baseline has shape \(5,\)"),
        (USUAL, SHIFTED, [0, 1, 40], "names models 0 to 40; there are 0 to 39"),
        (USUAL, SHIFTED, [-1, 1, 4], "names models -1 to 4"),
        (USUAL, SHIFTED, [0.0, 1.0, 2.0], "mask or numbers of models"),
        (USUAL, SHIFTED, [0, 1], "baseline has 2 models"),
        (USUAL, SHIFTED, [], "baseline has 0 models"),
        (np.full(40, 0.9), SHIFTED, None, "40 models with 1 different accuracies"),
    ],
)
def test_input_that_does_not_fit(usual: Any, shifted: Any, baseline: Any, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        effective_robustness(usual, shifted, baseline)


def test_options_that_do_not_exist() -> None:
    with pytest.raises(OptionError, match="'logit', 'probit', 'linear'"):
        effective_robustness(USUAL, SHIFTED, scale="log")
    for samples in (-1, 2.5):
        with pytest.raises(OptionError, match="samples"):
            effective_robustness(USUAL, SHIFTED, samples=samples)  # type: ignore[arg-type]
    none = effective_robustness(USUAL, SHIFTED, samples=0)
    with pytest.raises(OptionError, match="samples=1000"):
        none.interval("slope")
    some = effective_robustness(USUAL, SHIFTED, samples=10)
    with pytest.raises(OptionError, match="no interval of 'sigma'"):
        some.interval("sigma")
    for confidence in (0.0, 1.0, np.nan):
        with pytest.raises(OptionError, match="confidence"):
            some.interval("slope", confidence)


@pytest.mark.parametrize("samples", [0, 50])
@pytest.mark.parametrize("scale", SCALES)
def test_text_chart_and_file(scale: str, samples: int, tmp_path: Path) -> None:
    mask = np.arange(40) < 30
    made = effective_robustness(USUAL, SHIFTED, mask, scale, samples=samples)
    text = str(made)
    assert text.startswith(f"{scale} line through 30 of 40 models\nslope {made.slope:.3f}")
    assert ("[" in text) == bool(samples)
    drawn = ET.fromstring(made.plot()._repr_svg_())
    kinds = [element.tag.rpartition("}")[2] for element in drawn.iter()]
    assert kinds.count("circle") == 40
    assert kinds.count("polyline") == (3 if samples else 1)
    filled = sum(e.get("fill") != "none" for e in drawn.iter() if e.tag.endswith("circle"))
    assert filled == 30
    made.save(tmp_path / "line.json")
    assert json.loads((tmp_path / "line.json").read_text()) == made.to_dict()


@pytest.fixture
def published(root: Path) -> dict[tuple[str, str], dict[str, Any]]:
    default = root.parent / "shared" / "data" / "robustnets.json"
    file = Path(os.environ.get("OPTLAB_ROBUSTNETS", default))
    if not file.is_file():
        pytest.skip(f"no table of published networks at {file}; set OPTLAB_ROBUSTNETS")
    spec = importlib.util.spec_from_file_location(
        "effective", root / "benchmarks" / "robustness" / "effective.py"
    )
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    table = json.loads(file.read_text())
    return {key: program.summary(fit, table) for key, fit in program.fits(table).items()}


def test_published_networks(published: dict[tuple[str, str], dict[str, Any]]) -> None:
    # Computed from the same table by other means.
    line = published["CIFAR-10.1", "all"]
    assert line["slope"] == pytest.approx(0.850, abs=5e-4)
    assert line["intercept"] == pytest.approx(-0.473, abs=5e-4)
    assert line["r2"] == pytest.approx(0.972, abs=5e-4)
    means = published["CIFAR-10.1", "clean"]["mean"]
    assert means == pytest.approx({"clean": -0.01, "gaussian": -0.59, "augmix": 0.34}, abs=6e-3)
    none = published["CIFAR-10-C", "clean"]
    assert none["r2"] == pytest.approx(0.001, abs=5e-4)
    assert none["mean"] == pytest.approx(
        {"clean": -0.10, "gaussian": 8.14, "augmix": 11.90}, abs=6e-3
    )
    assert none["best"] == "ResNet18_augmix_lrr_globally_0.9"
    assert none["metrics"]["high_freq_fracs_phase"] == max(none["metrics"].values())
    assert max(none["metrics"].values()) == pytest.approx(0.376, abs=5e-4)
    assert published["CIFAR-10-C", "all"]["r2"] == pytest.approx(0.136, abs=5e-4)
