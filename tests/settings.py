"""The product's settings over a throw-away data directory; what a test changes, it changes in a fixture."""

import atexit
import os
import shutil
import tempfile

DATA_DIRECTORY = tempfile.mkdtemp(prefix="pbxcerts-tests-")
atexit.register(shutil.rmtree, DATA_DIRECTORY, ignore_errors=True)
for name in [name for name in os.environ if name.startswith("PBXCERTS_") and name != "PBXCERTS_PEERS"]:
    del os.environ[name]
os.environ["PBXCERTS_DATA"] = DATA_DIRECTORY

from pbxcerts.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
