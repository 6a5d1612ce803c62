"""What the tests do with the file of a backup beside the product."""

import io
import subprocess
import tarfile
from dataclasses import replace
from functools import cache

import pyrage

from pbxcerts.backup import archive, encryption
from pbxcerts.backup.encryption import Identities, Recipients
from pbxcerts.backup.manifest import MANIFEST, Manifest
from tests.support.peers import require_program


class KeyPair:
    """As an administrator makes it, with Debian's own program."""

    def __init__(self, directory, name="key.txt"):
        self.file = directory / name
        made = subprocess.run([require_program("age-keygen")], capture_output=True, text=True, check=True).stdout
        self.file.touch(0o600)
        self.file.write_text(made)
        (self.public,) = [line.partition(": ")[2] for line in made.splitlines() if line.startswith("# public key: ")]
        self.recipients = Recipients((self.public,))
        self.identities = Identities(tuple(line for line in made.splitlines() if not line.startswith("#")))

    def opened_by_age(self, file):
        """The archive in a backup, as the program `age` decrypts it."""
        age = [require_program("age"), "--decrypt", "--identity", self.file, file]
        return subprocess.run(age, capture_output=True, check=True).stdout


@cache
def a_key():
    """The public and the private one, for what is not about a passphrase: each use of one takes a second."""
    key = pyrage.x25519.Identity.generate()
    return str(key.to_public()), str(key)


def contents(packed):
    """Of an archive: the content of each file by its name."""
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def opened(file):
    """What is in a backup for the key of `a_key`."""
    plain = io.BytesIO()
    with file.open("rb") as backup:
        encryption.decrypt(backup, plain, Identities(a_key()[1:]))
    return contents(plain.getvalue())


def flipped(octets, place):
    """With one bit changed."""
    return octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1 :]


def rewritten(file, key, target, *, change=lambda files: None, **values):
    """A backup made for `key` with other contents, as whoever knows the public key can make one: `change` gets the files to change,
    `values` are of the manifest.
    """
    files = contents(key.opened_by_age(file))
    manifest = Manifest.read(files.pop(MANIFEST))
    change(files)
    plain = io.BytesIO()
    archive.pack(plain, replace(manifest, **values), files)
    plain.seek(0)
    with target.open("wb") as backup:
        encryption.encrypt(plain, backup, key.recipients)
    return target
