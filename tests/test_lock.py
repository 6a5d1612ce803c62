"""requirements.lock is what pyproject.toml asks for: each package of a service, in a version that fits, with the hashes of its files."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("postgresql", "redis")
MACHINES = [
    {"python_version": short, "python_full_version": full, "platform_machine": machine, "sys_platform": "linux"}
    for short, full in {"3.11": "3.11.2", "3.12": "3.12.3", "3.13": "3.13.5"}.items()
    for machine in ("x86_64", "aarch64")
]
"""Debian 12, Ubuntu 24.04, Debian 13."""


def locked_in(text):
    """Each package with its requirement, which has one version, and its hashes."""
    found = {}
    for entry in re.split(r"\n(?=\S)", re.sub(r"(?m)^ *#.*\n", "", text).strip()):
        first, *hashes = entry.replace("\\\n", " ").split("--hash=")
        requirement = Requirement(first.strip())
        found[canonicalize_name(requirement.name)] = (requirement, [each.strip() for each in hashes])
    return found


LOCKED = locked_in(LOCK)


def version_of(name):
    (only,) = LOCKED[name][0].specifier
    assert only.operator == "=="
    return only.version


def asked_for():
    written = [*PROJECT["dependencies"], *(one for extra in EXTRAS for one in PROJECT["optional-dependencies"][extra])]
    return [Requirement(one) for one in written]


def needed_by(requirement):
    """What the installed version of a package needs; None where it is not the one of the lock."""
    name = canonicalize_name(requirement.name)
    try:
        if metadata.version(name) != version_of(name):
            return None
    except metadata.PackageNotFoundError:
        return None
    return [
        needed
        for needed in map(Requirement, metadata.requires(name) or [])
        for extra in ("", *requirement.extras)
        if needed.marker is None or any(needed.marker.evaluate(machine | {"extra": extra}) for machine in MACHINES)
    ]


def misfits(requirements):
    return [
        str(one)
        for one in requirements
        if canonicalize_name(one.name) not in LOCKED
        or not one.specifier.contains(version_of(canonicalize_name(one.name)), prereleases=True)
    ]


@pytest.mark.parametrize("requirement", asked_for(), ids=lambda one: one.name)
def test_what_the_project_asks_for_is_in_it_and_what_that_needs_as_well(requirement):
    seen, waiting = set(), [requirement]
    while waiting:
        one = waiting.pop()
        if str(one) not in seen:
            seen.add(str(one))
            assert misfits([one]) == []
            waiting += needed_by(one) or []


def test_one_that_does_not_fit_would_be_found():
    assert misfits([Requirement("Django>=6")]) == ["Django>=6"]
    assert misfits([Requirement("not-in-it")]) == ["not-in-it"]


def test_nothing_is_in_it_that_nobody_needs():
    """As far as the installed versions can tell."""
    if any(metadata.version(name) != version_of(name) for name in LOCKED if name != "async-timeout"):
        pytest.skip("other versions are installed here, which may need other packages")
    needed = {canonicalize_name(one.name) for one in asked_for()}
    for requirement in [*asked_for(), *(locked for locked, _hashes in LOCKED.values())]:
        needed |= {canonicalize_name(one.name) for one in needed_by(requirement) or []}

    assert LOCKED.keys() - needed == set()


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: " ".join(machine.values()))
def test_what_is_needed_on_one_machine_is_not_left_out_there(machine):
    for requirement, _hashes in LOCKED.values():
        for needed in needed_by(requirement) or []:
            locked, _of_it = LOCKED[canonicalize_name(needed.name)]
            if needed.marker is None or needed.marker.evaluate(machine | {"extra": ""}):
                assert locked.marker is None or locked.marker.evaluate(machine | {"extra": ""}), needed


def test_each_has_the_hashes_of_its_files():
    hashes = {name: found for name, (_requirement, found) in LOCKED.items()}

    assert len(hashes) > 20
    assert {name for name, found in hashes.items() if not found} == set()
    assert {one for found in hashes.values() for one in found if not re.fullmatch(r"sha256:[0-9a-f]{64}", one)} == set()
    # What is compiled has a wheel for each machine and Python.
    assert min(len(hashes[name]) for name in ("cffi", "httptools", "psycopg-binary", "uvloop")) > 10


def test_it_says_from_where_by_no_word():
    """Whoever installs has a registry, or a mirror of one."""
    assert "://" not in LOCK
    assert "index" not in LOCK


def test_each_library_whose_major_versions_break_is_bounded():
    by_date = {"crispy-bootstrap5", "tzdata"}
    open_ended = {one.name for one in asked_for() if not any(bound.operator == "<" for bound in one.specifier)}

    assert open_ended == by_date


def test_the_script_that_writes_it_takes_the_extras_of_a_service():
    written = (ROOT / ".ci" / "lock").read_text()

    assert re.findall(r"--extra (\w+)", written) == list(EXTRAS)
