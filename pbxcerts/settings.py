"""Django's settings: composition and deployment facts (rule environment)."""

from hashlib import sha256
from pathlib import Path

from pbxcerts import env
from pbxcerts.system import languages
from pbxcerts.system.machines import machine_key

BASE_DIR = Path(__file__).resolve().parent.parent

env.refuse_other_files()
DATA = env.data_directory("DATA", BASE_DIR)
# None where the variable holds the key itself; else it is made when pbxcerts is installed (pbxcerts.processes.startup).
SECRET_KEY_FILE = None if env.text("SECRET_KEY") else env.path("SECRET_KEY_FILE", DATA / "secrets" / "django.key")
SECRET_KEY = env.secret_text("SECRET_KEY") if SECRET_KEY_FILE is None else env.secret(SECRET_KEY_FILE)
DEBUG = False

# Which row of the table of heartbeats is this machine's (rule machines).
MACHINE = machine_key.read(DATA)

# The store: what the communication server reads (rule store-layout).
NAMES_STORE = bool(env.text("STORE"))
STORE = env.path("STORE", DATA / "store")
# The directory of a demonstration: `pbxcerts demo` alone names one (rule demonstration).
DEMO = env.optional_path("DEMO")
env.refuse_demonstration_elsewhere(DEMO, DATA, STORE)
STORE_GROUP = env.text("STORE_GROUP")
# The key list (rule sealed): Fernet keys, one a line.
KEY_FILE = env.path("KEY_FILE", DATA / "secrets" / "host-keys.key")
RELOAD_COMMAND = env.command("RELOAD_COMMAND")
RELOAD_ENVIRONMENT = env.of_the_caller() | {"PBXCERTS_STORE": str(STORE)}
# Asks a Kamailio who is registered and who is in a call; empty: nobody is asked (rule kamailio-asked).
KAMCMD = env.command("KAMCMD")
RELOAD_TIMEOUT = env.number("RELOAD_TIMEOUT", 30, least=1, most=60)

# Who answers the handover's questions about telephones (certificates.renewal.handover.Terminals).
TERMINALS = "terminals.handover.KnownTerminals"

# Where terminals reach us; empty turns a listener off. On loopback until a deployment says otherwise.
TERMINALS_HTTPS = env.endpoint("TERMINALS_HTTPS", "127.0.0.1:8443")
TERMINALS_HTTP = env.endpoint("TERMINALS_HTTP", "127.0.0.1:8080")
TERMINALS_PROOF = env.endpoint("TERMINALS_PROOF", "127.0.0.1:8444")
# A folder of configuration files that another server serves, and in which a block of ours is kept.
CONFIGURATION_FOLDER = env.optional_path("CONFIGURATION_FOLDER")
# Where the scheduled backups go; best on another machine's disk.
BACKUPS = env.optional_path("BACKUPS")

ALLOWED_HOSTS = env.words("HOSTS", "localhost,127.0.0.1,[::1]")
TRUSTED_PROXIES = env.words("TRUSTED_PROXIES")
# The path below which a proxy serves the panel, "" for none (pbxcerts.wsgi).
URL_PATH = env.url_path("URL_PATH")
FORCE_SCRIPT_NAME = URL_PATH or None
PLAIN_HTTP = env.flag("PLAIN_HTTP", default=False)
SECURE_COOKIES = env.flag("SECURE_COOKIES", default=False)
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "crispy_forms",
    "crispy_bootstrap5",
    "bootstrap",
    "django_htmx",
    "pbxcerts.processes.django_q_app.DjangoQ",
    "pbxcerts",
    "pbxcerts.system",
    "pbxcerts.system.notifications",
    "pbxcerts.backup",
    "certificates",
    "certificates.call_proof",
    "terminals",
]

MIDDLEWARE = [
    "pbxcerts.health.requests.name_the_route",
    "pbxcerts.panel.middleware.content_security_policy",
    "pbxcerts.panel.middleware.no_hsts_of_our_own",
    "pbxcerts.panel.cookies.secure_cookies_over_https",
    "django.middleware.security.SecurityMiddleware",
    "pbxcerts.panel.middleware.CompressedFiles",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "pbxcerts.panel.middleware.refuse_with_other_secrets",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "pbxcerts.panel.middleware.people_before_phones",
    "django.contrib.messages.middleware.MessageMiddleware",
    "pbxcerts.panel.middleware.language_and_time_zone",
    "pbxcerts.panel.middleware.page_where_a_method_is_not_allowed",
    "pbxcerts.panel.middleware.too_many_passwords",
    "pbxcerts.panel.redirect.redirect_to_https",
    "pbxcerts.system.users.sessions.limited_sessions",
    "pbxcerts.panel.session_over.LoginRequired",
    "pbxcerts.panel.moved.OnlyIfMoved",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "pbxcerts.urls"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "pbxcerts.system.pages.frame.frame",
                "pbxcerts.panel.tree.of_every_page",
                "pbxcerts.panel.appearance.of_every_page",
                "pbxcerts.panel.process_warnings.of_every_page",
                *(["pbxcerts.demo.banner.of_every_page"] if DEMO else []),
            ],
        },
    },
]
# What the templates' `cache` keeps (rule kept-fragments); each process its own.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "template_fragments": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "template_fragments",
        "OPTIONS": {"MAX_ENTRIES": 500},
    },
}

CRISPY_ALLOWED_TEMPLATE_PACKS = CRISPY_TEMPLATE_PACK = "bootstrap5"

DATABASES = {"default": env.database("DATABASE", DATA / "pbxcerts.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

BROKER = env.broker("BROKER")
DATABASE_QUEUE = {"orm": "default", "broker_class": "pbxcerts.processes.database_queue.DatabaseQueue"}
Q_CLUSTER = {
    # What it signs with beside the secret key. The queue is this machine's own, and so the installation's.
    "name": "pbxcerts",
    "cluster_name": machine_key.queue_of(MACHINE),
    "workers": 1,
    # A switch may take two reload commands and a minute of looking (rule switch); no task is started twice within that.
    "timeout": 240,
    "retry": 300,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": -1,
    "poll": 1,
    "guard_cycle": 5,
    **({"redis": env.in_time(BROKER)} if BROKER else DATABASE_QUEUE),
}

AUTH_USER_MODEL = "system.User"
PASSWORD_HASHERS = ["pbxcerts.system.users.hashing.TurnsAtHashing"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# The installation's own: a cookie knows no port, and on one host there may be two (rule cookies).
COOKIES = f"pbxcerts-{sha256(f'cookies {SECRET_KEY}'.encode()).hexdigest()[:8]}"
SESSION_ENGINE = "pbxcerts.system.session_store"
SESSION_COOKIE_NAME = f"{COOKIES}-session"
CSRF_COOKIE_NAME = f"{COOKIES}-csrf"
LANGUAGE_COOKIE_NAME = f"{COOKIES}-language"
THEME_COOKIE_NAME = f"{COOKIES}-theme"
KNOWN_BROWSER_COOKIE_NAME = f"{COOKIES}-browser"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = f"{URL_PATH}/"
CSRF_FAILURE_VIEW = "pbxcerts.panel.error_pages.form_refused"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Over HTTPS they are Secure whatever stands here (pbxcerts.panel.cookies).
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = languages.DEFAULT
LANGUAGES = languages.languages()
# The language that a person chose stays with this browser.
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = SECURE_COOKIES
LOCALE_PATHS = [languages.LOCALES]
FORMAT_MODULE_PATH = ["pbxcerts.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
# Served from where they are installed: no copy that an update could leave behind.
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Whether a request came over HTTPS is told by the web process, which believes X-Forwarded-Proto from TRUSTED_PROXIES alone;
# SECURE_PROXY_SSL_HEADER would believe everybody.
# Our root changes with every generation: HSTS would lock administrators out; only a proxy with a certificate of its own may ask for it.
# For the same reason nothing is redirected by Django: System / General decides, while the panel answers over HTTPS.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]
SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", 0, least=0, most=63072000)

# (rule json-lines)
LOG = env.choice("LOG", "text", ("text", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "pbxcerts.system.log_lines.WithoutSecrets",
            "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        },
        "json": {"()": "pbxcerts.system.log_lines.JsonLines"},
    },
    "filters": {"said_elsewhere": {"()": "pbxcerts.system.database.database_lock.SaidElsewhere"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django-q": {"level": "WARNING", "filters": ["said_elsewhere"]},
        "uvicorn": {"level": "WARNING"},
    },
}
# What /metrics wants to be asked with; "" turns it off.
METRICS_TOKEN = env.secret_text("METRICS_TOKEN")
