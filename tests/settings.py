"""The product's settings over a throw-away data directory; what a test changes, it changes in a fixture.

On SQLite; on another database where PBXCERTS_TEST_DATABASE names one as PBXCERTS_DATABASE does: the tests' own are made beside it.
"""

import atexit
import os
import shutil
import tempfile
import zoneinfo
from importlib import resources

from tests.support.in_memory import keep_temporary_files_in_memory

keep_temporary_files_in_memory()
DATA_DIRECTORY = tempfile.mkdtemp(prefix="pbxcerts-tests-")
atexit.register(shutil.rmtree, DATA_DIRECTORY, ignore_errors=True)
OF_THE_TESTS = {"PBXCERTS_PEERS", "PBXCERTS_TEST_DATABASE"}
LEFT_OUT = sorted(name for name in os.environ if name.startswith("PBXCERTS_") and name not in OF_THE_TESTS)
"""Variables of an installation, which are not for the tests."""
for name in LEFT_OUT:
    del os.environ[name]
os.environ["PBXCERTS_DATA"] = DATA_DIRECTORY
os.environ["PBXCERTS_DATABASE"] = os.environ.get("PBXCERTS_TEST_DATABASE", "")

# Every new row of System / General asks for all of them, for which some 600 files are opened.
ZONES = resources.files("tzdata").joinpath("zones").read_text().split()
zoneinfo.available_timezones = lambda: set(ZONES)

from pbxcerts.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Else every browser of a test would look at all static files first. The tests of processes have the product's own settings.
WHITENOISE_AUTOREFRESH = True

# So that tests can write them down; the names of an installation are told in tests/panel/test_cookies.py.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME, LANGUAGE_COOKIE_NAME = "sessionid", "csrftoken", "django_language"
