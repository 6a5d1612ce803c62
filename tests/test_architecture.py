"""Who may import whom, and what the code keeps to everywhere, read off the code itself."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.sources import without_migrations

ROOT = Path(__file__).resolve().parent.parent
# The version, which all that is sent names.
EVERYWHERE = ["pbxcerts.__version__"]
PURE = ["certificates/pki", "terminals/drivers", "pbxcerts/system/network/endpoint.py"]

# What a folder may import of the product beside itself, from the ground up (rule layers). `pbxcerts` composes and may all.
LAYERS = {
    "certificates/pki": [],
    "pbxcerts/system": ["certificates.pki", "pbxcerts.__version__"],
    # The rooms of the ground, which stand on its files.
    "pbxcerts/system/network": [],
    "pbxcerts/system/database": [],
    "pbxcerts/system/pages": ["pbxcerts.system.database", "pbxcerts.system.models"],
    "pbxcerts/system/time": ["pbxcerts.system.models", "pbxcerts.system.network"],
    "pbxcerts/system/users": [
        "pbxcerts.system.models",
        "pbxcerts.system.network",
        "pbxcerts.system.pages",
        "pbxcerts.system.time",
    ],
    "pbxcerts/system/machines": [
        "pbxcerts.system.events",
        "pbxcerts.system.files",
        "pbxcerts.system.models",
        "pbxcerts.system.network",
        "pbxcerts.system.run_files",
        "pbxcerts.system.sealing",
        "pbxcerts.system.time",
    ],
    "pbxcerts/system/forms": [
        "certificates.pki",
        "pbxcerts.system.age_keys",
        "pbxcerts.system.database",
        "pbxcerts.system.models",
        "pbxcerts.system.network",
        "pbxcerts.system.pages",
        "pbxcerts.system.run_files",
        "pbxcerts.system.time",
        "pbxcerts.system.users",
    ],
    "pbxcerts/system/notifications": [
        "pbxcerts.system.commands",
        "pbxcerts.system.database",
        "pbxcerts.system.events",
        "pbxcerts.system.forms",
        "pbxcerts.system.machines.other_machines",
        "pbxcerts.system.models",
        "pbxcerts.system.network",
        "pbxcerts.system.own_process",
        "pbxcerts.system.pages",
        "pbxcerts.system.sealing",
        "pbxcerts.system.time",
        "pbxcerts.system.users",
    ],
    "certificates": ["pbxcerts.system"],
    "certificates/communication_server": [
        "certificates.pki",
        "pbxcerts.system.network.addresses",
        "pbxcerts.system.network.endpoint",
    ],
    "certificates/call_proof": ["certificates.models", "pbxcerts.system"],
    "certificates/renewal": [
        "certificates.call_proof",
        "certificates.communication_server",
        "certificates.models",
        "certificates.pki",
        "pbxcerts.system",
    ],
    "certificates/status": [
        "certificates.call_proof",
        "certificates.communication_server",
        "certificates.downloads",
        "certificates.models",
        "certificates.pki",
        "certificates.renewal",
        "pbxcerts.system",
    ],
    "terminals": ["certificates", "pbxcerts.system"],
    "terminals/drivers": [],
    "terminals/sip": ["pbxcerts.system.network.addresses", "pbxcerts.system.network.endpoint", "terminals.drivers"],
    "terminals/call_proof": ["certificates", "pbxcerts.system", "terminals.evidence", "terminals.sip"],
    # It runs where nothing else of the product is (rule agent-alone).
    "terminals/agent": [
        "pbxcerts.system.network.endpoint",
        "pbxcerts.system.own_process",
        "terminals.sip.digest",
        "terminals.sip.errors",
        "terminals.sip.hop",
        "terminals.sip.message",
        "terminals.sip.transaction",
    ],
    "terminals/evidence": [
        "certificates.models",
        "pbxcerts.system",
        "terminals.batches",
        "terminals.checking.models",
        "terminals.drivers",
        "terminals.mac_words",
        "terminals.models",
        "terminals.states",
    ],
    "terminals/checking": [
        "certificates",
        "pbxcerts.system",
        "terminals.batches",
        "terminals.drivers",
        "terminals.evidence",
        "terminals.models",
        "terminals.rollout",
        "terminals.states",
    ],
    "terminals/rollout": [
        "certificates",
        "pbxcerts.system",
        "terminals.answer_target",
        "terminals.batches",
        "terminals.checking.models",
        "terminals.drivers",
        "terminals.evidence",
        "terminals.models",
        "terminals.sip",
        "terminals.states",
        "terminals.tally",
        "terminals.trust_file",
    ],
    "terminals/tally": [
        "certificates.models",
        "pbxcerts.system.database.prepared",
        "terminals.batches",
        "terminals.states",
    ],
    "terminals/past": [
        "certificates.models",
        "certificates.renewal",
        "terminals.batches",
        "terminals.models",
        "terminals.tally",
    ],
    "terminals/directory": [
        "certificates.models",
        "certificates.renewal",
        "pbxcerts.system",
        "terminals.answer_target",
        "terminals.batches",
        "terminals.by_hand.models",
        "terminals.checking",
        "terminals.drivers",
        "terminals.evidence",
        "terminals.mac_words",
        "terminals.models",
        "terminals.past",
        "terminals.places_of_anchors",
        "terminals.rollout",
        "terminals.states",
        "terminals.tally",
    ],
    "terminals/directory/csv": [
        "pbxcerts.system",
        "terminals.answer_target",
        "terminals.batches",
        "terminals.directory.changes",
        "terminals.directory.models",
        "terminals.directory.row_form",
        "terminals.mac_words",
        "terminals.models",
    ],
    "terminals/by_hand": [
        "certificates.downloads",
        "certificates.models",
        "certificates.renewal",
        "pbxcerts.system",
        "terminals.directory",
        "terminals.drivers",
        "terminals.evidence",
        "terminals.models",
        "terminals.rollout",
        "terminals.states",
        "terminals.tally",
        "terminals.trust_file",
    ],
    "terminals/web": [
        "certificates.communication_server.errors",
        "certificates.models",
        "certificates.pki",
        "certificates.renewal",
        "pbxcerts.system",
        "terminals.checking",
        "terminals.directory.device_tokens",
        "terminals.drivers",
        "terminals.evidence",
        "terminals.models",
        "terminals.places_of_anchors",
        "terminals.tally.models",
        "terminals.trust_file",
    ],
    "terminals/forms": [
        "certificates.models",
        "certificates.pki",
        "pbxcerts.system",
        "terminals.answer_target",
        "terminals.directory",
        "terminals.drivers",
        "terminals.evidence",
        "terminals.models",
        "terminals.web.bootstrap",
    ],
    "terminals/views": [
        "certificates.models",
        "certificates.pki.formats",
        "certificates.renewal",
        "pbxcerts.system",
        "terminals.by_hand",
        "terminals.checking",
        "terminals.directory",
        "terminals.drivers",
        "terminals.evidence",
        "terminals.forms",
        "terminals.mac_words",
        "terminals.models",
        "terminals.past",
        "terminals.rollout",
        "terminals.states",
        "terminals.trust_file",
        "terminals.web.bootstrap",
        "terminals.web.refusals",
    ],
    "certificates/forms": [
        "certificates.call_proof",
        "certificates.models",
        "certificates.pki",
        "certificates.status.outlook",
        "pbxcerts.system",
    ],
    "certificates/views": [
        "certificates.call_proof",
        "certificates.communication_server.presented",
        "certificates.downloads",
        "certificates.forms",
        "certificates.models",
        "certificates.renewal",
        "certificates.settings_changes",
        "certificates.status",
        "pbxcerts.system",
    ],
    # The rooms of what composes.
    "pbxcerts/backup": [
        "certificates",
        "pbxcerts.env",
        "pbxcerts.processes.startup",
        "pbxcerts.system",
        "terminals.directory.search_index",
        "terminals.models",
        "terminals.tally.triggers",
    ],
    "pbxcerts/health": [
        "certificates",
        "pbxcerts.backup.models",
        "pbxcerts.env",
        "pbxcerts.system",
        "terminals.directory.search_index",
        "terminals.drivers.registry",
        "terminals.states",
        "terminals.tally.models",
    ],
    "pbxcerts/processes": [
        "certificates",
        "pbxcerts.env",
        "pbxcerts.health",
        "pbxcerts.machine_elsewhere",
        "pbxcerts.system",
        "pbxcerts.tasks",
        "pbxcerts.wsgi",
        "terminals.directory.search_index",
        "terminals.evidence",
        "terminals.web",
    ],
    "pbxcerts/processes/listeners": ["pbxcerts.system.network"],
    "pbxcerts/demo": [
        "certificates",
        "pbxcerts.env",
        "pbxcerts.processes.lifeline",
        "pbxcerts.system",
        "terminals.agent",
        "terminals.directory.device_tokens",
        "terminals.models",
        "terminals.rollout",
    ],
    "pbxcerts/panel": [
        "certificates",
        "pbxcerts.backup",
        "pbxcerts.demo.banner",
        "pbxcerts.env",
        "pbxcerts.event_kinds",
        "pbxcerts.processes.listeners.precedence",
        "pbxcerts.system",
        "terminals",
    ],
}


@cache
def files_of(*folders: str) -> list[str]:
    """Those of folders, or single files."""
    return [
        name
        for name in without_migrations()
        if name in folders or name.startswith(tuple(f"{folder}/" for folder in folders))
    ]


def names_in(nodes: list[ast.AST]) -> set[str]:
    """What these nodes import: modules, and what is taken from one with its module's name in front."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def imports_of(name: str) -> set[str]:
    return names_in(list(ast.walk(without_migrations()[name])))


def within(name: str, packages: list[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize(("folder", "allowed"), LAYERS.items(), ids=LAYERS)
def test_a_folder_imports_only_what_lies_below_it(folder, allowed):
    ours = ["pbxcerts", "certificates", "terminals"]
    files = files_of(folder)
    upwards = [
        (file, name)
        for file in files
        for name in imports_of(file)
        if within(name, ours) and not within(name, [folder.replace("/", "."), *allowed, *EVERYWHERE])
    ]

    assert files
    assert upwards == []


def test_no_room_imports_itself_by_way_of_others():
    """Of an app and of what composes. Models lie on the ground: Django reads those of all rooms before anything else."""
    rooms = [folder for folder in LAYERS if "/" in folder]
    modules = {room: {name for file in files_of(room) for name in imports_of(file)} for room in rooms}
    graph = {
        room: {
            other
            for other in rooms
            if not is_inside(room, other)
            and not is_inside(other, room)
            and any(within(name, [other.replace("/", ".")]) and not is_model(name) for name in modules[room])
        }
        for room in rooms
    }

    assert circle(graph) == []


def test_a_circle_of_rooms_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


def is_inside(room: str, other: str) -> bool:
    """Whether it is this other one, or a room in it."""
    return f"{room}/".startswith(f"{other}/")


def is_model(name: str) -> bool:
    return ".models" in name


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The way on which one imports itself, where there is any."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_the_agent_knows_no_django():
    assert [file for file in files_of("terminals/agent") if any(within(n, ["django"]) for n in imports_of(file))] == []


def test_the_pure_core_knows_no_framework_no_disk_and_no_clock():
    forbidden = ["django", "pathlib", "time", "socket"]
    files = files_of(*PURE)

    assert [(file, name) for file in files for name in imports_of(file) if within(name, forbidden)] == []
    assert [file for file in files if "datetime.now(" in ast.unparse(without_migrations()[file])] == []


def run_at_import(nodes: list[ast.AST]) -> Iterator[ast.AST]:
    """The statements that run when a module is imported: none in a function, none for the type checker alone."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from run_at_import(list(ast.iter_child_nodes(node)))


def test_no_module_imports_itself_by_way_of_others():
    modules = {
        file.removesuffix(".py").removesuffix("/__init__").replace("/", "."): file for file in without_migrations()
    }
    graph = {}
    for module, file in modules.items():
        names = names_in(list(run_at_import(without_migrations()[file].body)))
        imported = {name if name in modules else name.rpartition(".")[0] for name in names}
        graph[module] = imported & modules.keys() - {module}

    assert graph.keys() == modules.keys()
    assert circle(graph) == []


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
        file
        for file, tree in without_migrations().items()
        if any(reads_the_environment(node) for node in ast.walk(tree))
    }

    assert readers == {"pbxcerts/env.py"}


CLOCKS = {
    "timezone.now",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.localtime",
}


def test_only_timekeeping_reads_the_clock_of_the_machine():  # (rule which-clock)
    """ntp.py measures it, the agent runs on another machine, without our database, and a demonstration's time server tells it."""
    readers = {
        file
        for file, tree in without_migrations().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in CLOCKS
    }

    assert readers == {
        "pbxcerts/demo/time_server.py",
        "pbxcerts/system/time/ntp.py",
        "pbxcerts/system/time/timekeeping.py",
        "terminals/agent/round.py",
    }


# What callers catch of each boundary without knowing what is inside; the rest of its exceptions are of this kind.
ROOTS = {
    "AcceptanceRefused",
    "TakeOverRefused",
    "AccountError",
    "AgentError",
    "BackupError",
    "ClaimLost",
    "CommandUnsuccessful",
    "CommunicationServerError",
    "ConfigurationError",
    "EndpointError",
    "ForeignTaskError",
    "LinkError",
    "NoNotifyRoute",
    "NoPulseError",
    "NoTrustFile",
    "NothingToDownload",
    "NotificationError",
    "PairOrderRefused",
    "PkiError",
    "RoleNeeded",
    "RolloutOrderRefused",
    "SavingError",
    "SealingError",
    "SipError",
    "StartupError",
    "StateChangeError",
    "TelephoneNetworkError",
    "TerminalImportError",
    "TooManyNetworks",
    "UnfitForUnit",
    "UnreadableReport",
    "UrlNotUnderstood",
}


def test_every_boundary_has_one_root_of_its_exceptions():
    classes = {
        node.name: {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        for tree in without_migrations().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    foreign = {"Exception", "ValueError", "CommandError", "PermissionDenied"}
    known = {name for name, bases in classes.items() if bases & foreign and not name.startswith("_")}

    assert known == ROOTS


def shared_class_names(trees: dict[str, ast.Module]) -> dict[str, list[str]]:
    """The modules by the name of a class that stands at the top of several. Every management command is `Command`, as Django wants."""
    modules: dict[str, list[str]] = {}
    for file, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name != "Command":
                modules.setdefault(node.name, []).append(file)
    return {name: files for name, files in modules.items() if len(files) > 1}


def test_the_name_of_a_class_is_understood_without_its_folder():
    assert shared_class_names(without_migrations()) == {}


def test_two_classes_of_one_name_are_found():
    trees = {
        "sip/line.py": ast.parse("class Line: ..."),
        "print/line.py": ast.parse("class Line:\n    class Meta: ..."),
    }

    assert shared_class_names(trees) == {"Line": ["sip/line.py", "print/line.py"]}


def test_no_file_is_a_drawer():
    drawers = {"utils", "helpers", "common", "services", "misc"}

    assert [file for file in without_migrations() if Path(file).stem in drawers] == []


def test_what_a_test_lacks_of_its_machine_is_missing_where_peers_are_required():
    """Whoever skips by himself is green where nothing was tested. The others skip what cannot be so for another reason."""
    skipping = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if "skip" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and (
            ast.unparse(node.func) in {"pytest.skip", "pytest.importorskip"}
            or (ast.unparse(node.func) == "pytest.mark.skipif" and "geteuid" in ast.unparse(node))
        )
    }

    assert skipping == {"tests/support/peers.py", "tests/test_lock.py", "tests/terminals/rollout/test_one_round.py"}


def test_what_a_template_says_it_is_given_exists():
    """The head of a template names the class of what it shows."""
    named = {
        (str(path.relative_to(ROOT)), module, name)
        for path in (ROOT / "pbxcerts" / "templates").rglob("*.html")
        for module, name in re.findall(
            r"\b((?:certificates|terminals|pbxcerts)\.[a-z_.]+)\.([A-Z]\w+)", path.read_text(encoding="utf-8")
        )
    }

    assert len(named) > 15
    assert [found for found in sorted(named) if not hasattr(import_module(found[1]), found[2])] == []
