"""Processes of the product that begin where all of them would be after a second of imports.

A process of the tests starts one Python that loads the product, and each command is a fork of it: with its own arguments, environment,
directory, streams and settings, and with the exit status of a real one. What happens before the settings are read is not tested by it.
"""

import atexit
import ctypes
import gc
import importlib
import inspect
import io
import os
import pickle
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
import types
from contextlib import suppress
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = "pbxcerts.settings"
LOADED = [
    "pbxcerts.backup.restoring",
    "pbxcerts.management.commands.status",
    "pbxcerts.management.commands.up",
    "pbxcerts.processes.listeners.whole_requests",
    "pbxcerts.urls",
    "tests.support.running",
    *("a2wsgi", "uvicorn", "uvloop", "whitenoise.middleware"),
]
"""What commands use most, beside models; not `pbxcerts.wsgi`, which reads settings when it is imported."""
NOT_LOADED = {"LD_PRELOAD", "PBXCERTS_DEMO"}
ROOM = "-" * 4096
"""For the arguments that lists of processes show."""


class Popen(subprocess.Popen):
    """As that of the standard library. What is not a fork of the loaded process begins as usual: another program, which may start
    ours; other settings; another C library.
    """

    _told = None

    def _execute_child(self, *given):
        wanted = inspect.signature(subprocess.Popen._execute_child).bind(self, *given).arguments
        program, *arguments = map(os.fspath, wanted["args"])
        environment = {**(os.environ if wanted["env"] is None else wanted["env"])}
        if (
            program != sys.executable
            or environment.get("DJANGO_SETTINGS_MODULE", SETTINGS) != SETTINGS
            or environment.keys() & NOT_LOADED
            or wanted["pass_fds"]
        ):
            super()._execute_child(*given)
            return
        pipes = [wanted[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")]
        streams = [
            own if own != -1 else usual for own, usual in zip((pipes[0], pipes[3], pipes[5]), range(3), strict=True)
        ]
        self._told, telling = socket.socketpair()
        with telling:
            command = arguments, environment, os.fspath(wanted["cwd"] or Path.cwd()), wanted["process_group"]
            command += (wanted["start_new_session"],)
            socket.send_fds(_loaded(), [pickle.dumps(command)], [*streams, telling.fileno()])
        self.pid = int.from_bytes(self._told.recv(4))
        self._child_created = True
        self._close_pipe_fds(*pipes)

    def _internal_poll(self, _deadstate=None):
        if self._told is None:
            return super()._internal_poll(_deadstate)
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self._learn()
        return self.returncode

    def _wait(self, timeout):
        if self._told is None:
            return super()._wait(timeout)
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self._learn()
        return self.returncode

    def _learn(self):
        self.returncode = os.waitstatus_to_exitcode(int.from_bytes(self._told.recv(4)))
        self._told.close()


def run(
    command,
    *,
    input=None,  # noqa: A002 - as there
    capture_output=False,
    timeout=None,
    check=False,
    **options,
):
    """As subprocess.run does it."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if input is not None:
        options["stdin"] = subprocess.PIPE
    with Popen(command, **options) as process:
        try:
            output, error = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    if check and process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, output, error)
    return subprocess.CompletedProcess(process.args, process.returncode, output, error)


_ends = {}


def _loaded():
    """The connection to the process that has loaded the product."""
    of_whom = os.getpid(), sys.executable
    if of_whom not in _ends:
        ours, its = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with its:
            own = {name: value for name, value in os.environ.items() if not name.startswith(("PBXCERTS_", "DJANGO_"))}
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(its.fileno()), ROOM],
                cwd=ROOT,
                env=own | {"PBXCERTS_DATA": "/nonexistent", "DJANGO_SETTINGS_MODULE": SETTINGS, "LC_ALL": "C.UTF-8"},
                pass_fds=[its.fileno()],
                process_group=0,
                preexec_fn=hear_signals,
            )
        atexit.register(_end, os.getpid(), ours, process)
        _ends[of_whom] = ours
    return _ends[of_whom]


def _end(of_whom, connection, process):
    """It is the process that has started it, no fork of that, which ends it."""
    with connection:
        if os.getpid() == of_whom:
            connection.shutdown(socket.SHUT_RDWR)
            process.wait()


def hear_signals():
    """A shell that starts the tests in the background, and `nohup`, have their children ignore what a terminal sends."""
    for sent in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(sent, signal.SIG_DFL)


# -- in the process that has loaded the product ------------------------------------------------------------------------


def _serve(connection):
    """Returns in each fork what it is to do; ends with whoever asks."""
    while True:
        wanted, descriptors, *_rest = socket.recv_fds(connection, 1 << 20, 4)
        if not wanted:
            os._exit(0)
        if os.fork() == 0:
            # This one waits for the command, and tells of its end.
            connection.close()
            *streams, telling = descriptors
            if (pid := os.fork()) == 0:
                os.close(telling)
                return pickle.loads(wanted), streams
            for descriptor in streams:
                os.close(descriptor)
            os.write(telling, pid.to_bytes(4))
            os.write(telling, os.waitpid(pid, 0)[1].to_bytes(4))
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _become(arguments, environment, directory, process_group, new_session, *, streams):
    """What `python ARGUMENTS` is once it has loaded what it needs."""
    if process_group != -1:
        os.setpgid(0, process_group)
    if new_session:
        os.setsid()
    os.chdir(directory)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.closerange(3, max(streams) + 1)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        octets = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115 - until the process ends
        is_stderr = name == "stderr"
        stream = io.TextIOWrapper(octets, "utf-8", "backslashreplace" if is_stderr else None, line_buffering=is_stderr)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    _show(arguments)
    _forget_settings()


def _show(arguments):
    """To lists of processes: over the arguments that the loaded process was given, as proc(5) says where they are."""
    begin, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
    shown = b"\0".join(map(os.fsencode, [sys.executable, *arguments]))[: end - begin - 1]
    ctypes.memmove(begin, shown.ljust(end - begin, b"\0"), end - begin)


def _forget_settings():
    """All that has been read of environment and settings so far; they are read when a process would read them for the first time."""
    from django.conf import settings
    from django.db import connections
    from django.utils.functional import empty
    from django_q import conf

    from pbxcerts import env

    usual, imported = django.setup, conf.Conf

    def set_up_anew(**options):
        usual(**options)
        # Others have imported it already.
        for name, value in vars(importlib.reload(conf).Conf).items():
            if not name.startswith("__"):
                setattr(imported, name, value)
        conf.Conf = imported

    django.setup = set_up_anew

    env._STARTED_WITH = b"\0".join(os.fsencode(f"{name}={value}") for name, value in os.environ.items())
    del sys.modules[SETTINGS]
    settings._wrapped = empty
    vars(connections).pop("settings", None)
    connections.__init__()


def _carry_out(first, *others):
    """As Python does it with these arguments."""
    place = {"-c": "", "-m": str(Path.cwd())}.get(first, os.path.dirname(first))  # noqa: PTH120
    sys.path[0] = place
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if first == "-c":
        code, *sys.argv[1:] = others
        sys.argv[0] = first
        sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), vars(sys.modules["__main__"]))
    elif first == "-m":
        module, *sys.argv[1:] = others
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv[:] = [first, *others]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    django.setup()
    for name in LOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    given, streams = _serve(socket.socket(fileno=int(sys.argv[1])))
    _become(*given, streams=streams)
    _carry_out(*given[0])
