from __future__ import annotations

from typing import Any

import pytest

import optlab
from optlab.errors import OptionError, ProblemError

torch: Any = pytest.importorskip("torch")

from optlab.adapters import TrainingTask, pruning
from optlab_adapters.pruning.cards import augmentation

EVERY = [pruning.unchanged, pruning.GaussianNoise(0.2, clean=0.3), pruning.AugMix()]


def images(count: int = 32) -> Any:
    x = torch.linspace(0.0, 1.0, 16)
    waves = torch.sin(6.0 * x[:, None] + torch.arange(count)[:, None, None] * x[None, :])
    return (0.5 + 0.4 * waves)[:, None]


def seeded(seed: int) -> Any:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("augment", EVERY)
def test_augmentations_follow_the_generator_and_stay_images(augment: Any) -> None:
    given = images()
    kept = given.clone()
    first, again, other = (augment(given, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(given, kept)
    assert torch.equal(first, again)
    assert first.shape == given.shape
    assert first.dtype == given.dtype
    assert float(first.min()) >= 0.0
    assert float(first.max()) <= 1.0
    assert torch.equal(first, other) == (augment is pruning.unchanged)


def test_noise_has_its_deviation_and_its_share_of_clean_images() -> None:
    given = torch.full((400, 1, 16, 16), 0.5)
    noise = pruning.GaussianNoise(0.05, clean=0.25)(given, seeded(0)) - given
    still = noise.flatten(1).abs().amax(dim=1) == 0.0
    assert float(still.double().mean()) == pytest.approx(0.25, abs=0.07)
    assert float(noise[~still].std()) == pytest.approx(0.05, rel=0.02)


def test_a_mixture_of_one_value_is_that_value() -> None:
    # Geometry moves constants onto themselves; the rest changes this one by less than a level of posterizing.
    moves = (
        augmentation._rotate,
        augmentation._shear_x,
        augmentation._shear_y,
        augmentation._translate,
    )
    given = torch.full((8, 1, 16, 16), 0.3)
    for move in moves:
        torch.testing.assert_close(move(given, torch.linspace(-1.0, 1.0, 8)), given)
    torch.testing.assert_close(augmentation._autocontrast(given, torch.ones(8)), given)
    mixed = pruning.AugMix(severity=1.0)(given, seeded(0))
    torch.testing.assert_close(mixed, given, rtol=0.0, atol=0.5 / 150)


def test_operations_at_strength_zero_change_next_to_nothing() -> None:
    given = images()
    for operation in augmentation._OPERATIONS:
        if operation is not augmentation._autocontrast:
            found = operation(given, torch.zeros(len(given)))
            assert float((found - given).abs().max()) <= 0.5 / 255 + 1e-6, operation


def test_operations_at_full_strength_do_what_they_say() -> None:
    ramp = torch.linspace(0.0, 1.0, 17)[:16].expand(1, 1, 16, 16).contiguous()
    full = torch.ones(1)
    torch.testing.assert_close(
        augmentation._solarize(ramp, full), torch.where(ramp > 0, 1 - ramp, ramp)
    )
    assert len(torch.unique(augmentation._posterize(ramp, full))) <= 16
    turned = augmentation._rotate(ramp, full)
    # A third of a right angle: what rose along rows rises along columns, too.
    assert float((turned[..., 12, 8] - turned[..., 4, 8]).abs()) > 0.1
    stretched = augmentation._autocontrast(0.2 + 0.5 * ramp, full)
    assert float(stretched.min()) == pytest.approx(0.0, abs=1e-6)
    assert float(stretched.max()) == pytest.approx(1.0, abs=1e-6)


def test_augmentation_of_an_image_does_not_depend_on_its_neighbours() -> None:
    given, other = images(), images().flip(0)
    other[5] = given[5]
    for augment in EVERY:
        torch.testing.assert_close(augment(given, seeded(3))[5], augment(other, seeded(3))[5])


def test_augmentations_fit_into_a_training() -> None:
    given = images()
    labels = (given[:, 0, 8, 8] > 0.5).long()
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 2))
    task = pruning.PruningTask(
        model,
        torch.nn.functional.cross_entropy,
        (given, labels),
        density=0.5,
        batch_size=8,
        augment=pruning.AugMix(),
    )
    result = optlab.minimize(task, method="gmp", epochs=2.0, seed=0)
    assert result.success


def test_running_statistics_are_those_of_augmented_inputs() -> None:
    given = torch.full((64, 1, 4, 4), 0.5)
    labels = torch.zeros(64, dtype=torch.int64)
    found = {}
    for name, augment in (("none", None), ("noise", pruning.GaussianNoise(0.1))):
        torch.manual_seed(0)
        norm = torch.nn.BatchNorm2d(1)
        model = torch.nn.Sequential(norm, torch.nn.Flatten(), torch.nn.Linear(16, 2))
        task = TrainingTask(
            model,
            torch.nn.functional.cross_entropy,
            (given, labels),
            batch_size=16,
            augment=augment,
        )
        task.write(task.vector())
        found[name] = norm.running_mean.clone(), norm.running_var.clone()
        task.write(task.vector())  # they depend on the point only
        torch.testing.assert_close(norm.running_var, found[name][1], rtol=0.0, atol=0.0)
    assert float(found["none"][1]) == 0.0
    assert float(found["noise"][1]) == pytest.approx(0.01, rel=0.1)
    assert float(found["noise"][0]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pruning.GaussianNoise(0.0), "deviation"),
        (lambda: pruning.GaussianNoise(0.1, clean=1.0), "clean"),
        (lambda: pruning.AugMix(width=0), "width"),
        (lambda: pruning.AugMix(depth=(3, 1)), "depth"),
        (lambda: pruning.AugMix(severity=11.0), "severity"),
    ],
)
def test_options_that_are_none(make: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


@pytest.mark.parametrize("augment", EVERY[1:])
def test_inputs_that_are_no_images(augment: Any) -> None:
    with pytest.raises(ProblemError, match="floating-point images"):
        augment(torch.zeros(4, 8), seeded(0))
    with pytest.raises(ProblemError, match="floating-point images"):
        augment(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), seeded(0))
