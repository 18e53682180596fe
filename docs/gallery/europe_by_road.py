"""Where seventeen cities lie, from road distances and the places of four others.

    min  sum over pairs of rho(w |p_i - p_j| / d_ij - 1)   subject to   1 <= w <= 2,
         rho(r) = delta^2 (sqrt(1 + (r / delta)^2) - 1)

The unknowns are the places p_i of the cities that are not known, in the plane of an equal-area map, and w, how
much longer roads are than straight lines. The loss rho is quadratic for small errors, linear for large ones.

Source: road distances in km between 21 cities (The Cambridge Encyclopaedia, known as R's data set eurodist).

What one learns: localization has many local solutions, so the best of several starts is kept. The loss finds
the entries that cannot be right: Copenhagen - Hook of Holland is given as 269 km, less than half the straight
line; Cologne - Geneva as 1662 km, three times the straight line; Athens - Rome does not count the ferry.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

import optlab

# fmt: off
CITIES = {  # degrees north, degrees east
    "Athens": (37.98, 23.73), "Barcelona": (41.39, 2.16), "Brussels": (50.85, 4.35),
    "Calais": (50.95, 1.86), "Cherbourg": (49.64, -1.62), "Cologne": (50.94, 6.96),
    "Copenhagen": (55.68, 12.57), "Geneva": (46.20, 6.15), "Gibraltar": (36.14, -5.35),
    "Hamburg": (53.55, 9.99), "Hook of Holland": (51.98, 4.13), "Lisbon": (38.72, -9.14),
    "Lyons": (45.76, 4.84), "Madrid": (40.42, -3.70), "Marseilles": (43.30, 5.37),
    "Milan": (45.46, 9.19), "Munich": (48.14, 11.58), "Paris": (48.86, 2.35),
    "Rome": (41.89, 12.48), "Stockholm": (59.33, 18.07), "Vienna": (48.21, 16.37),
}
ROADS = np.array([  # km, from each city to those after it
    3313, 2963, 3175, 3339, 2762, 3276, 2610, 4485, 2977, 3030, 4532, 2753, 3949, 2865, 2282, 2179,
    3000, 817, 3927, 1991, 1318, 1326, 1294, 1498, 2218, 803, 1172, 2018, 1490, 1305, 645, 636, 521,
    1014, 1365, 1033, 1460, 2868, 1802, 204, 583, 206, 966, 677, 2256, 597, 172, 2084, 690, 1558, 1011,
    925, 747, 285, 1511, 1616, 1175, 460, 409, 1136, 747, 2224, 714, 330, 2052, 739, 1550, 1059, 1077,
    977, 280, 1662, 1786, 1381, 785, 1545, 853, 2047, 1115, 731, 1827, 789, 1347, 1101, 1209, 1160,
    340, 1794, 2196, 1588, 760, 1662, 2436, 460, 269, 2290, 714, 1764, 1035, 911, 583, 465, 1497, 1403,
    937, 1418, 3196, 460, 269, 2971, 1458, 2498, 1778, 1537, 1104, 1176, 2050, 650, 1455, 1975, 1118,
    895, 1936, 158, 1439, 425, 328, 591, 513, 995, 2068, 1019, 2897, 2428, 676, 1817, 698, 1693, 2185,
    2565, 1971, 2631, 3886, 2974, 550, 2671, 1159, 2198, 1479, 1238, 805, 877, 1751, 949, 1155, 2280,
    863, 1730, 1183, 1098, 851, 457, 1683, 1500, 1205, 1178, 668, 1762, 2250, 2507, 1799, 2700, 3231,
    2937, 1281, 320, 328, 724, 471, 1048, 2108, 1157, 1157, 1724, 2010, 1273, 2097, 3188, 2409, 618,
    1109, 792, 1011, 2428, 1363, 331, 856, 586, 2187, 898, 821, 946, 1754, 428, 1476, 1827, 1249, 2707,
    1209, 2105], dtype=float)
# fmt: on
NAMES = list(CITIES)
FIRST, SECOND = np.triu_indices(len(NAMES), 1)
KNOWN = [NAMES.index(name) for name in ("Athens", "Calais", "Lisbon", "Stockholm")]
SOUGHT = [i for i in range(len(NAMES)) if i not in KNOWN]
DELTA = 0.1
STARTS = 12
LABELS_ELSEWHERE = {
    "Calais": (-34, 5), "Brussels": (5, -9), "Hook of Holland": (-45, 14), "Lyons": (-32, 2),
    "Geneva": (-8, -12), "Milan": (5, -9), "Rome": (5, -9), "Paris": (-24, -8),
}  # fmt: skip
"""Where a name would cover its neighbour's: its offset from the place, in points."""


def on_the_map(degrees: np.ndarray) -> np.ndarray:
    """Project latitudes and longitudes, (k, 2), to Lambert's equal-area map around Geneva, in km."""
    (north, east), (middle, origin) = np.radians(degrees).T, np.radians(CITIES["Geneva"])
    east = east - origin
    depth = np.sin(middle) * np.sin(north) + np.cos(middle) * np.cos(north) * np.cos(east)
    right = np.cos(north) * np.sin(east)
    up = np.cos(middle) * np.sin(north) - np.sin(middle) * np.cos(north) * np.cos(east)
    return 6371 * np.sqrt(2 / (1 + depth))[:, None] * np.column_stack([right, up])


TRUTH = on_the_map(np.array(list(CITIES.values())))


def places(x: np.ndarray) -> np.ndarray:
    """Return the places of all cities, (21, 2) in km; x holds those sought in 1000 km, and w."""
    every = TRUTH.copy()
    every[SOUGHT] = 1000 * x[:-1].reshape(-1, 2)
    return every


def errors(x: np.ndarray) -> np.ndarray:
    """Return w |p_i - p_j| / d_ij - 1 for all pairs."""
    every = places(x)
    return x[-1] * np.linalg.norm(every[FIRST] - every[SECOND], axis=1) / ROADS - 1


def misfit(x: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the sum of losses and its gradient."""
    every, error = places(x), errors(x)
    loss = np.sqrt(1 + (error / DELTA) ** 2)
    by_error = error / loss
    apart = every[FIRST] - every[SECOND]
    pull = apart * (by_error * x[-1] / ROADS / np.linalg.norm(apart, axis=1))[:, None]
    force = np.zeros_like(every)
    np.add.at(force, FIRST, pull)
    np.add.at(force, SECOND, -pull)
    by_factor = np.sum(by_error * (error + 1)) / x[-1]
    gradient = np.append(1000 * force[SOUGHT].ravel(), by_factor)
    return DELTA**2 * np.sum(loss - 1), gradient


def build(rng: np.random.Generator) -> dict[str, Any]:
    """Return what ``minimize`` needs beside the objective, for one random start."""
    start = np.append(rng.uniform(-1, 1, 2 * len(SOUGHT)), 1.3)
    return {"x0": start, "jac": True, "bounds": [(-5, 5)] * (start.size - 1) + [(1, 2)]}


def solve(starts: int = STARTS) -> optlab.Result:
    """Return the best of the answers from several start points."""
    rng = np.random.default_rng(21)
    answers = (optlab.minimize(misfit, **build(rng)) for _ in range(starts))
    return min((answer for answer in answers if answer.success), key=lambda answer: answer.fun)


def plot(result: optlab.Result, path: Path) -> None:
    """Draw where the cities are and where the roads put them."""
    found, east, north = places(result.x), *TRUTH.T
    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        axes = (figure := Figure(figsize=(6.6, 5.8))).subplots()
        axes.plot(*TRUTH[KNOWN].T, "s", color="#5f6b76", label="given")
        axes.plot(*found[SOUGHT].T, "o", color="#c8502b", label="computed from road distances")
        axes.plot(*TRUTH[SOUGHT].T, "o", mfc="none", color="#1f5a93", label="true place")
        axes.plot([found[:, 0], east], [found[:, 1], north], color="#c8502b", lw=1)
        for name, right, up in zip(NAMES, east, north, strict=True):
            aside = LABELS_ELSEWHERE.get(name, (5, 4))
            axes.annotate(name, (right, up), aside, textcoords="offset points", fontsize=8)
        axes.set(aspect="equal", xlabel="east of Geneva [km]", ylabel="north of Geneva [km]")
        axes.set_title(f"Roads are {result.x[-1]:.2f} times as long as straight lines")
        axes.legend(loc="upper left")
        axes.margins(0.09, 0.05)
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    result = solve()
    away = np.linalg.norm(places(result.x) - TRUTH, axis=1)[SOUGHT]
    print(f"median distance from the true place {np.median(away):.0f} km, {result.message}")
    plot(result, Path("europe_by_road.svg"))


if __name__ == "__main__":
    main()
