"""Who may import whom (DESIGN 4), read off the imports themselves."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PURE = ["certificates/pki", "terminals/drivers"]
SOURCES = sorted(
    path
    for package in ("pbxcerts", "certificates", "terminals")
    for path in (ROOT / package).rglob("*.py")
    if "migrations" not in path.parts
)


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def files_of(package: str) -> list[Path]:
    return [path for path in SOURCES if path.is_relative_to(ROOT / package)]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for package in PURE for path in files_of(package)], ids=named)
def test_the_pure_core_knows_no_framework_no_disk_and_no_clock(path):
    forbidden = ["django", "pbxcerts", "pathlib", "time", "socket", "certificates.models"]

    assert [name for name in imports_of(path) if any(within(name, package) for package in forbidden)] == []
    assert "datetime.now(" not in path.read_text()


@pytest.mark.parametrize("path", files_of("certificates"), ids=named)
def test_certificates_never_import_terminals_nor_the_composition(path):
    allowed = ["pbxcerts.system", "pbxcerts.env"]
    upwards = [
        name
        for name in imports_of(path)
        if within(name, "terminals") or (within(name, "pbxcerts") and not any(within(name, ok) for ok in allowed))
    ]

    assert upwards == []


@pytest.mark.parametrize("path", files_of("terminals"), ids=named)
def test_terminals_never_import_the_composition(path):
    allowed = ["pbxcerts.system", "pbxcerts.env"]
    upwards = [
        name for name in imports_of(path) if within(name, "pbxcerts") and not any(within(name, ok) for ok in allowed)
    ]

    assert upwards == []


@pytest.mark.parametrize("path", files_of("terminals/agent"), ids=named)
def test_the_agent_runs_where_nothing_else_of_the_product_is(path):
    ours = ["django", "pbxcerts", "certificates", "terminals"]
    shared = ["terminals.agent", *(f"terminals.sip.{name}" for name in ("digest", "hop", "message", "transaction"))]
    foreign = [
        name
        for name in imports_of(path)
        if any(within(name, package) for package in ours) and not any(within(name, ok) for ok in shared)
    ]

    assert foreign == []


def writes_a_state(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="update" | "create"), keywords=keywords):
            return any(keyword.arg == "state" for keyword in keywords)
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Attribute) and target.attr == "state" for target in targets)
    return False


def test_only_states_py_changes_a_state():
    writers = {
        named(path)
        for path in files_of("certificates")
        if any(writes_a_state(node) for node in ast.walk(ast.parse(path.read_text())))
    }

    assert writers == {"certificates/states.py"}


def is_ours(key: ast.expr) -> bool:
    """A variable of another program, PYTHONPATH say, is no deployment fact of this one."""
    return not isinstance(key, ast.Constant) or str(key.value).startswith("PBXCERTS_")


def reads_the_environment(node: ast.AST) -> bool:
    match node:
        case ast.Subscript(value=ast.Attribute(attr="environ"), slice=key, ctx=ast.Load()):
            return is_ours(key)
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"), args=[key, *_]):
            return is_ours(key)
        case ast.Call(func=ast.Attribute(attr="getenv"), args=[key, *_]):
            return is_ours(key)
    return False


def test_the_only_reader_of_the_environment_is_env_py():
    readers = {
        named(path)
        for path in SOURCES
        if any(reads_the_environment(node) for node in ast.walk(ast.parse(path.read_text())))
    }

    assert readers == {"pbxcerts/env.py"}


def test_no_file_is_a_drawer():
    assert [named(path) for path in SOURCES if path.stem in {"utils", "helpers", "common", "services", "misc"}] == []
