"""Packed networks in files: round trips, damage, other layouts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import MissingDependencyError, OptlabError, ParseError
from optlab_adapters.pruning.packed import PackedNetwork, TernaryWeight
from optlab_adapters.pruning.packed.layers import DenseMatrix, Layer, Window
from optlab_adapters.pruning.packed.network import LAYER, Step

safetensors: Any = pytest.importorskip("safetensors.numpy")


def network() -> PackedNetwork:
    """Return a convolution, a scale, a pooling and a dense head, built without torch."""
    rng = np.random.default_rng(0)
    shape = (4, 2, 3, 3)
    weight = TernaryWeight(rng.random(shape) < 0.4, rng.standard_normal(shape), rng.random(4))
    bias = rng.standard_normal(4).astype(np.float32)
    head = rng.standard_normal((3, 16)).astype(np.float32)
    layers = {
        "conv": Layer("conv", weight.matrix(bias), window=Window((3, 3), padding=(1, 1, 1, 1))),
        "head": Layer("head", DenseMatrix(head, bias[:3]), signed=True),
    }
    steps = (
        Step(LAYER, (0,), "conv", {"layer": "conv"}),
        Step("scale", (1,), "norm", {"factor": bias + 2.0, "shift": bias}),
        Step("add", (2, 1), "add"),
        Step("max_pool", (3,), "pool", {"window": Window((2, 2), (2, 2))}),
        Step("flatten", (4,), "flat", {"start": 1, "end": -1}),
        Step(LAYER, (5,), "head", {"layer": "head"}),
    )
    return PackedNetwork(steps, layers)


X = np.random.default_rng(1).standard_normal((2, 2, 4, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "ticket"
    network().save(folder)
    return folder


def copied(saved: Path, folder: Path) -> Path:
    shutil.copytree(saved, folder, dirs_exist_ok=True)
    return folder


def arrays_file(folder: Path) -> Path:
    (found,) = folder.glob("*.safetensors")
    return found


def test_round_trip(saved: Path) -> None:
    loaded = PackedNetwork.load(saved)
    expected = network()
    np.testing.assert_array_equal(loaded(X), expected(X))
    assert loaded.memory() == expected.memory()
    assert loaded(X).shape == (2, 3)


@given(data=st.data())
def test_damaged_bytes_are_noticed_or_harmless(
    data: st.DataObject, saved: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A changed byte of the arrays is always noticed; one of the index gives a clear error, or another network."""
    folder = copied(saved, tmp_path_factory.mktemp("damaged"))
    path = data.draw(st.sampled_from([folder / "network.json", arrays_file(folder)]))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    if path.suffix == ".safetensors":
        with pytest.raises(ParseError, match="is damaged"):
            PackedNetwork.load(folder)
        return
    with contextlib.suppress(OptlabError):
        PackedNetwork.load(folder)(X)


@pytest.mark.parametrize("name", ["network.json", "arrays"])
def test_missing_and_cut_files(name: str, saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    path = folder / name if name == "network.json" else arrays_file(folder)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ParseError, match=r"is damaged|cannot be read"):
        PackedNetwork.load(folder)
    path.unlink()
    with pytest.raises(ParseError, match=f"{path.name}.*cannot be read"):
        PackedNetwork.load(folder)


def _set(*place: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(index: dict[str, Any]) -> None:
        target: Any = index
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = to

    return change


INDEX_CHANGES = {
    "schema": (_set("schema", to="other"), "another layout"),
    "outside": (_set("arrays", to="../x.safetensors"), "a file beside it"),
    "operation": (_set("steps", 1, "operation", to="__class__"), "is no operation"),
    "later": (_set("steps", 1, "inputs", to=[4]), "has the inputs"),
    "arity": (_set("steps", 2, "inputs", to=[1]), "has the inputs"),
    "bool": (_set("steps", 1, "inputs", to=[True]), "inputs is True"),
    "layer": (_set("steps", 0, "options", "layer", to=7), "is layer 7 of 2"),
    "option": (_set("steps", 4, "options", to={"start": 1}), "'end' is missing"),
    "columns": (_set("layers", 0, "columns", to=99), "words for 99 columns"),
    "fewer": (_set("layers", 0, "columns", to=9), "beyond the last column"),
    "area": (_set("layers", 0, "columns", to=17), "17 columns and 1 groups"),
    "groups": (_set("layers", 0, "groups", to=3), "18 columns and 3 groups"),
    "dense": (_set("layers", 1, "columns", to=15), "has not 15 columns"),
    "kind": (_set("layers", 0, "kind", to="sparse"), "'sparse' is missing"),
    "window": (_set("layers", 0, "window", "stride", to=[0, 1]), "is no window"),
    "pads": (_set("layers", 0, "window", "padding", to=[1, 1]), "is no window"),
    "pixelwise": (_set("layers", 0, "pixelwise", to=True), "whole words of channels"),
    "path": (_set("layers", 1, "path", to="conv"), "two layers of one path"),
    "list": (_set("layers", to=3), "is not a packed network"),
}


@pytest.mark.parametrize("case", INDEX_CHANGES)
def test_an_index_that_does_not_fit(case: str, saved: Path, tmp_path: Path) -> None:
    change, words = INDEX_CHANGES[case]
    folder = copied(saved, tmp_path)
    index = json.loads((folder / "network.json").read_text())
    change(index)
    (folder / "network.json").write_text(json.dumps(index))
    with pytest.raises(ParseError, match=words):
        PackedNetwork.load(folder)


ARRAY_CHANGES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "overlap": ("0.negative", lambda a: ~np.zeros_like(a), "overlap"),
    "rows": ("0.gain", lambda a: a[:2], "gain of conv has"),
    "type": ("0.gain", lambda a: a.astype(np.float64), "gain of conv has type"),
    "nan": ("0.bias", lambda a: a * np.float32(np.nan), "bias of conv is not finite"),
}


@pytest.mark.parametrize("case", ARRAY_CHANGES)
def test_arrays_that_do_not_fit(case: str, saved: Path, tmp_path: Path) -> None:
    """With a right hash: written by another program."""
    name, change, words = ARRAY_CHANGES[case]
    folder = copied(saved, tmp_path)
    path = arrays_file(folder)
    arrays = safetensors.load(path.read_bytes())
    arrays[name] = change(arrays[name])
    _rewrite(folder, safetensors.save(arrays))
    with pytest.raises(ParseError, match=words):
        PackedNetwork.load(folder)


def test_arrays_in_another_format(saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    _rewrite(folder, b"no tensors")
    with pytest.raises(ParseError, match="not in the safetensors format"):
        PackedNetwork.load(folder)


def _rewrite(folder: Path, data: bytes) -> None:
    arrays_file(folder).write_bytes(data)
    index = json.loads((folder / "network.json").read_text())
    index["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "network.json").write_text(json.dumps(index))


def test_without_safetensors(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(MissingDependencyError, match="checkpoints"):
        PackedNetwork.load(saved)
