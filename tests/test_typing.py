"""Types: hints resolve at run time, stubs have the parameters of what they stand for, literals name what there is."""

import ast
import inspect
import typing
from pathlib import Path

import pytest

import fastinit as fi
from fastinit import activations, schemes
from fastinit.typing import ActivationName, SchemeName

PACKAGE = Path(fi.__file__).parent
PUBLIC = [name for name in fi.__all__ if callable(getattr(fi, name))]


@pytest.mark.parametrize("name", PUBLIC)
def test_hints_of_every_public_callable_resolve(name):
    thing = getattr(fi, name)
    assert typing.get_type_hints(thing) or inspect.isclass(thing)
    if inspect.isclass(thing):
        for method in vars(thing).values():
            if inspect.isfunction(method):
                typing.get_type_hints(method)


@pytest.mark.parametrize("stub", ["distributions", "fan_scaling", "structured"])
def test_stubs_have_the_parameters_of_their_functions(stub):
    """Each overload: the names in order, and the defaults, but for what tells overloads apart."""
    module = __import__(f"fastinit.{stub}", fromlist=["_"])
    nodes = [
        node for node in ast.parse((PACKAGE / f"{stub}.pyi").read_text()).body if isinstance(node, ast.FunctionDef)
    ]
    found = {}
    for node in nodes:
        found.setdefault(node.name, []).append(node.args)
    functions = {name for name, one in vars(module).items() if getattr(one, "__module__", "") == module.__name__}
    assert set(found) == {name for name in functions if getattr(module, name).__name__ == name}
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
    assert set(typing.get_args(SchemeName)) == {scheme.name for scheme in schemes._ROWS}
    assert set(typing.get_args(ActivationName)) == set(activations.ACTIVATIONS)
    assert set(typing.get_args(fi.typing.Mode)) == set(schemes.FANS)
    assert typing.get_args(fi.typing.Distribution) == schemes.DISTRIBUTIONS


def test_what_the_package_shows():
    assert dir(fi) == sorted([*fi.__all__, "__version__"])
