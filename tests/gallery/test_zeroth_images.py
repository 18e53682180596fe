"""The examples on images: certificates against SciPy and geometry, attacks against their norm ball, readers of files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import gallery
import numpy as np
import pytest
from scipy.stats import binom, binomtest

pytest.importorskip("torch")
pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def images() -> Any:
    return gallery.example("images").digits()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(6)


class TestCertificates:
    @pytest.mark.parametrize(
        ("hits", "trials"), [(0, 50), (1, 50), (37, 50), (50, 50), (990, 1000)]
    )
    @pytest.mark.parametrize("alpha", [0.001, 0.05])
    def test_the_bound_is_scipys(self, hits: int, trials: int, alpha: float) -> None:
        certify = gallery.example("certify")
        test = binomtest(hits, trials, alternative="greater")
        exact = test.proportion_ci(confidence_level=1 - alpha, method="exact").low
        assert certify.lower_bound(hits, trials, alpha) == pytest.approx(exact, abs=1e-12)

    @pytest.mark.parametrize("p", [0.3, 0.6, 0.9])
    def test_the_bound_is_wrong_no_oftener_than_it_says(self, p: float) -> None:
        certify = gallery.example("certify")
        bounds = np.array([certify.lower_bound(k, 40, 0.05) for k in range(41)])
        assert binom.pmf(np.arange(41), 40, p)[bounds > p].sum() <= 0.05

    def test_a_half_space_is_certified_to_its_border_and_not_beyond(
        self, rng: np.random.Generator
    ) -> None:
        """Theorem 1 is exact for a linear classifier: R is the distance to the border."""
        certify = gallery.example("certify")
        normal = rng.standard_normal(12)
        normal /= np.linalg.norm(normal)
        smoothing = certify.Smoothing(sigma=0.5, counting=20_000)
        for distance in (0.2, 0.6):
            answer, radius = certify.certificate(
                lambda x: (x @ normal > 0).astype(int), distance * normal, smoothing, rng
            )
            assert answer == 1
            assert 0.85 * distance < radius < distance

    def test_a_coin_decides_nothing(self, rng: np.random.Generator) -> None:
        certify = gallery.example("certify")
        found = certify.certificate(
            lambda x: (x[:, 0] > 0).astype(int), np.zeros(3), certify.Smoothing(1.0), rng
        )
        assert found == (certify.ABSTAINS, 0.0)

    def test_only_right_answers_count(self) -> None:
        certify = gallery.example("certify")
        found = [(1, 0.5), (2, 0.9), (certify.ABSTAINS, 0.0), (0, 0.2)]
        shares = certify.certified_accuracy(
            found, np.array([1, 0, 3, 0]), np.array([0.0, 0.3, 0.6])
        )
        np.testing.assert_allclose(shares, [0.5, 0.25, 0.0])


class TestAttack:
    @pytest.mark.parametrize("method", ["zo", "zo-sign", "zo-adam", "cma-es", "random"])
    def test_no_question_leaves_the_ball_or_the_range_of_pixels(
        self, method: str, rng: np.random.Generator
    ) -> None:
        if method == "cma-es":
            pytest.importorskip("cma")
        module, bound = gallery.example("adversarial_attack"), 0.1
        image = rng.random((1, 3, 3))
        image[0, 0] = 0.0, 1.0, 0.05
        asked: list[np.ndarray] = []
        matrix = rng.standard_normal((9, 3))

        def scores(points: np.ndarray) -> Any:
            asked.append(points.copy())
            return points @ matrix + np.array([5.0, 0.0, 0.0])

        target = module.Target(scores, image, 0)
        if method == "random":
            module.at_random(target, bound, 120, 0)
        else:
            module.by_values(target, method, bound, 120, 0)
        points = np.concatenate(asked)
        assert target.needed is None
        assert 20 <= len(points) == target.asked <= 120
        assert points.min() >= 0.0
        assert points.max() <= 1.0
        assert 0.02 < np.abs(points - image.ravel()).max() <= bound + 1e-12

    def test_a_linear_classifier_is_fooled_where_that_is_possible_and_only_there(
        self, rng: np.random.Generator
    ) -> None:
        module = gallery.example("adversarial_attack")
        matrix, image = rng.standard_normal((16, 2)), np.full((1, 4, 4), 0.5)
        reach = np.abs(
            matrix[:, 0] - matrix[:, 1]
        ).sum()  # The margin falls by bound times this.
        margin = 0.05 * reach
        shift = image.ravel() @ (matrix[:, 1] - matrix[:, 0]) + margin

        def scores(points: np.ndarray) -> Any:
            return points @ matrix + np.array([shift, 0.0])

        for bound, possible in ((0.06, True), (0.049, False)):
            target = module.Target(scores, image, 0)
            module.by_values(target, "zo-sign", bound, 400, 0)
            assert (target.needed is not None) == possible

    def test_the_first_success_counts(self) -> None:
        module = gallery.example("adversarial_attack")
        target = module.Target(lambda x: np.c_[x[:, 0], 0 * x[:, 0]], np.array([[[0.5]]]), 0)
        target.margins(np.array([[0.0], [0.1]]))
        target.margins(np.array([[0.0], [-0.6], [-0.7]]))
        assert (target.needed, target.asked) == (4, 5)
        assert module.success([3, None, 10, 11], 10) == 0.5

    def test_the_attack_from_inside_stays_inside(self, images: Any) -> None:
        module, classifier = (
            gallery.example("adversarial_attack"),
            gallery.example("classifier"),
        )
        model = classifier.network(images)
        few, labels = images.test[:8], images.test_labels[:8]
        moved = module.from_inside(model, few, labels, 0.1)
        assert np.abs(moved - few).max() <= 0.1 + 1e-6
        assert moved.min() >= 0.0
        assert moved.max() <= 1.0
        assert np.abs(moved - few).max() > 0.05


class TestSmallRuns:
    def test_classification(self, images: Any) -> None:
        module = gallery.example("image_classification")
        settings = module.Settings(queries=4000, seeds=1, moments=3)
        answer = module.solve(images.head(600, 200), settings=settings)
        accuracy = {run["method"]: run["accuracy"] for run in answer["runs"]}
        assert accuracy["zo"] > 0.5
        assert accuracy["sgd"] > 0.8
        assert accuracy["mezo"] > 0.2
        for run in answer["runs"]:
            assert run["values"] <= 4000
            assert (run["gradients"] > 0) == (run["method"] == "sgd")
            assert len(run["curve"]) >= 2
        assert "| zo |" in module.table(answer)

    def test_defence(self, images: Any) -> None:
        module = gallery.example("black_box_defence")
        settings = module.Settings(steps=3, batch=8, certified=20, counting=100)
        answer = module.solve(images.head(100, 40), settings=settings)
        assert set(answer["certified_accuracy"]) == set(module.WAYS)
        for curve in answer["certified_accuracy"].values():
            assert (np.diff(curve) <= 0).all()
        questions = {way: cost["questions"] for way, cost in answer["cost"].items()}
        assert questions["layer, cge"] == 3 * (1 + 2 * 64)
        assert questions["layer, rge"] == 3 * (1 + 2 * 8)
        assert 0 < questions["zo"] <= questions["layer, rge"]
        assert questions["backprop"] == questions["none"] == 0

    def test_the_layers_gradient_is_that_of_backpropagation(self, images: Any) -> None:
        import torch

        from optlab import zo

        module, classifier = gallery.example("black_box_defence"), gallery.example("classifier")
        model = classifier.network(images)
        x, label = (
            torch.from_numpy(images.train[:16]),
            torch.from_numpy(images.train_labels[:16]),
        )
        gradients = []
        for way in ("backprop", "layer, cge"):
            torch.manual_seed(1)
            denoiser = module.Denoiser(1)
            asking = zo.CGE(central=True, smoothing=3e-4)
            behind = module.classifier_for(way, model, images.shape, asking)
            loss: Any = torch.nn.functional.cross_entropy(behind(denoiser(x)), label)
            loss.backward()
            gradients.append(torch.cat([p.grad.flatten() for p in denoiser.parameters()]))
        exact, estimated = gradients
        assert exact.norm() > 1e-3
        # The classifier has kinks, and scores of single precision.
        assert (estimated - exact).norm() < 0.03 * exact.norm()

    def test_regression(self) -> None:
        module = gallery.example("simulator_regression")
        settings = module.Settings(sizes=(8,), steps=20, tests=50, seeds=1)
        answer = module.solve(settings)
        runs = {run["way"]: run for run in answer["runs"]}
        # A step: 6 samples, run themselves and at 2 displaced points for each of 3 inputs; 2 more are checked.
        assert runs[module.RIGHT]["runs"] == 20 * (6 * 7 + 2)
        assert runs[module.WRONG]["runs"] == 20 * (6 * 5 + 2)
        assert runs[module.DATA]["runs"] == 0
        assert all(np.isfinite(run["error"]) for run in answer["runs"])
        assert module.RIGHT in module.table(answer)


class TestSets:
    def test_no_digit_is_both_trained_with_and_tested(self, images: Any) -> None:
        assert images.train.shape == (1347, 1, 8, 8)
        assert images.test.shape == (450, 1, 8, 8)
        assert images.train.min() == 0.0
        assert images.train.max() == 1.0
        again = gallery.example("images").digits()
        np.testing.assert_array_equal(images.test, again.test)

    def test_idx_files(self, tmp_path: Path, rng: np.random.Generator) -> None:
        module = gallery.example("images")
        pixels, labels = rng.integers(0, 256, (5, 28, 28)), np.array([3, 1, 4, 1, 5])
        for part in ("train", "t10k"):
            for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
                head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
                path = tmp_path / f"{part}-{kind}-ubyte.gz"
                path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))
        read = module.load("fashion-mnist", tmp_path)
        np.testing.assert_allclose(255 * read.train[:, 0], pixels, atol=1e-4)
        np.testing.assert_array_equal(read.test_labels, labels)
        path.write_bytes(gzip.compress(head + b"\1\2"))
        with pytest.raises(ValueError, match="not an idx file"):
            module.load("fashion-mnist", tmp_path)

    def test_a_folder_of_pictures(self, tmp_path: Path) -> None:
        image = pytest.importorskip("PIL.Image")
        module = gallery.example("images")
        for part in ("train", "test"):
            for label, name in enumerate(("cat", "dog")):
                (tmp_path / part / name).mkdir(parents=True)
                for k in range(3):
                    pixels = np.full((4, 4, 3), (100 * label, k, 255), dtype=np.uint8)
                    image.fromarray(pixels).save(tmp_path / part / name / f"{k}.png")
        read = module.load("cifar10", tmp_path)
        assert read.shape == (3, 4, 4)
        assert read.train_labels.tolist() == [0, 1, 0, 1, 0, 1]
        np.testing.assert_allclose(255 * read.train[3, :, 2, 1], [100, 1, 255], rtol=1e-6)
        assert module.cifar10(tmp_path, each=2).test_labels.tolist() == [0, 1, 0, 1]

    def test_an_unknown_set(self) -> None:
        with pytest.raises(ValueError, match="with a folder"):
            gallery.example("images").load("cifar10")
