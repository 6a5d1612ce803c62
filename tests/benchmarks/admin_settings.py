"""The product's settings with Django's own admin beside the panel, for its change form of the same row."""

from pbxcerts.settings import *  # noqa: F403
from pbxcerts.settings import INSTALLED_APPS as PRODUCT

INSTALLED_APPS = [*PRODUCT, "django.contrib.admin"]
ROOT_URLCONF = "tests.benchmarks.admin_urls"
ALLOWED_HOSTS = ["testserver"]
