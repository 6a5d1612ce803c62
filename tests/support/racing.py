"""Processes over one installation: `python -m tests.support.racing DIRECTORY` reads and answers JSON, line by line.

A line is a list of expressions. One is evaluated in a process of its own; several are, all at the same moment, in as
many. They are forked from one that has loaded the product and has never opened the database. What a use case refuses
comes back as its message.
"""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

from tests.support.product import copy_new_database

ROOT = Path(__file__).resolve().parent.parent.parent


class Processes:
    """What a test holds of them. `before` is a command that becomes this one at its end: `setpriv ...`, `unshare ...`."""

    def __init__(self, directory, *, before=()):
        self.directory, self._before = directory, before

    def __enter__(self):
        database, owner = self.directory / "db.sqlite3", self.directory.stat()
        copy_new_database(database)
        os.chown(database, owner.st_uid, owner.st_gid)
        self._process = subprocess.Popen(
            [*self._before, sys.executable, "-m", "tests.support.racing", self.directory],
            cwd=ROOT,
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "pbxcerts.settings",
                "PBXCERTS_DATA": str(self.directory / "data"),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_error):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    @property
    def pid(self):
        return self._process.pid

    def race(self, *expressions):
        """What each gives; all begin at the same moment, each in a process of its own."""
        self._process.stdin.write(json.dumps(expressions) + "\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        for answer in found:
            assert not (isinstance(answer, dict) and "trouble" in answer), answer["trouble"]
        return found

    def ask(self, expression):
        return self.race(expression)[0]


def answers(directory, expressions):
    """What each expression gives, in a process of its own that begins when all of them are ready."""
    gate, opens = os.pipe()
    ready, tells = os.pipe()
    children = [start(directory, expression, (gate, opens), tells) for expression in expressions]
    os.close(gate)
    os.close(tells)
    assert len(b"".join(os.read(ready, 1) for _ in children)) == len(children)
    os.close(ready)
    # Everybody waits for the end of this pipe.
    os.close(opens)
    found = []
    for child, said in children:
        with os.fdopen(said) as pipe:
            found.append(json.loads(pipe.read()))
        os.waitpid(child, 0)
    return found


def start(directory, expression, gate, tells):
    said, says = os.pipe()
    child = os.fork()
    if child:
        os.close(says)
        return child, said
    try:
        os.close(gate[1])
        answer = evaluate(directory, expression, lambda: (os.write(tells, b"r"), os.read(gate[0], 1)))
    except BaseException:  # noqa: BLE001 - told to whoever asked, whatever it is
        answer = {"trouble": traceback.format_exc()}
    os.write(says, json.dumps(answer).encode())
    os._exit(0)


def evaluate(directory, expression, wait):
    import django.db

    from certificates.models import Generation, Switch, Transition
    from certificates.renewal import making, orders
    from pbxcerts.system.time import timekeeping
    from tests.support import crashes

    crashes.use(directory)
    django.db.connection.ensure_connection()
    known = {
        "directory": directory,
        "crashes": crashes,
        "orders": orders,
        "making": making,
        "timekeeping": timekeeping,
        "Generation": Generation,
        "Switch": Switch,
        "Transition": Transition,
    }
    wait()
    try:
        return eval(expression, known)
    except orders.PairOrderRefused as refused:
        return {"refused": str(refused)}


def main():
    import logging

    import django

    directory = Path(sys.argv[1])
    (directory / "secrets").mkdir()
    django.setup()
    logging.disable(logging.ERROR)
    # What is loaded here need not be loaded by everybody who races.
    import certificates.renewal.orders  # noqa: F401
    import pbxcerts.heartbeat  # noqa: F401

    for line in sys.stdin:
        sys.stdout.write(json.dumps(answers(directory, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
