"""Packed networks in a folder.

``network.json`` holds the steps, the sizes of layers, the name of the file of arrays and its SHA-256. The arrays of layer
k are k.positive, k.negative (uint64 planes), k.gain and k.bias, or k.weight and k.bias where it is dense; those of step k
are step.k.OPTION. The file of arrays is named by its hash and written first, so that an interrupted save leaves the
network that was there.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from optlab.errors import MissingDependencyError, ParseError
from optlab.kernels.ternary import WORD, TernaryMatrix, pack_bits
from optlab_adapters.pruning.packed.layers import DenseMatrix, Layer, Window
from optlab_adapters.pruning.packed.network import LAYER, PackedNetwork, Step
from optlab_adapters.pruning.packed.operations import OPERATIONS, OPTIONS

__all__ = ["SCHEMA", "load", "save"]

SCHEMA = "optlab packed network 1"
INDEX = "network.json"

Arrays: TypeAlias = dict[str, NDArray[Any]]


def save(network: PackedNetwork, folder: str | Path) -> None:
    """Write the network; see :meth:`PackedNetwork.save`."""
    place = Path(folder)
    arrays: Arrays = {}
    layers = [
        _layer_record(k, layer, arrays) for k, layer in enumerate(network.layers.values())
    ]
    numbers = {path: k for k, path in enumerate(network.layers)}
    steps = [_step_record(k, step, numbers, arrays) for k, step in enumerate(network.steps)]
    data: bytes = _safetensors().save(
        {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    )
    digest = hashlib.sha256(data).hexdigest()
    index: dict[str, Any] = {
        "schema": SCHEMA,
        "arrays": f"arrays-{digest[:16]}.safetensors",
        "sha256": digest,
        "layers": layers,
        "steps": steps,
    }
    place.mkdir(parents=True, exist_ok=True)
    (place / index["arrays"]).write_bytes(data)
    partial = place / f"{INDEX}.partial"
    partial.write_text(json.dumps(index, indent=1), encoding="utf-8")
    partial.replace(place / INDEX)
    for old in place.glob("arrays-*.safetensors"):
        if old.name != index["arrays"]:
            old.unlink()


def load(folder: str | Path) -> PackedNetwork:
    """Read a network; see :meth:`PackedNetwork.load`."""
    index, arrays = _read(Path(folder))
    try:
        layers = [_layer(k, record, arrays) for k, record in enumerate(index["layers"])]
        steps = tuple(_step(k, r, layers, arrays) for k, r in enumerate(index["steps"]))
    except KeyError as error:
        raise ParseError(f"{error} is missing", Path(folder) / INDEX) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"is not a packed network: {error}", Path(folder) / INDEX) from error
    by_path = {layer.path: layer for layer in layers}
    if len(by_path) < len(layers):
        raise ParseError("has two layers of one path", Path(folder) / INDEX)
    return PackedNetwork(steps, by_path)


def _read(place: Path) -> tuple[dict[str, Any], Arrays]:
    try:
        index = json.loads((place / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParseError(f"cannot be read: {error}", place / INDEX) from error
    if not isinstance(index, dict) or index.get("schema") != SCHEMA:
        raise ParseError(f"has another layout; {SCHEMA!r} is needed", place / INDEX)
    name = index.get("arrays")
    if not isinstance(name, str) or Path(name).name != name:
        raise ParseError(
            f"names {name!r} as its arrays; a file beside it is needed", place / INDEX
        )
    try:
        data = (place / name).read_bytes()
    except OSError as error:
        raise ParseError(f"cannot be read: {error}", place / name) from error
    if hashlib.sha256(data).hexdigest() != index.get("sha256"):
        raise ParseError(f"is damaged: its SHA-256 is not that of {INDEX}", place / name)
    safetensors = _safetensors()
    try:
        return index, dict(safetensors.load(data))
    except Exception as error:
        raise ParseError(f"is not in the safetensors format: {error}", place / name) from error


def _layer_record(k: int, layer: Layer, arrays: Arrays) -> dict[str, Any]:
    kind = "ternary" if isinstance(layer.matrix, TernaryMatrix) else "dense"
    for name, value in vars(layer.matrix).items():
        if name in _MATRICES[kind]:
            arrays[f"{k}.{name}"] = value
    return {
        "path": layer.path,
        "kind": kind,
        "columns": layer.matrix.columns,
        "signed": layer.signed,
        "window": None if layer.window is None else asdict(layer.window),
        "groups": layer.groups,
        "pixelwise": layer.pixelwise,
    }


_MATRICES = {
    "ternary": {"positive": 2, "negative": 2, "gain": 1, "bias": 1},
    "dense": {"weight": 2, "bias": 1},
}
"""Arrays of every kind of matrix, and their dimensions."""


def _layer(k: int, record: dict[str, Any], arrays: Arrays) -> Layer:
    kinds = {"path": str, "columns": int, "signed": bool, "groups": int, "pixelwise": bool}
    path, columns, signed, groups, pixelwise = (
        _checked(record[n], kind, n) for n, kind in kinds.items()
    )
    given = {name: arrays[f"{k}.{name}"] for name in _MATRICES[record["kind"]]}
    for name, dimensions in _MATRICES[record["kind"]].items():
        wanted = np.uint64 if name in {"positive", "negative"} else np.float32
        array = given[name]
        if (
            array.dtype != wanted
            or array.ndim != dimensions
            or len(array) != len(given["bias"])
        ):
            raise ValueError(f"{name} of {path} has type {array.dtype} and shape {array.shape}")
        if wanted is np.float32 and not np.isfinite(array).all():
            raise ValueError(f"{name} of {path} is not finite")
    window = None if record["window"] is None else _window(record["window"])
    area = 1 if window is None else window.kernel[0] * window.kernel[1]
    if columns < 1 or columns % area or groups < 1 or len(given["bias"]) % groups:
        raise ValueError(f"{path} has {columns} columns and {groups} groups")
    if record["kind"] == "dense":
        if given["weight"].shape[1] != columns:
            raise ValueError(f"the weight of {path} has not {columns} columns")
        return Layer(path, DenseMatrix(**given), signed, window, groups)
    _check_planes(path, columns, given)
    if pixelwise and (not signed or window is None or columns % (WORD * area)):
        raise ValueError(f"{path} has not whole words of channels with signs")
    matrix = TernaryMatrix(**given, columns=columns)
    return Layer(path, matrix, signed, window, groups, pixelwise)


def _check_planes(path: str, columns: int, given: Arrays) -> None:
    words = -(-columns // WORD)
    if {given["positive"].shape[1], given["negative"].shape[1]} != {words}:
        raise ValueError(f"a plane of {path} has not {words} words for {columns} columns")
    inside = pack_bits(np.ones((1, columns), dtype=np.bool_))
    outside = (given["positive"] | given["negative"]) & ~inside
    if (given["positive"] & given["negative"]).any() or outside.any():
        raise ValueError(f"the planes of {path} overlap, or have bits beyond the last column")


def _step_record(k: int, step: Step, numbers: dict[str, int], arrays: Arrays) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in step.options.items():
        if isinstance(value, np.ndarray):
            arrays[f"step.{k}.{name}"] = value
        elif isinstance(value, Window):
            options[name] = asdict(value)
        else:
            options[name] = numbers[value] if step.operation == LAYER else value
    return {
        "operation": step.operation,
        "inputs": list(step.inputs),
        "path": step.path,
        "options": options,
    }


def _step(k: int, record: dict[str, Any], layers: list[Layer], arrays: Arrays) -> Step:
    operation, path = record["operation"], _checked(record["path"], str, "path")
    inputs = tuple(_checked(v, int, "inputs") for v in record["inputs"])
    arity = 2 if operation == "add" else 1
    if len(inputs) != arity or not all(0 <= v <= k for v in inputs):
        raise ValueError(f"step {k} has the inputs {inputs}")
    if operation == LAYER:
        number = _checked(record["options"]["layer"], int, "layer")
        if not 0 <= number < len(layers):
            raise ValueError(f"step {k} is layer {number} of {len(layers)}")
        return Step(operation, inputs, path, {"layer": layers[number].path})
    if operation not in OPERATIONS:
        raise ValueError(f"{operation!r} is no operation")
    options: dict[str, Any] = {}
    for name, kind in OPTIONS.get(operation, {}).items():
        if kind is np.ndarray:
            options[name] = _checked(arrays[f"step.{k}.{name}"], kind, name)
        elif kind is Window:
            options[name] = _window(record["options"][name])
        else:
            options[name] = _checked(record["options"][name], kind, name)
    return Step(operation, inputs, path, options)


def _window(record: dict[str, Any]) -> Window:
    given: dict[str, Any] = {name: tuple(values) for name, values in record.items()}
    lengths = {"kernel": 2, "stride": 2, "padding": 4, "dilation": 2}
    if {name: len(values) for name, values in given.items()} != lengths:
        raise ValueError(f"{given} is no window")
    for name, values in given.items():
        least = 0 if name == "padding" else 1
        if any(_checked(v, int, name) < least for v in values):
            raise ValueError(f"{given} is no window")
    return Window(**given)


def _checked(value: Any, kind: Any, name: str) -> Any:
    """Return the value if it is of the kind; lists hold whole numbers."""
    if type(value) is not kind or (kind is list and any(type(v) is not int for v in value)):
        raise TypeError(f"{name} is {value!r}; {kind.__name__} is needed")
    return value


def _safetensors() -> Any:
    try:
        return importlib.import_module("safetensors.numpy")
    except ImportError as error:
        raise MissingDependencyError("safetensors", "checkpoints", "a packed file") from error
