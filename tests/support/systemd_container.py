"""A real systemd as the first process of a container that has this machine's files, and none of its network."""

import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

from tests.support.peers import missing, require_program
from tests.support.product import ROOT

SOURCE, PACKAGES = "/opt/source", "/opt/packages"
OURS = ("pbxcerts", "certificates", "terminals")
PROGRAM = """\
#!/opt/pbxcerts/bin/python
from {module}.__main__ import main
main()
"""
TARGET = "[Unit]\nRequires=story.service\nAfter=story.service\nAllowIsolate=yes\n"
STORY = """\
[Service]
Type=oneshot
ExecStart=/bin/sh /result/story.sh
ExecStopPost=/usr/bin/systemctl poweroff --force --force
StandardOutput=append:/result/told
StandardError=inherit
"""
BOOT = """\
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
"$2" -m venv --without-pip "$1/root/opt/pbxcerts"
cp "$1.units/"* "$1/root/etc/systemd/system/"
cp "$1.units/packages.pth" "$1/root/opt/pbxcerts/lib/"python3*/site-packages/
install "$1.units/pbxcerts" "$1.units/pbxcerts-agent" "$1/root/opt/pbxcerts/bin/"
shift 2
exec "$@"
"""


def run(story, directory):
    """What a shell script told that ran below systemd: under each line `== name` what follows it. What it changes is forgotten.

    The product is installed in /opt/pbxcerts.
    """
    require_program("systemd-nspawn")
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    packages = site.getsitepackages()[0]
    if os.geteuid() != 0 or not Path(python).exists():
        missing("only root can start a container, and it needs the system's Python")
    if not all(Path(place).stat().st_mode & 0o005 == 0o005 for place in (ROOT, packages)):
        missing("other users cannot read this checkout")
    place, result = directory / "container", directory / "result"
    units = directory / "container.units"
    for made in (place, result, units):
        made.mkdir()
    (units / "story.target").write_text(TARGET)
    (units / "story.service").write_text(STORY)
    (units / "packages.pth").write_text(f"{PACKAGES}\n{SOURCE}\n")
    (units / "pbxcerts").write_text(PROGRAM.format(module="pbxcerts"))
    (units / "pbxcerts-agent").write_text(PROGRAM.format(module="terminals.agent"))
    (result / "story.sh").write_text(story)
    container = [
        *(
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--private-network",
            "--directory",
            place / "root",
        ),
        *(f"--bind-ro={ROOT / name}:{SOURCE}/{name}" for name in OURS),
        *(f"--bind-ro={packages}:{PACKAGES}", f"--bind={result}:/result"),
        *("--boot", "systemd.unit=story.target"),
    ]
    booted = subprocess.run(
        ["unshare", "--mount", "sh", "-c", BOOT, "sh", place, python, *container],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=400,
        check=False,
    )
    told = result / "told"
    if not told.exists():
        missing(f"no container can be started here: {(booted.stdout + booted.stderr)[-300:]}")
    (directory / "console").write_text(booted.stdout + booted.stderr)
    shutil.rmtree(units)
    return _sections(told.read_text())


def _sections(told):
    found, lines = {}, []
    for line in told.splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line.removeprefix("== "), [])
        else:
            lines.append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}
