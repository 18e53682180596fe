"""What is known about linear codecs and rates holds for what is computed, and solvers find it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize

import optlab
from optlab.adapters import compression as cp
from optlab.adapters import robustness as rb
from optlab.errors import OptionError, ProblemError
from optlab_adapters.compression.allocation import _models


def check_identities(errors: cp.LinearErrors) -> None:
    scale = 1 + errors.robustness + errors.generalization
    assert np.allclose(
        (errors.robustness - errors.distortion - errors.kept) / scale, 0, atol=1e-12
    )
    parts = errors.distortion + errors.removed + 2 * errors.cross
    assert np.allclose((errors.generalization - parts) / scale, 0, atol=1e-12)


@given(st.integers(1, 12), st.integers(0, 2**16), st.floats(0, 1e3), st.data())
def test_the_errors_of_a_projection_split(n: int, seed: int, size: float, data: Any) -> None:
    rng = np.random.default_rng(seed)
    clean = rng.standard_normal((20, n)) @ rng.standard_normal((n, n)) + rng.standard_normal(n)
    components = cp.Components.of(clean, data.draw(st.integers(1, n)))
    check_identities(components.errors(clean, size * rng.standard_normal((20, n))))


def test_the_errors_split_under_all_corruptions() -> None:
    pytest.importorskip("PIL")
    from optlab_adapters.compression.linear import blocks_of

    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.standard_normal((4, 64, 64)), axis=1), axis=2)
    low, high = smooth.min(axis=(1, 2), keepdims=True), smooth.max(axis=(1, 2), keepdims=True)
    images = (smooth - low) / (high - low)
    suite = rb.CorruptionSuite("common", severities=3)
    clean = np.concatenate([blocks_of(image, 8) for image in images])
    components = cp.Components.of(clean, 16)
    for name, severity in suite:
        damaged = np.concatenate(
            [blocks_of(im, 8) for im in suite.apply(images, name, severity)]
        )
        errors = components.errors(clean, damaged - clean)
        check_identities(errors)
        # The projection takes the damage out as far as it lies outside: more is left only when D says so.
        assert (errors.robustness >= errors.distortion * (1 - 1e-12)).all()


@pytest.mark.parametrize(("n", "rank"), [(5, 1), (7, 3), (4, 4)])
def test_principal_components_solve_the_problem_of_their_rank(n: int, rank: int) -> None:
    samples = np.random.default_rng(n).standard_normal((60, n)) * np.arange(1, n + 1)
    covariance = np.cov(samples.T, bias=True)
    covariance = (covariance + covariance.T) / 2
    result = optlab.minimize(cp.pca_problem(covariance, rank), method="npasa")
    assert result.success
    components = cp.Components.of(samples, rank)
    u = np.asarray(result.x).reshape(n, rank)
    assert -result.fun == pytest.approx(components.variances.sum(), rel=1e-6)
    assert np.allclose(u @ u.T, components.basis @ components.basis.T, atol=1e-3)


def test_the_problem_has_right_derivatives() -> None:
    covariance = np.cov(np.random.default_rng(2).standard_normal((9, 4)).T)
    problem = cp.pca_problem(covariance, 2)
    rng = np.random.default_rng(3)
    x, y, d = rng.standard_normal(8), rng.standard_normal(3), rng.standard_normal(8)

    def slope(t: float) -> Any:
        z = x + t * d
        return 0.7 * problem.gradient(z) + y @ problem.jacobian(z)

    step = 1e-5
    ahead, behind = problem.constraints(x + step * d), problem.constraints(x - step * d)
    assert np.allclose((ahead - behind) / (2 * step), problem.jacobian(x) @ d, atol=1e-8)
    assert np.allclose(
        (slope(step) - slope(-step)) / (2 * step), problem.hessian(x, y, 0.7) @ d
    )


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=12), st.floats(0.05, 6))
def test_reverse_water_filling_solves_the_allocation(logs: list[float], each: float) -> None:
    variances = 2.0 ** np.array(logs)
    bits = each * len(logs)
    level, distortions = cp.reverse_water_filling(variances, bits)
    assert np.log2(variances / distortions).sum() / 2 == pytest.approx(bits)
    found = cp.allocate(variances, bits)
    assert found.rates.sum() <= bits + 1e-6
    assert np.allclose(found.distortions, distortions, rtol=1e-3)
    assert found.distortions.sum() == pytest.approx(distortions.sum(), rel=1e-5)
    # -dD/dR of a coefficient above the water.
    assert found.slope == pytest.approx(2 * np.log(2) * level, rel=1e-3)


def test_equal_slopes_solve_the_allocation_of_laplacian_coefficients() -> None:
    variances, bits = np.geomspace(900, 0.5, 10), 12.0
    found = cp.allocate(variances, bits, source="laplace")

    def best(price: float) -> Any:
        """Minimize D + price R of each coefficient by scanning, then by golden section."""
        steps = []
        for v in variances:
            grid = np.linspace(-12, 3, 400) + np.log2(v) / 2

            def cost(u: float, v: float = v) -> float:
                rate, distortion = cp.laplace_rate_distortion([2.0**u], [v])
                return float(distortion[0] + price * rate[0])

            middle = grid[int(np.argmin([cost(u) for u in grid]))]
            answer = optimize.minimize_scalar(
                cost, bounds=(middle - 0.1, min(middle + 0.1, grid[-1])), method="bounded"
            )
            steps.append(2.0**answer.x)
        return cp.laplace_rate_distortion(steps, variances)

    rates, distortions = best(found.slope)
    assert rates.sum() == pytest.approx(bits, abs=0.05)
    assert distortions.sum() == pytest.approx(found.distortions.sum(), rel=5e-3)


@pytest.mark.parametrize("step", [0.1, 1.0, 3.7])
def test_the_laplacian_model_is_what_integration_gives(step: float) -> None:
    variance = 2.3
    scale = np.sqrt(variance / 2)

    def density(x: float) -> float:
        return float(np.exp(-abs(x) / scale) / (2 * scale))

    rate = error = 0.0
    for k in range(-300, 301):
        low, high = (k - 0.5) * step, (k + 0.5) * step
        inside = [0.0] if k == 0 else None
        mass = integrate.quad(density, low, high, points=inside)[0]

        def square(x: float, k: int = k) -> float:
            return (x - k * step) ** 2 * density(x)

        error += integrate.quad(square, low, high, points=inside)[0]
        rate -= mass * np.log2(mass) if mass > 0 else 0
    found = cp.laplace_rate_distortion([step], [variance])
    assert found[0][0] == pytest.approx(rate, rel=1e-7)
    assert found[1][0] == pytest.approx(error, rel=1e-7)


@pytest.mark.parametrize("source", ["gaussian", "laplace"])
def test_slopes_of_the_models(source: Any) -> None:
    spread, x, step = np.array([0.3, 4.0, 90.0]), np.array([-1.5, 0.4, 2.1]), 1e-6
    _, _, rate_slope, error_slope = _models(spread, source, x)
    ahead, behind = _models(spread, source, x + step), _models(spread, source, x - step)
    assert np.allclose((ahead[0] - behind[0]) / (2 * step), rate_slope, rtol=1e-6)
    assert np.allclose((ahead[1] - behind[1]) / (2 * step), error_slope, rtol=1e-6)


def test_steps_from_the_allocation_bring_less_distortion_at_a_rate() -> None:
    pytest.importorskip("PIL")
    rng = np.random.default_rng(5)
    image = np.cumsum(np.cumsum(rng.standard_normal((96, 96)), axis=0), axis=1)
    image = np.rint(255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
    plain = cp.Linear().fit(image[None])
    allocated = plain.allocated(0.5)
    assert allocated.steps is not None
    results = [cp.rate_control(codec, image, 0.5) for codec in (plain, allocated)]
    assert all(result.bpp <= 0.5 for result in results)
    errors = [cp.psnr(result.codec.decode(result.stream), image) for result in results]
    assert errors[1] > errors[0] - 1.0


@pytest.mark.parametrize(
    ("variances", "bits", "source", "error"),
    [
        ([], 1.0, "gaussian", ProblemError), ([1.0, 0.0], 1.0, "gaussian", ProblemError),
        ([[1.0]], 1.0, "gaussian", ProblemError), ([np.nan], 1.0, "gaussian", ProblemError),
        ([1.0], 0.0, "gaussian", OptionError), ([1.0], np.inf, "laplace", OptionError),
        ([1.0], 1.0, "uniform", OptionError), ([1.0] * 100, 0.5, "laplace", OptionError),
    ],
)  # fmt: skip
def test_allocations_of_nothing(variances: Any, bits: float, source: Any, error: Any) -> None:
    with pytest.raises(error):
        cp.allocation_problem(variances, bits, source=source)


def test_components_of_nothing() -> None:
    for samples in (np.zeros((0, 3)), np.zeros(3), [[np.inf]]):
        with pytest.raises(ProblemError, match="samples"):
            cp.Components.of(samples)
    with pytest.raises(OptionError, match="rank"):
        cp.Components.of(np.zeros((2, 3)), 4)
    with pytest.raises(ProblemError, match="symmetric"):
        cp.pca_problem([[1.0, 2.0], [0.0, 1.0]], 1)
    with pytest.raises(OptionError, match="rank"):
        cp.pca_problem(np.eye(2), 3)
