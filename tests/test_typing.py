"""Types: hints resolve at run time, stubs have the parameters of what they stand for, literals name what there is."""

import ast
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import fastinit as fi
from fastinit import activations, schemes
from fastinit.schemes import table
from fastinit.typing import ActivationName, SchemeName

PACKAGE = Path(fi.__file__).parent
#: Where users import from.
DOORS = [f"fastinit.{door}" for door in ("torch", "jax", "keras", "dask")]
ROOMS = ["fastinit", "fastinit.theory", "fastinit.laws", "fastinit.typing", *DOORS]


def public(room):
    """By name, what a module shows that can be called."""
    if room in DOORS:
        pytest.importorskip(room.removeprefix("fastinit."))
    module = __import__(room, fromlist=["_"])
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    found = {name: getattr(module, name) for name in names}
    return {name: one for name, one in found.items() if callable(one) and is_ours(one)}


def is_ours(thing):
    return getattr(thing, "__module__", "").partition(".")[0] == "fastinit"


def callables(thing):
    """A function; of a class, itself and its own methods and properties, those of its bases among them."""
    if not inspect.isclass(thing):
        return [thing]
    names = [(name, one) for base in thing.__mro__ if is_ours(base) for name, one in vars(base).items()]
    inside = [one for name, one in names if not name.startswith("_") or name.endswith("__")]
    inside = [one.fget if isinstance(one, property) else getattr(one, "__func__", one) for one in inside]
    return [thing, *(one for one in inside if inspect.isfunction(one) and is_ours(one))]


def classes_in(hint):
    """The classes of ours that an annotation is made of."""
    if inspect.isclass(hint) and not typing.get_args(hint):
        return {hint} if is_ours(hint) else set()
    parts = (typing.get_origin(hint), *typing.get_args(hint)) if typing.get_args(hint) else ()
    return set().union(*(classes_in(part) for part in parts if not isinstance(part, str)))


@pytest.mark.parametrize("room", ROOMS)
def test_hints_of_every_public_callable_resolve(room):
    for name, thing in public(room).items():
        assert typing.get_type_hints(thing) or inspect.isclass(thing), name
        for one in callables(thing):
            typing.get_type_hints(one)


def test_hints_resolve_without_pandas():
    """Nor do they import it."""
    code = (
        "import sys; sys.modules['pandas'] = None; import typing, fastinit;"
        "print(typing.get_type_hints(fastinit.Comparison.to_frame)['return'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
    assert done.stdout.split() == ["typing.Any"]


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_returned_can_be_imported_for_annotations(room):
    functions = [one for thing in public(room).values() for one in callables(thing) if not inspect.isclass(one)]
    shown = {id(one) for place in ROOMS if place in sys.modules for one in vars(sys.modules[place]).values()}
    shown |= {id(getattr(fi, name)) for name in fi.__all__}
    returned = {one.__qualname__: classes_in(typing.get_type_hints(one).get("return")) for one in functions}
    hidden = {name: kinds for name, kinds in returned.items() if not shown.issuperset(map(id, kinds))}
    assert not hidden


@pytest.mark.parametrize("room", ["fastinit", "fastinit.theory", "fastinit.laws"])
def test_the_example_has_all_that_is_public(room):
    """The file that `make lint` has the type checker read."""
    tree = ast.parse((Path(__file__).parent / "public_surface.py").read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(__import__(room, fromlist=["_"]).__all__) <= used | names


@pytest.mark.parametrize("door", ["jax", "keras", "dask"])
def test_the_examples_of_doors_have_all_that_is_public(door):
    names = set(public(f"fastinit.{door}"))
    tree = ast.parse((Path(__file__).parent / f"public_surface_{door}.py").read_text())
    assert names <= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_the_stub_of_dask_has_the_parameters_of_its_functions():
    """Names, kinds, annotations and defaults, in order."""
    door = pytest.importorskip("fastinit.dask", exc_type=ImportError)
    body = ast.parse((PACKAGE / "dask.pyi").read_text()).body
    told = {node.name: ast.unparse(node.args) for node in body if isinstance(node, ast.FunctionDef)}
    assert list(told) == door.__all__
    for name, arguments in told.items():
        assert arguments == arguments_of(inspect.signature(getattr(door, name)))


def arguments_of(signature):
    """As source."""
    words, keywords = [], False
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not keywords:
            words, keywords = [*words, "*"], True
        default = "" if one.default is one.empty else f"={one.default!r}"
        words.append(f"{one.name}: {one.annotation}{default}")
    return ast.unparse(ast.parse(f"def made({', '.join(words)}): ...").body[0].args)


@pytest.mark.parametrize("stub", ["distributions", "fan_scaling", "structured"])
def test_stubs_have_the_parameters_of_their_functions(stub):
    """Each overload: the names in order, and the defaults, but for what tells overloads apart."""
    module = __import__(f"fastinit.schemes.{stub}", fromlist=["_"])
    body = ast.parse((PACKAGE / "schemes" / f"{stub}.pyi").read_text()).body
    nodes = [node for node in body if isinstance(node, ast.FunctionDef)]
    found = {}
    for node in nodes:
        found.setdefault(node.name, []).append(node.args)
    functions = {name for name, one in vars(module).items() if getattr(one, "__module__", "") == module.__name__}
    assert set(found) == {name for name in functions if getattr(module, name).__name__ == name and name[0] != "_"}
    for name, overloads in found.items():
        parameters = inspect.signature(getattr(module, name)).parameters
        assert len(overloads) == 7
        for one in overloads:
            assert [arg.arg for arg in (*one.args, *one.kwonlyargs)] == list(parameters)
            defaults = dict(zip([arg.arg for arg in one.kwonlyargs], one.kw_defaults, strict=True))
            for key, default in defaults.items():
                if default is None:
                    assert key in ("dtype", "index", "out")
                else:
                    assert ast.literal_eval(default) == parameters[key].default


def test_literals_name_what_there_is():
    assert set(typing.get_args(SchemeName)) == {scheme.name for scheme in table._ROWS}
    assert set(typing.get_args(ActivationName)) == set(activations.ACTIVATIONS)
    assert set(typing.get_args(fi.typing.Mode)) == set(schemes.FANS)
    assert typing.get_args(fi.typing.Distribution) == schemes.DISTRIBUTIONS


def test_what_the_package_shows():
    assert dir(fi) == sorted([*fi.__all__, "__version__"])
