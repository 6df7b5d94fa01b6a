# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written down in two places says the same in both."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
ACTIONS = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py") if path.stem != "__init__")
PLUGINS = sorted(path.relative_to(ROOT) for kind in ("modules", "lookup", "filter", "callback", "inventory")
                 for path in (ROOT / "plugins" / kind).glob("*.py") if path.stem != "__init__")
NAMESPACE = "recyclic.rollback"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def options_of(role: str) -> dict[str, dict[str, Any]] | None:
    """The variables the role's argument specs name, of all its entry points; None where there are no specs."""
    specs = read(ROOT / "roles" / role / "meta" / "argument_specs.yml")
    if specs is None:
        return None
    return {name: option for entry in specs["argument_specs"].values() for name, option in (
        entry.get("options") or {}).items()}


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_defaults_and_argument_specs_name_the_same_variables(role: str) -> None:
    defaults = set(read(ROOT / "roles" / role / "defaults" / "main.yml") or {})
    options = options_of(role)
    assert options is not None, f"roles/{role}/meta/argument_specs.yml is missing"
    # A variable that must be given has no default.
    named = {name for name, option in options.items() if not option.get("required") or name in defaults}
    assert sorted(defaults - named) == [], f"these defaults of role {role} are in no argument spec"
    assert sorted(named - defaults) == [], f"these options of role {role} have no default and are not required"


@pytest.mark.parametrize("role", ROLES)
def test_a_default_in_a_roles_argument_specs_is_its_default(role: str) -> None:
    defaults = read(ROOT / "roles" / role / "defaults" / "main.yml") or {}
    told = {name: option["default"] for name, option in (options_of(role) or {}).items() if "default" in option}
    assert told == {name: defaults.get(name) for name in told}


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_own_variables_carry_its_name(role: str) -> None:
    names = [*(read(ROOT / "roles" / role / "defaults" / "main.yml") or {}), *(options_of(role) or {})]
    assert [name for name in names if not name.startswith(f"{role}_")] == []


def test_an_action_plugin_is_documented_by_the_module_of_its_name() -> None:
    assert sorted(set(ACTIONS) - set(MODULES)) == []


def test_every_module_is_in_the_action_group_and_nothing_else_is() -> None:
    assert read(ROOT / "meta" / "runtime.yml")["action_groups"]["rollback"] == MODULES


def literals(path: Path) -> dict[str, str]:
    """The documentation a plugin holds, without importing it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in ("DOCUMENTATION", "EXAMPLES", "RETURN")}


@pytest.mark.parametrize("path", PLUGINS, ids=str)
def test_a_plugin_documents_itself_in_yaml_under_its_own_name(path: Path) -> None:
    texts = literals(path)
    documentation = yaml.safe_load(texts["DOCUMENTATION"])
    assert documentation.get("module", documentation.get("name")) == path.stem
    assert yaml.safe_load(texts["EXAMPLES"]) and yaml.safe_load(texts["RETURN"])


def documented_options(path: Path) -> set[str]:
    """The options a module documents, those of its fragments and their aliases included."""
    documentation = yaml.safe_load(literals(path)["DOCUMENTATION"])
    sources = [documentation]
    for fragment in documentation.get("extends_documentation_fragment", []):
        name, _dot, section = fragment.removeprefix(f"{NAMESPACE}.").partition(".")
        module = importlib.import_module(f"ansible_collections.{NAMESPACE}.plugins.doc_fragments.{name}")
        sources.append(yaml.safe_load(getattr(module.ModuleDocFragment, section.upper() or "DOCUMENTATION")))
    options = {name: option for source in sources for name, option in (source.get("options") or {}).items()}
    return {*options, *(alias for option in options.values() for alias in option.get("aliases", []))}


@pytest.mark.parametrize("module", MODULES)
def test_a_modules_examples_use_it_by_its_full_name_with_options_it_has(module: str) -> None:
    path = Path("plugins/modules") / f"{module}.py"
    used = [task[f"{NAMESPACE}.{module}"] for task in yaml.safe_load(literals(path)["EXAMPLES"])
            if f"{NAMESPACE}.{module}" in task]
    assert used, "an example of the module itself"
    assert sorted({name for options in used for name in options} - documented_options(path)) == []
