"""Check array shapes and dtypes written in annotations while the suite runs.

jaxtyping's own import hook wraps every function, which costs tens of microseconds per call, and
fails on names that are imported for type checkers only. This one wraps just the functions whose
annotations hold a jaxtyping shape such as ``Float64[Vector, " n"]``, and checks just those; a
function with a shape that cannot be resolved at run time is left alone. ``optlab.kernels`` is left out: numba
compiles those functions and cannot see through a wrapper. OPTLAB_SHAPES=0 switches it off.
"""

from __future__ import annotations

import ast
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import typing
from collections.abc import Callable, Sequence
from types import CodeType, ModuleType
from typing import Any

import jaxtyping
from beartype import beartype

PACKAGES = ("optlab", "optlab_problems", "optlab_adapters")
LEFT_OUT = ("optlab.kernels",)
DTYPES = frozenset({"Float64", "Float", "Int", "Int32", "Int64", "Integer", "Bool", "Shaped"})


def install() -> None:
    """Put the hook before the ordinary importers; call before the first import of optlab."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` with its annotated shapes checked from the first call on."""
    target: Callable[..., Any] | None = None

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal target
        if target is None:
            # Not earlier: annotations may name what is defined further down the module.
            target = _checker(function)
        return target(*args, **kwargs)

    return wrapper


def _checker(function: Callable[..., Any]) -> Callable[..., Any]:
    # Only the shapes: other annotations are the type checkers' business, and may not even resolve.
    function.__annotations__ = {
        name: annotation
        for name, annotation in function.__annotations__.items()
        if isinstance(annotation, str) and _has_shape(ast.parse(annotation, mode="eval").body)
    }
    try:
        function.__annotations__ = typing.get_type_hints(function, include_extras=True)
    except NameError:
        return function
    return jaxtyping.jaxtyped(beartype(function), typechecker=None)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in PACKAGES or fullname.startswith(LEFT_OUT):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        # Past the bytecode cache, which holds the modules without their checks.
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def source_to_code(  # type: ignore[override] # typeshed lists more input types
        self, data: bytes, path: str, *, _optimize: int = -1
    ) -> CodeType:
        tree = _Marker().visit(ast.parse(data, path))
        whole = ast.fix_missing_locations(tree)
        return compile(whole, path, "exec", dont_inherit=True, optimize=_optimize)


class _Marker(ast.NodeTransformer):
    """Put ``checked`` innermost on every function with a jaxtyping annotation."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        annotations = [node.returns, *(argument.annotation for argument in every)]
        if any(item is not None and _has_shape(item) for item in annotations):
            decorator = ast.parse(f"__import__({__name__!r}).checked", mode="eval").body
            node.decorator_list.append(ast.copy_location(decorator, node))
        return node


def _has_shape(annotation: ast.expr) -> bool:
    return any(
        isinstance(part, ast.Subscript)
        and isinstance(part.value, ast.Name)
        and part.value.id in DTYPES
        for part in ast.walk(annotation)
    )
