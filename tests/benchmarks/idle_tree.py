"""What the whole process tree uses while nobody asks for anything, beside a bare `qcluster` and uvicorn with an empty project.

The product tells one destination, a service that Apprise knows, and has tried to before it is measured. Both run side by side for
the same minute; memory is taken of the product alone, before anybody shares pages with it. Here `--rounds` are seconds.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.measuring import Line, run, throw_away
from tests.support.ports import free_port
from tests.support.product import Product

MEMORY = "below 130 MB"

BARE_SETTINGS = """
SECRET_KEY = "bare"
INSTALLED_APPS = ["django.contrib.contenttypes", "django_q"]
ROOT_URLCONF = "bare_urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": {database!r},
        "OPTIONS": {{"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL;"}},
        "CONN_MAX_AGE": None,
    }}
}}
Q_CLUSTER = {{"name": "bare", "workers": 1, "timeout": 60, "retry": 120, "orm": "default", "poll": 1}}
USE_TZ = True
"""
BARE_URLS = "urlpatterns = []"
BARE_WSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()"


# Nothing listens there; what matters is what stays in memory once it was tried.
ONE_DESTINATION = """
from pbxcerts.system.notifications import queue
from pbxcerts.system.notifications.models import Destination
from pbxcerts.system.time.timekeeping import read_machine
there = Destination(name="chat", kind="apprise", url="json://127.0.0.1:9/", options={"shown": "JSON"})
queue.begin_with(there)
queue.test(there, read_machine())
"""
TRIED = "from pbxcerts.system.notifications.models import Delivery; print(Delivery.objects.waiting().count())"


class Bare:
    """`qcluster` and uvicorn as one types them, over an empty project."""

    def __init__(self, directory):
        database = str(directory / "bare.sqlite3")
        (directory / "bare_settings.py").write_text(BARE_SETTINGS.format(database=database))
        (directory / "bare_urls.py").write_text(BARE_URLS)
        (directory / "bare_wsgi.py").write_text(BARE_WSGI)
        environment = os.environ | {"PYTHONPATH": str(directory), "DJANGO_SETTINGS_MODULE": "bare_settings"}
        self._python = {
            "cwd": directory,
            "env": environment,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        subprocess.run([sys.executable, "-m", "django", "migrate"], check=True, **self._python)
        self.processes = []

    def __enter__(self):
        uvicorn = ["-m", "uvicorn", "--interface", "wsgi", "--port", str(free_port()), "bare_wsgi:application"]
        for arguments in (["-m", "django", "qcluster"], uvicorn):
            self.processes.append(
                subprocess.Popen([sys.executable, *arguments], start_new_session=True, **self._python)
            )
        return self

    def __exit__(self, *_error):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=30)


def tree(*roots: int) -> list[int]:
    """The processes and all that they started."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # The name may hold anything, so what comes after its last bracket is read.
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = list(roots)
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def memory(process: int) -> float:
    """Megabytes, with a share of what other processes use too (PSS)."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise LookupError(process)


def cpu(process: int) -> float:
    """Seconds on all cores since it was started, threads that have ended included (clock_getcpuclockid(3))."""
    return time.clock_gettime(~process << 3 | 2)


def used(processes: dict[str, list[int]], seconds: float) -> dict[str, float]:
    """CPU seconds of each tree in the same span."""
    before = {name: {process: cpu(process) for process in members} for name, members in processes.items()}
    time.sleep(seconds)
    return {name: sum(cpu(process) - then for process, then in members.items()) for name, members in before.items()}


def benchmark(seconds):
    directory = throw_away()
    settle = min(seconds, 10)
    listeners = {f"PBXCERTS_TERMINALS_{name}": f"127.0.0.1:{free_port()}" for name in ("HTTPS", "HTTP", "PROOF")}
    with Product(directory, **listeners) as product:
        product.up()
        product.wait_until_it_answers()
        product.run(ONE_DESTINATION)
        while product.run(TRIED).strip() != "0":
            time.sleep(1)
        time.sleep(settle)
        members = tree(product.process.pid)
        whole = sum(memory(process) for process in members)
        with Bare(directory) as bare:
            time.sleep(settle)
            both = {
                "the product": tree(product.process.pid),
                "qcluster and uvicorn": tree(*(process.pid for process in bare.processes)),
            }
            spent = used(both, seconds)
            shares = {name: sum(memory(process) for process in both[name]) for name in both}
    ours, bares = spent.values()
    return [
        Line(f"the product: memory of {len(members)} processes", f"{whole:.0f} MB PSS", target=MEMORY),
        *(
            Line(f"{name}: side by side", f"{shares[name]:.0f} MB PSS, {spent[name] / seconds:.2%} of a core")
            for name in both
        ),
        Line("the product: CPU while idle", beside="qcluster and uvicorn", ratio=ours / bares, target="at most 1.2"),
    ]


if __name__ == "__main__":
    run(benchmark, rounds=60)
