"""Accuracy under corruptions, and the table of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray

from optlab.errors import CapabilityError, OptionError, ProblemError
from optlab_adapters.robustness import CorruptionSuite, RobustnessTable, evaluate

RNG = np.random.default_rng(6)
LABELS = RNG.integers(0, 2, 40)
IMAGES = np.clip(
    110 + 30 * (2 * LABELS[:, None, None] - 1) + 25 * RNG.standard_normal((40, 12, 12)), 0, 255
).astype(np.uint8)
SUITE = CorruptionSuite(["brightness", "contrast"], severities=(1, 5), seed=2)


def bright(images: NDArray[Any]) -> NDArray[np.bool_]:
    above: NDArray[np.bool_] = images.mean(axis=(1, 2)) > 110
    return above


def table(accuracy: Any, clean: float = 1.0) -> RobustnessTable:
    return RobustnessTable(("a", "b"), (1, 5), np.array(accuracy), clean, 10, {"seed": 0})


def test_accuracies_are_those_of_whole_sets_whatever_the_batches() -> None:
    made = evaluate(bright, SUITE, IMAGES, LABELS)
    small = evaluate(bright, SUITE, IMAGES, LABELS, batch_size=7)
    assert made.to_dict() == small.to_dict()
    assert made.clean == 1.0
    for row, name in enumerate(SUITE.corruptions):
        for column, severity in enumerate(SUITE.levels):
            images = SUITE.apply(IMAGES, name, severity)
            assert made.accuracy[row, column] == (bright(images) == LABELS).mean()
    # Brightness fools this classifier, contrast does not.
    assert made.by_corruption()["contrast"] > 0.9 > made.by_corruption()["brightness"]


def test_scores_and_classes_are_the_same() -> None:
    def scores(images: NDArray[Any]) -> NDArray[Any]:
        return np.stack(
            [110 - images.mean(axis=(1, 2)), images.mean(axis=(1, 2)) - 110], axis=1
        )

    expected = evaluate(bright, SUITE, IMAGES, LABELS).accuracy
    assert (evaluate(scores, SUITE, IMAGES, LABELS).accuracy == expected).all()


def test_scores_that_are_no_numbers_are_wrong() -> None:
    made = evaluate(lambda x: np.full((len(x), 2), np.nan), SUITE, IMAGES, LABELS)
    assert made.clean == 0
    assert made.mean() == 0


def test_a_torch_module_sees_channels_first_in_unit_range() -> None:
    torch = pytest.importorskip("torch")

    class Bright(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            assert x.shape[1:] == (1, 12, 12)
            assert x.dtype == torch.float32
            assert not torch.is_grad_enabled()
            mean = x.mean(dim=(1, 2, 3)) * 255
            return torch.stack([110 - mean, mean - 110], dim=1)

    with pytest.raises(OptionError, match=r"model\.eval\(\)"):
        evaluate(Bright(), SUITE, IMAGES, LABELS)
    made = evaluate(Bright().eval(), SUITE, IMAGES, LABELS)
    assert made.to_dict() == evaluate(bright, SUITE, IMAGES, LABELS).to_dict()


def test_means_by_hand() -> None:
    made = table([[0.9, 0.5], [0.7, 0.3]])
    assert made.mean() == pytest.approx(0.6)
    assert made.by_corruption() == pytest.approx({"a": 0.7, "b": 0.5})
    assert made.by_severity() == pytest.approx({1: 0.8, 5: 0.4})


def test_mean_corruption_error_by_hand() -> None:
    made, reference = table([[0.9, 0.5], [0.7, 0.3]]), table([[0.8, 0.4], [0.5, 0.5]], 0.9)
    assert made.mce(reference) == pytest.approx(100 * (0.6 / 0.8 + 1.0 / 1.0) / 2)
    assert made.mce(made) == pytest.approx(100)
    relative = 100 * (0.6 / 0.6 + 1.0 / 0.8) / 2
    assert made.mce(reference, relative=True) == pytest.approx(relative)


def test_references_that_do_not_fit() -> None:
    made = table([[0.9, 0.5], [0.7, 0.3]])
    with pytest.raises(OptionError, match="no error under b"):
        made.mce(table([[0.9, 0.5], [1.0, 1.0]]))
    other = RobustnessTable(("a", "c"), (1, 5), made.accuracy, 1.0, 10, {"seed": 0})
    with pytest.raises(OptionError, match="the corruptions of the tables differ"):
        made.mce(other)


def test_text_and_chart() -> None:
    made = table([[0.9, 0.5], [0.7, 0.3]])
    assert str(made).splitlines() == [
        "accuracy in percent, 10 images; clean 100.0",
        "corruption      1      5   mean",
        "a            90.0   50.0   70.0",
        "b            70.0   30.0   50.0",
        "mean         80.0   40.0   60.0",
    ]
    drawn = ET.fromstring(made.plot()._repr_svg_())
    words = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert words == ["severity 1", "severity 5", "a", "90.0", "50.0", "b", "70.0", "30.0"]


def test_files_hold_everything(tmp_path: Path) -> None:
    made = evaluate(bright, SUITE, IMAGES, LABELS)
    made.save(tmp_path / "table.json")
    assert RobustnessTable.load(tmp_path / "table.json").to_dict() == made.to_dict()
    for text in ("{", "[]", json.dumps(made.to_dict() | {"accuracy": [1.0]})):
        (tmp_path / "broken.json").write_text(text)
        with pytest.raises(ProblemError):
            RobustnessTable.load(tmp_path / "broken.json")


@pytest.mark.parametrize(
    ("labels", "model", "options", "error"),
    [
        (LABELS[:-1], bright, {}, ProblemError),
        (LABELS[:, None], bright, {}, ProblemError),
        (LABELS, lambda images: np.zeros(len(images) - 1), {}, ProblemError),
        (LABELS, lambda images: np.zeros((len(images), 2, 2)), {}, ProblemError),
        (LABELS, "bright", {}, CapabilityError),
        (LABELS, bright, {"batch_size": 0}, OptionError),
    ],
)
def test_bad_input(labels: Any, model: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        evaluate(model, SUITE, IMAGES, labels, **options)


def test_no_images_have_no_accuracy() -> None:
    with pytest.raises(ProblemError, match="one at least"):
        evaluate(bright, SUITE, IMAGES[:0], LABELS[:0])
