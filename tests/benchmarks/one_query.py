"""The same file by a Django view with one query, under gunicorn."""

from pbxcerts.settings import *  # noqa: F403

ROOT_URLCONF = "tests.benchmarks.one_query_urls"
