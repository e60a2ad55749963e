"""The modules of gantut/: their list in its docstring, who imports whom, and that docs/architecture.md names them."""
import ast
import os
import re

import pytest
from helpers import ALIASES, ROOT

import gantut

pytestmark = pytest.mark.quick

MODULES = re.findall(r"^  (\w+) +\S", gantut.__doc__, re.MULTILINE)
FILES = sorted(name[:-3] for name in os.listdir(os.path.join(ROOT, "gantut")) if name.endswith(".py"))


def imported(path):
    """What a file imports, wherever it does so: {"gantut.errors", "numpy", ...}."""
    with open(path, encoding="utf-8") as file:
        nodes = list(ast.walk(ast.parse(file.read())))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in (node for node in nodes if isinstance(node, ast.ImportFrom)):
        found |= {"gantut." + alias.name for alias in node.names} if node.module == "gantut" else {node.module}
    return found


def module_file(name):
    return os.path.join(ROOT, "gantut", name + ".py")


def test_the_list_is_complete():
    assert sorted([*MODULES, *ALIASES, "__init__", "__main__"]) == FILES
    assert len(MODULES) <= 30


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_upwards(name):
    ours = {one.split(".")[1] for one in imported(module_file(name)) if one.startswith("gantut.")} - {"__version__"}
    assert ours <= set(MODULES[:MODULES.index(name)])
    with open(module_file(name), encoding="utf-8") as file:
        assert len(file.readlines()) <= 400


def test_nothing_imports_the_scripts():
    """Neither a module of the package, nor a script another one."""
    scripts = {name[:-3] for name in os.listdir(ROOT) if re.fullmatch(r"gantut_\w+\.py", name)}
    for name in FILES:
        assert not imported(module_file(name)) & scripts, name
    of_the_text = {"gantut_imgfuncs", "gantut_datafuncs", "gantut_gan"}
    for name in scripts:
        assert imported(os.path.join(ROOT, name + ".py")) & scripts <= of_the_text, name


def test_each_alias_is_one_line():
    for name in ALIASES:
        with open(module_file(name), encoding="utf-8") as file:
            assert len(file.readlines()) == 1


def test_the_page_names_every_module():
    with open(os.path.join(ROOT, "docs", "architecture.md"), encoding="utf-8") as file:
        words = set(re.findall(r"\w+", file.read()))
    assert set(MODULES) <= words
