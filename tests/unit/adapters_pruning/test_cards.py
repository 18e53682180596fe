from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from optlab.errors import OptionError, ProblemError

torch: Any = pytest.importorskip("torch")

from optlab.adapters import pruning, robustness
from optlab_adapters.pruning.cards.mixture import simplex_weights
from optlab_adapters.pruning.cards.similarity import ROUNDING, References, log_rings
from optlab_adapters.pruning.cards.table import CLEAN, AccuracyTable

SIDE = 16


class Says(torch.nn.Module):  # type: ignore[misc]
    """Gives every image the same logits."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, x: Any) -> Any:
        return self.logits.expand(len(x), -1)


def coloured(slope: float, count: int, seed: int) -> Any:
    """Return images with power proportional to frequency^-slope, mean 1/2."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    frequency[0, 0] = np.inf
    noise = np.fft.fft2(rng.standard_normal((count, 1, SIDE, SIDE)))
    images = np.fft.ifft2(noise * frequency ** (-slope / 2)).real
    images = 0.5 + 0.12 * images / images.std()
    return torch.from_numpy(np.clip(images, 0.0, 1.0).astype(np.float32))


SLOPES = {"rough": 0.0, "natural": 2.0, "smooth": 4.0}


def references(count: int = 60) -> dict[str, Any]:
    return {name: coloured(slope, count, k) for k, (name, slope) in enumerate(SLOPES.items())}


def deck(**options: Any) -> Any:
    cards = {name: Says(*np.eye(3)[k] * 4.0) for k, name in enumerate(SLOPES)}
    return pruning.CardDeck(cards, references(), **({"batch": 8} | options))


# Spectra --------------------------------------------------------------------------------------------


def test_rings_are_logarithms_of_power_with_the_floor_of_rounding() -> None:
    rings = log_rings(np.full((2, 1, SIDE, SIDE), 0.5))
    assert rings.shape == (2, SIDE // 2 + 1)
    # A constant c has power c^2 H W at frequency 0, and none elsewhere.
    np.testing.assert_allclose(rings[:, 0], math.log(0.25 * SIDE**2))
    np.testing.assert_allclose(rings[:, 1:], math.log(ROUNDING))


def test_distances_are_what_their_formulas_say() -> None:
    images = {name: x.numpy() for name, x in references(12).items()}
    known = References.of(images)
    batch = known.spectrum(coloured(1.0, 5, 9).numpy())
    raw = [log_rings(x) for x in images.values()]
    unit = np.sqrt(sum(s.var(axis=0) for s in raw) / 3)
    mine = log_rings(coloured(1.0, 5, 9).numpy()) / unit
    np.testing.assert_allclose(batch, mine)
    for k, s in enumerate(raw):
        means = np.mean((mine.mean(axis=0) - (s / unit).mean(axis=0)) ** 2)
        assert known.distances(batch)[k] == pytest.approx(means)
        every = np.linalg.norm(mine[:, None] - (s / unit)[None], axis=2)
        nearest = np.sort(every, axis=1)[:, :3].mean() / math.sqrt(unit.size)
        assert known.neighbour_distances(batch, 3)[k] == pytest.approx(nearest)


@pytest.mark.parametrize("gate", ["spectral", "neighbours"])
@pytest.mark.parametrize("name", SLOPES)
def test_a_gate_picks_the_card_of_the_spectrum_it_sees(gate: str, name: str) -> None:
    images = coloured(SLOPES[name], 20, 100)
    gated = deck(gate=gate)
    expected = np.tile(np.eye(3)[list(SLOPES).index(name)], (3, 1))  # batches of 8, 8 and 4
    np.testing.assert_array_equal(gated.weights(images), expected)
    assert set(gated.predict(images).tolist()) == {list(SLOPES).index(name)}


def test_batches_are_gated_each_by_itself() -> None:
    parts = [coloured(slope, 8, 100 + k) for k, slope in enumerate(SLOPES.values())]
    gated = deck()
    assert gated.predict(torch.cat(parts)).tolist() == [0] * 8 + [1] * 8 + [2] * 8
    # Mixed up, a batch goes to one card as a whole.
    mixed = torch.stack(parts, dim=1).flatten(0, 1)
    for batch in gated.predict(mixed).split(8):
        assert len(set(batch.tolist())) == 1


# Weights --------------------------------------------------------------------------------------------


def spectra(columns: int, most: int = 4) -> st.SearchStrategy[Any]:
    values = st.floats(-3.0, 3.0, allow_nan=False, width=32)
    return st.integers(1, most).flatmap(
        lambda k: hnp.arrays(np.float64, (k + 1, columns), elements=values)
    )


@given(spectra(6))
def test_weights_have_the_certificate_of_the_simplex(given_spectra: Any) -> None:
    s, means = given_spectra[0], given_spectra[1:]
    p = simplex_weights(s, means).x
    assert p.min() >= 0.0
    assert p.sum() == pytest.approx(1.0, abs=1e-9)
    # Stationary: the slope of whatever has weight is the smallest one.
    slope = 2.0 / s.size * means @ (p @ means - s)
    assert p @ (slope - slope.min()) <= 1e-7


def test_weights_are_as_good_as_the_best_of_a_grid() -> None:
    rng = np.random.default_rng(0)
    steps = 60
    grid = np.array(
        [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    ) / float(steps)
    corners = 0
    for _ in range(20):
        means, s = rng.standard_normal((3, 9)), rng.standard_normal(9)
        values = np.mean((grid @ means - s) ** 2, axis=1)
        p = simplex_weights(s, means).x
        best = grid[values.argmin()]
        assert np.mean((p @ means - s) ** 2) <= values.min() + 1e-12
        # The grid's best point lies within a step of the answer, up to the problem's condition.
        assert np.abs(p - best).max() <= 3.0 / steps
        corners += int(p.min() == 0.0)
    assert 0 < corners < 20  # both kinds of answers were there


def test_weights_of_a_mixture_of_spectra_are_its_shares() -> None:
    means = np.random.default_rng(1).standard_normal((3, 9))
    shares = np.array([0.2, 0.5, 0.3])
    np.testing.assert_allclose(simplex_weights(shares @ means, means).x, shares, atol=1e-7)


def test_weights_mix_probabilities() -> None:
    images = coloured(1.0, 16, 100)
    gated = deck(gate="weights")
    weights = gated.weights(images)
    assert weights.shape == (2, 3)
    # Between rough and natural lies nothing smooth.
    assert weights[:, :2].min() > 0.1
    assert weights[:, 2].max() < 0.1
    cards = torch.softmax(4.0 * torch.eye(3).double(), dim=1)
    expected = (torch.from_numpy(weights) @ cards).repeat_interleave(8, dim=0)
    torch.testing.assert_close(gated.probabilities(images), expected)


# Averages -------------------------------------------------------------------------------------------


def test_averages_are_those_of_all_cards_alike() -> None:
    one, two, three = Says(2.0, 0.0), Says(0.0, 1.0), Says(0.5, 3.0)
    plain = pruning.CardDeck({"a": one, "b": [two, three]}, gate="average", batch=3)
    images = coloured(2.0, 7, 0)
    softmaxes = [torch.softmax(c.logits.double(), dim=0) for c in (one, two, three)]
    expected = torch.stack(softmaxes).mean(dim=0).expand(7, -1)
    torch.testing.assert_close(plain.probabilities(images), expected)
    np.testing.assert_allclose(plain.weights(images), np.tile([1 / 3, 2 / 3], (3, 1)))


def test_cards_may_be_functions_of_arrays_and_keep_their_modes() -> None:
    dropping = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(SIDE**2, 3)
    )
    weights = torch.eye(3)
    both = pruning.CardDeck(
        [dropping, lambda x: np.asarray(weights[: len(x) * 0 + 1]).repeat(len(x), axis=0)],
        gate="average",
    )
    images = coloured(2.0, 5, 0)
    first, second = both.probabilities(images), both.probabilities(images)
    torch.testing.assert_close(first, second, rtol=0.0, atol=0.0)
    assert all(module.training for module in dropping.modules())


# Evaluation -----------------------------------------------------------------------------------------


def test_an_evaluation_has_every_card_the_average_and_the_gate() -> None:
    images = coloured(2.0, 24, 100)
    labels = torch.arange(24) % 3
    suite = robustness.CorruptionSuite(["gaussian_noise", "contrast"], severities=[1, 5])
    report = deck().evaluate((images, labels), suite)
    assert report.table.models == ("rough", "natural", "smooth", "average", "spectral")
    assert list(report.picks["spectral"]) == [(CLEAN, 0), *suite]
    # A card that always says k is right for a third of the images; so is a gate among such.
    for name in SLOPES:
        assert report.table.tables[name].clean == pytest.approx(1 / 3)
        np.testing.assert_allclose(report.table.tables[name].accuracy, np.full((2, 2), 1 / 3))
    picks = report.picks["spectral"]
    np.testing.assert_array_equal(picks["clean", 0], np.tile([0.0, 1.0, 0.0], (3, 1)))
    assert (picks["gaussian_noise", 5][:, 0] == 1.0).all()
    text = str(report)
    assert "mean corrupted" in text
    assert "gaussian_noise" in text
    assert (
        report.plot().svg.count("<circle") == 5 + 5 * 4
    )  # legend; clean, two corruptions, mean
    assert report.to_dict()["picks"][0]["weights"] == [[0.0, 1.0, 0.0]] * 3


def test_the_gate_of_an_evaluation_is_that_of_the_probabilities() -> None:
    torch.manual_seed(0)
    cards = {
        name: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(SIDE**2, 4))
        for name in SLOPES
    }
    images = torch.cat([coloured(slope, 10, 50) for slope in SLOPES.values()])
    labels = torch.arange(30) % 4
    gates = ("spectral", "neighbours", "weights", "average")
    every = pruning.CardDeck(cards, references(), batch=10).evaluate(
        (images, labels), gates=gates
    )
    shares = every.table.clean()
    for gate in gates:
        gated = pruning.CardDeck(cards, references(), gate=gate, batch=10)
        right = float((gated.predict(images) == labels).double().mean())
        assert shares[gate] == pytest.approx(right)
        for name, card in cards.items():
            own = float((card(images).argmax(dim=1) == labels).double().mean())
            assert shares[name] == pytest.approx(own)


def test_compare_judges_tasks_modules_and_functions() -> None:
    images, labels = coloured(2.0, 12, 0), torch.arange(12) % 3
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(SIDE**2, 3))
    task = pruning.PruningTask(
        model, torch.nn.functional.cross_entropy, (images, labels), density=0.25
    )
    masks = {"1.weight": torch.arange(3 * SIDE**2).view(3, -1) % 4 == 0}
    task.apply_masks(masks)
    suite = robustness.CorruptionSuite("contrast", severities=3)
    found = pruning.compare(
        {"task": task, "module": Says(1.0, 0.0, 0.0), "function": lambda x: x[:, 0, :3, 0]},
        (images, labels),
        suite,
        facts={"CPU s": {"task": 2.5}},
    )
    assert found.clean()["task"] == pytest.approx(task.accuracy())
    assert found.clean()["module"] == pytest.approx(1 / 3)
    assert found.corrupted()["module"] == pytest.approx(1 / 3)
    assert found.facts["density"] == {"task": 0.25, "module": 1.0}
    assert "2.5" in str(found)


def test_a_table_has_means_of_severities_and_corruptions() -> None:
    accuracies = np.array([[0.8, 0.4], [0.2, 0.2]])
    one = robustness.RobustnessTable(("fog", "snow"), (1, 5), accuracies, 0.9, 10)
    table = AccuracyTable({"net": one})
    assert table.summary() == {
        CLEAN: {"net": 0.9},
        "fog": {"net": pytest.approx(0.6)},
        "snow": {"net": pytest.approx(0.2)},
        "mean corrupted": {"net": pytest.approx(0.4)},
    }
    bare = robustness.RobustnessTable((), (), np.zeros((0, 0)), 0.9, 10)
    assert AccuracyTable({"net": bare}).summary() == {CLEAN: {"net": 0.9}}


def test_comparisons_agree_with_the_evaluation_of_one_model() -> None:
    images, labels = coloured(2.0, 30, 0), torch.arange(30) % 3
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(SIDE**2, 3)).eval()
    suite = robustness.CorruptionSuite(["gaussian_noise", "fog"], severities=[2, 4], seed=3)
    found = pruning.compare({"net": model}, (images, labels), suite).tables["net"]
    pixels = np.moveaxis(images.numpy(), 1, -1)
    expected = robustness.evaluate(model, suite, pixels, labels.numpy())
    np.testing.assert_allclose(found.accuracy, expected.accuracy)
    assert found.clean == pytest.approx(expected.clean)
    assert found.mce(expected) == pytest.approx(100.0)


# Bad input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"cards": {"rough": Says(1.0, 0.0), "natural": Says(0.0, 1.0, 0.0)}},
            "numbers of classes",
        ),
        ({"cards": {}}, "cards are empty"),
        ({"cards": {"rough": Says(1.0, 0.0), "natural": []}}, "cards are empty"),
        ({"cards": {"rough": Says(1.0), "other": Says(0.0)}}, "the same augmentations"),
        (
            {"cards": {"rough": Says(1.0), "natural": Says(math.nan)}},
            "natural has logits that are not",
        ),
        ({"cards": {"rough": Says(1.0), "natural": lambda x: x[0]}}, "card natural makes"),
        (
            {"cards": {"rough": Says(1.0), "natural": torch.nn.Linear(3, 2)}},
            "card natural fails",
        ),
        ({"cards": {"rough": Says(1.0), "average": Says(0.0)}}, "different names"),
        ({"cards": {"a": [Says(1.0), Says(1.0)], "a 1": Says(0.0)}}, "different names"),
        ({"references": None}, "gate='average'"),
        (
            {"references": {"rough": coloured(0, 2, 0)[:0], "natural": coloured(0, 2, 0)}},
            "rough has 0",
        ),
        (
            {"references": {"rough": coloured(0, 1, 0), "natural": coloured(0, 2, 0)}},
            "rough has 1",
        ),
        (
            {"references": {"rough": coloured(0, 2, 0)[..., :9], "natural": coloured(0, 2, 0)}},
            "one shape is needed",
        ),
        (
            {"references": {"rough": np.zeros((4, 8, 8)), "natural": coloured(0, 2, 0)}},
            "height, width",
        ),
        (
            {"references": {"rough": 2 * coloured(0, 2, 0), "natural": coloured(0, 2, 0)}},
            r"values in \[0, 1\]",
        ),
    ],
)
def test_decks_that_do_not_fit_together(change: dict[str, Any], message: str) -> None:
    fine: dict[str, Any] = {
        "cards": {"rough": Says(1.0, 0.0), "natural": Says(0.0, 1.0)},
        "references": {name: x for name, x in references().items() if name != "smooth"},
    }
    pruning.CardDeck(**fine)
    with pytest.raises(ProblemError, match=message):
        pruning.CardDeck(**(fine | change))


@pytest.mark.parametrize("options", [{"gate": "nearest"}, {"batch": 0}, {"neighbours": 1.5}])
def test_options_that_are_none(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=str(next(iter(options)))):
        deck(**options)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 1, 8, 8), "the reference images have"),
        (torch.zeros(2, 1, SIDE, SIDE, dtype=torch.uint8), "divide bytes by 255"),
        (torch.full((2, 1, SIDE, SIDE), math.nan), "values from nan"),
        (torch.zeros(0, 1, SIDE, SIDE), "at least one"),
    ],
)
def test_images_that_do_not_fit(images: Any, message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        deck().predict(images)


def test_data_that_are_no_pair_or_have_other_labels() -> None:
    images = coloured(0.0, 4, 0)
    with pytest.raises(ProblemError, match="pair"):
        deck().evaluate(images)
    with pytest.raises(ProblemError, match="labels"):
        deck().evaluate((images, torch.zeros(3, dtype=torch.int64)))
    with pytest.raises(ProblemError, match="labels"):
        deck().evaluate((images, torch.zeros(4)))
    with pytest.raises(ProblemError, match="models are empty"):
        pruning.compare({}, (images, torch.zeros(4, dtype=torch.int64)))
