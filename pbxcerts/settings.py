"""Django's settings: composition and deployment facts. What an operator decides is a row that a page edits, never a variable here."""

from pathlib import Path

from django.utils.translation import gettext_lazy as _

from pbxcerts import env

BASE_DIR = Path(__file__).resolve().parent.parent

DATA = env.path("DATA", BASE_DIR / "data")
# None where the variable holds the key itself; else it is made when pbxcerts is installed (pbxcerts.installation).
SECRET_KEY_FILE = None if env.text("SECRET_KEY") else env.path("SECRET_KEY_FILE", DATA / "secrets" / "django.key")
SECRET_KEY = env.text("SECRET_KEY") if SECRET_KEY_FILE is None else env.secret(SECRET_KEY_FILE)
DEBUG = False

# The store of DESIGN 3.5: what the communication server reads.
STORE = env.path("STORE", DATA / "store")
STORE_GROUP = env.text("STORE_GROUP")
# Fernet keys, one a line: the first encrypts host keys at rest, all decrypt.
KEY_FILE = env.path("KEY_FILE", DATA / "secrets" / "host-keys.key")
RELOAD_COMMAND = env.command("RELOAD_COMMAND")
RELOAD_TIMEOUT = env.number("RELOAD_TIMEOUT", 30, least=1, most=60)

# Who answers the handover's questions about telephones (certificates.handover.Terminals).
TERMINALS = "terminals.readiness.KnownTerminals"

# Where terminals reach us; empty turns a listener off. On loopback until a deployment says otherwise.
TERMINALS_HTTPS = env.address("TERMINALS_HTTPS", "127.0.0.1:8443")
TERMINALS_HTTP = env.address("TERMINALS_HTTP", "127.0.0.1:8080")
TERMINALS_PROOF = env.address("TERMINALS_PROOF", "127.0.0.1:8444")
# A folder of configuration files that another server serves, and in which a block of ours is kept.
CONFIGURATION_FOLDER = env.optional_path("CONFIGURATION_FOLDER")

ALLOWED_HOSTS = env.words("HOSTS", "localhost,127.0.0.1,[::1]")
TRUSTED_PROXIES = env.words("TRUSTED_PROXIES")
PLAIN_HTTP = env.flag("PLAIN_HTTP", default=False)
SECURE_COOKIES = env.flag("SECURE_COOKIES", default=False)
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "crispy_forms",
    "crispy_bootstrap5",
    "bootstrap",
    "django_htmx",
    "django_q",
    "pbxcerts.system",
    "certificates",
    "terminals",
]

MIDDLEWARE = [
    "pbxcerts.middleware.content_security_policy",
    "pbxcerts.middleware.no_hsts_of_our_own",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "pbxcerts.middleware.installation",
    "pbxcerts.middleware.page_where_a_method_is_not_allowed",
    "pbxcerts.redirect.redirect_to_https",
    "pbxcerts.system.access.LoginRequired",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "pbxcerts.urls"
WSGI_APPLICATION = "pbxcerts.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "pbxcerts.system.frame.frame",
                "pbxcerts.process_warnings.of_every_page",
            ],
        },
    },
]
CRISPY_ALLOWED_TEMPLATE_PACKS = CRISPY_TEMPLATE_PACK = "bootstrap5"

DATABASES = {"default": env.database("DATABASE", DATA / "pbxcerts.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

BROKER = env.broker("BROKER")
Q_CLUSTER = {
    "name": "pbxcerts",
    "workers": 1,
    # A switch may take two reload commands and a minute of looking (DESIGN 3.4); a task is never started twice within that.
    "timeout": 240,
    "retry": 300,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": -1,
    "poll": 1,
    "guard_cycle": 5,
    "label": "django-q2",
    **({"redis": BROKER} if BROKER else {"orm": "default"}),
}

AUTH_USER_MODEL = "system.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_LOCKOUT_CALLABLE = "pbxcerts.error_pages.locked_out"

LANGUAGE_CODE = "de"
LANGUAGES = [("de", _("German")), ("en", _("English"))]
# The language that a person chose stays with this browser.
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = SECURE_COOKIES
LOCALE_PATHS = [BASE_DIR / "pbxcerts" / "locale"]
FORMAT_MODULE_PATH = ["pbxcerts.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
# Served from where they are installed: no copy that an update could leave behind.
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
STATICFILES_DIRS = [BASE_DIR / "static"]

SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
# Whether a request came over HTTPS is told by the web process, which believes X-Forwarded-Proto from TRUSTED_PROXIES alone;
# SECURE_PROXY_SSL_HEADER would believe everybody.
# Our root changes with every generation: HSTS would lock administrators out; only a proxy with a certificate of its own may ask for it.
# For the same reason nothing is redirected by Django: System / General decides, while the panel answers over HTTPS.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]
SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", 0, least=0, most=63072000)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"django-q": {"level": "WARNING"}, "axes": {"level": "WARNING"}, "uvicorn": {"level": "WARNING"}},
}
