"""LDL' with threshold pivoting by SSIDS of SPRAL, through ctypes and the cmeel-spral wheel.

That wheel names libopenblas and libmetis without saying where they are, and does not depend on
wheels that hold them (cmeel-openblas, cmeel-metis): they are loaded first, from the system or
from beside it. Some builds of those wheels need a processor with AVX-512 and kill the process on
another one, so :func:`is_usable` tries a factorization in a process of its own.

The rescue for matrices that the backends without pivoting refuse. SSIDS runs on OpenMP tasks
and insists on OMP_CANCELLATION=true in the environment at the moment that the OpenMP runtime is
loaded, which CHOLMOD may do first: :func:`cancellation` is wrapped around both imports. Where
another package was earlier still, the backend counts as absent.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import weakref
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.linalg.factorization import AbstractFactor, AbstractSymbolic, Inertia, LowerPattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from optlab.linalg.arrays import FloatArray, Index32Array

_POINTER = ctypes.c_void_p
# Room for the header's fields reserved for the future; a little more than it says does no harm.
_UNUSED = 128
# What libspral needs and does not find by itself, in the order of their own dependencies.
_NEEDED = ("libGKlib.so", "libmetis.so", "libopenblas.so.0")


class _Options(ctypes.Structure):
    """spral_ssids_options of spral_ssids.h."""

    _fields_ = (
        ("array_base", ctypes.c_int),
        ("print_level", ctypes.c_int),
        ("unit_diagnostics", ctypes.c_int),
        ("unit_error", ctypes.c_int),
        ("unit_warning", ctypes.c_int),
        ("ordering", ctypes.c_int),
        ("nemin", ctypes.c_int),
        ("ignore_numa", ctypes.c_bool),
        ("use_gpu", ctypes.c_bool),
        ("min_gpu_work", ctypes.c_int64),
        ("max_load_inbalance", ctypes.c_float),
        ("gpu_perf_coeff", ctypes.c_float),
        ("scaling", ctypes.c_int),
        ("small_subtree_threshold", ctypes.c_int64),
        ("cpu_block_size", ctypes.c_int),
        ("action", ctypes.c_bool),
        ("pivot_method", ctypes.c_int),
        ("small", ctypes.c_double),
        ("u", ctypes.c_double),
        ("unused", ctypes.c_char * _UNUSED),
    )


class _Inform(ctypes.Structure):
    """spral_ssids_inform of spral_ssids.h."""

    _fields_ = (
        ("flag", ctypes.c_int),
        ("matrix_dup", ctypes.c_int),
        ("matrix_missing_diag", ctypes.c_int),
        ("matrix_outrange", ctypes.c_int),
        ("matrix_rank", ctypes.c_int),
        ("maxdepth", ctypes.c_int),
        ("maxfront", ctypes.c_int),
        ("num_delay", ctypes.c_int),
        ("num_factor", ctypes.c_int64),
        ("num_flops", ctypes.c_int64),
        ("num_neg", ctypes.c_int),
        ("num_sup", ctypes.c_int),
        ("num_two", ctypes.c_int),
        ("stat", ctypes.c_int),
        ("cuda_error", ctypes.c_int),
        ("cublas_error", ctypes.c_int),
        ("maxsupernode", ctypes.c_int),
        ("unused", ctypes.c_char * _UNUSED),
    )


def _library_path() -> Path | None:
    """Find libspral in the prefix that cmeel's wheels unpack into, beside the cmeel package."""
    spec = find_spec("cmeel")
    if spec is None or not spec.submodule_search_locations:
        return None
    prefix = Path(next(iter(spec.submodule_search_locations))).parent / "cmeel.prefix"
    names = ("libspral.so", "libspral.dylib", "spral.dll")
    return next((p for name in names if (p := prefix / "lib" / name).exists()), None)


@cache
def _library() -> ctypes.CDLL:
    """Load libspral with OpenMP's cancellation switched on."""
    path = _library_path()
    if path is None:
        raise ImportError("the wheel cmeel-spral is not installed")
    with cancellation():
        for name in _NEEDED:
            _preload(path.parent, name)
        return ctypes.CDLL(str(path))


@contextmanager
def cancellation() -> Iterator[None]:
    """Set OMP_CANCELLATION while libraries load that may bring the OpenMP runtime with them."""
    before = os.environ.get("OMP_CANCELLATION")
    os.environ["OMP_CANCELLATION"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_CANCELLATION"]
        else:
            os.environ["OMP_CANCELLATION"] = before


def _preload(folder: Path, name: str) -> None:
    """Load a library from the system or the folder, if it is there at all."""
    for candidate in (Path(name), folder / name):
        try:
            ctypes.CDLL(str(candidate), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return


def is_usable() -> bool:
    """Say whether SSIDS loads and factors a matrix; costs one start of Python where installed."""
    if _library_path() is None:
        return False
    command = [sys.executable, "-c", f"import {__name__} as ssids; ssids.self_test()"]
    folder = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": folder}
    probe = subprocess.run(command, check=False, capture_output=True, env=environment)
    return probe.returncode == 0 and bool(_library().omp_get_cancellation())


def self_test() -> None:
    """Factor a saddle point of order two; raises or dies where the library does not work."""
    pattern = LowerPattern(
        2, np.array([0, 2, 3], dtype=np.int32), np.array([0, 1, 1], dtype=np.int32)
    )
    factor = Symbolic(pattern).factorize(np.array([0.0, 1.0, 0.0]))
    if factor.inertia != Inertia(1, 1, 0):
        raise ImportError("SSIDS loads but does not factor; see OMP_CANCELLATION")


def _options() -> _Options:
    options = _Options()
    _library().spral_ssids_default_options(ctypes.byref(options))
    options.array_base = 0
    options.print_level = -1
    options.use_gpu = False
    # Zero pivots are recorded in the rank, not treated as an error.
    options.action = True
    return options


def _address(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return _POINTER(array.ctypes.data)


class SsidsFactor(AbstractFactor):
    """A numerical factorization; frees SPRAL's memory when it is collected."""

    def __init__(self, symbolic: Symbolic, values: FloatArray) -> None:
        library = _library()
        self._symbolic = symbolic
        self.n = symbolic.pattern.n
        self.ok = False
        self.inertia = Inertia(0, 0, self.n)
        self._inform = _Inform()
        self._handle = _POINTER()
        if self.n == 0:
            self.ok = True
            return
        if not symbolic.ok or not np.isfinite(values).all():
            return
        data = np.ascontiguousarray(values)
        library.spral_ssids_factor(
            ctypes.c_bool(False),
            _POINTER(),
            _POINTER(),
            _address(data),
            _POINTER(),
            symbolic.handle,
            ctypes.byref(self._handle),
            ctypes.byref(symbolic.options),
            ctypes.byref(self._inform),
        )
        weakref.finalize(self, _free_factor, self._handle)
        if self._inform.flag < 0:
            return
        rank, negative = self._inform.matrix_rank, self._inform.num_neg
        self.inertia = Inertia(rank - negative, negative, self.n - rank)
        self.ok = rank == self.n

    def solve(self, b: FloatArray) -> FloatArray:
        """Return K^{-1} b, b of shape (n,) or (n, k)."""
        x = np.array(b, dtype=np.float64, order="F")
        if x.size == 0:
            return x
        _library().spral_ssids_solve(
            0,
            1 if x.ndim == 1 else x.shape[1],
            _address(x),
            self.n,
            self._symbolic.handle,
            self._handle,
            ctypes.byref(self._symbolic.options),
            ctypes.byref(self._inform),
        )
        return x

    def refactor(self, values: FloatArray) -> SsidsFactor:
        """Factor other values of the same pattern."""
        return SsidsFactor(self._symbolic, values)

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend's name, the fill, delayed and 2x2 pivots."""
        return {
            "backend": "ssids",
            "factor_nnz": float(self._inform.num_factor),
            "delayed_pivots": float(self._inform.num_delay),
            "two_by_two_pivots": float(self._inform.num_two),
        }


class Symbolic(AbstractSymbolic):
    """SSIDS's analysis of a lower-triangular pattern.

    Parameters
    ----------
    pattern : LowerPattern
    order : (n,) int or None
        An elimination order; it is used if it promises fewer operations than METIS's.
    """

    backend = "ssids"

    def __init__(self, pattern: LowerPattern, order: Index32Array | None = None) -> None:
        self.pattern = pattern
        self.options = _options()
        self.handle = _POINTER()
        self.ok = pattern.n > 0
        if not self.ok:
            return
        orders = (None,) if order is None else (None, order)
        analyses = [_Analysis(pattern, self.options, order) for order in orders]
        self._analysis = best = min(analyses, key=lambda a: (not a.ok, a.operations))
        self.ok, self.handle, self.options = best.ok, best.handle, best.options

    def factorize(self, values: FloatArray) -> SsidsFactor:
        """Factor the matrix with these values."""
        return SsidsFactor(self, values)


class _Analysis:
    """One analysis: for METIS's order, or for a given one."""

    def __init__(
        self, pattern: LowerPattern, options: _Options, order: Index32Array | None
    ) -> None:
        self.options = _Options.from_buffer_copy(options)
        places = None
        if order is not None:
            self.options.ordering = 0
            places = np.empty(pattern.n, dtype=np.int32)
            places[order] = np.arange(pattern.n, dtype=np.int32)
        self.handle = _POINTER()
        inform = _Inform()
        pointers = pattern.indptr.astype(np.int64)
        rows = pattern.indices.astype(np.int32)
        _library().spral_ssids_analyse(
            ctypes.c_bool(True),
            pattern.n,
            _POINTER() if places is None else _address(places),
            _address(pointers),
            _address(rows),
            _POINTER(),
            ctypes.byref(self.handle),
            ctypes.byref(self.options),
            ctypes.byref(inform),
        )
        self.ok, self.operations = inform.flag >= 0, int(inform.num_flops)
        weakref.finalize(self, _free_analysis, self.handle)


def _free_factor(handle: ctypes.c_void_p) -> None:
    _library().spral_ssids_free_fkeep(ctypes.byref(handle))


def _free_analysis(handle: ctypes.c_void_p) -> None:
    _library().spral_ssids_free_akeep(ctypes.byref(handle))
