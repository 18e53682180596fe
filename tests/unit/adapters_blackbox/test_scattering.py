"""The scattering simulator of the examples against independent physics."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import spherical_jn
from scipy.stats import lognorm


@pytest.fixture(scope="module")
def scattering() -> Any:
    path = Path(__file__).parents[3] / "docs" / "zeroth" / "examples" / "scattering.py"
    spec = importlib.util.spec_from_file_location("scattering", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("radius", "polydispersity", "scale"), [(3.0, 0.2, 0.5), (2.5, 0.4, -1.0)]
)
def test_curves_against_quadrature(
    scattering: Any, radius: float, polydispersity: float, scale: float
) -> None:
    found = scattering.curves(np.array([[radius, polydispersity, scale]]))[0]
    law = lognorm(np.sqrt(np.log1p(polydispersity**2)), scale=radius)
    assert law.std() / law.mean() == pytest.approx(polydispersity, rel=1e-12)
    for q, value in zip(scattering.Q[::4], found[::4], strict=True):
        mean = quad(
            lambda r, q=q: (
                law.pdf(r) * (r / radius) ** 6 * (3 * spherical_jn(1, q * r) / (q * r)) ** 2
            ),
            0.0,
            law.ppf(1 - 1e-13),
            limit=400,
        )[0]
        assert value == pytest.approx(
            np.log10(10.0**scale * mean + scattering.BACKGROUND), abs=1e-2
        )


def test_equal_spheres_vanish_at_the_first_zero(scattering: Any) -> None:
    z = np.array([[4.493409457909064 / scattering.Q[20], 0.0]])
    curve = scattering.curves_of_equal_spheres(z)[0]
    assert curve[20] == pytest.approx(np.log10(scattering.BACKGROUND), abs=1e-9)
    nearly = scattering.curves(np.array([[z[0, 0], 1e-6, 0.0]]))[0]
    np.testing.assert_allclose(nearly, curve, atol=1e-6)


def test_torch_gives_the_same(scattering: Any) -> None:
    torch = pytest.importorskip("torch")
    z = scattering.inputs_of(np.random.default_rng(0).uniform(-1, 1, (5, 8)))
    assert ((z > scattering.LOWER) & (z < scattering.UPPER)).all()
    same = scattering.curves(torch.from_numpy(z), torch).numpy()
    np.testing.assert_allclose(same, scattering.curves(z), rtol=1e-12)
