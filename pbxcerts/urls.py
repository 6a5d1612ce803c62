"""The panel's URLs."""

from django.conf import settings
from django.contrib.auth.views import LogoutView
from django.urls import include, path, register_converter

from pbxcerts.panel import appearance, backups, first_start, general, message_help, overview, own_account, search
from pbxcerts.panel.help import views as help_pages
from pbxcerts.system.notifications import views as destinations
from pbxcerts.system.pages.url_numbers import NumberConverter
from pbxcerts.system.views import account, events, machines, users

handler400 = "pbxcerts.panel.error_pages.bad_request"
handler403 = "pbxcerts.panel.error_pages.forbidden"
handler404 = "pbxcerts.panel.error_pages.not_found"
handler500 = "pbxcerts.panel.error_pages.server_error"

# Also for the URLs that are included below.
register_converter(NumberConverter, "number")

# The part of a name before "_" is the entry of the navigation that is shown as open (pbxcerts.system.pages.frame).
SYSTEM = [
    path("general/", general.general, name="general"),
    path("general/clock/", general.check, name="general_check"),
    path("general/clock/readings/", general.readings, name="general_readings"),
    path("general/clock/accept/", general.accept_clock, name="general_accept_clock"),
    path("general/backup/", backups.backup_now, name="general_backup"),
    path("machines/", machines.machines, name="machines"),
    path("machines/<slug:key>/take-over/", machines.take_over, name="machines_take_over"),
    path("machines/<slug:key>/remove/", machines.remove, name="machines_remove"),
    path("users/", users.users, name="users"),
    path("users/add/", users.add, name="users_add"),
    path("users/<number:pk>/", users.edit, name="users_edit"),
    path("users/<number:pk>/password/", users.password, name="users_password"),
    path("events/", events.events, name="events"),
    path("events/<number:pk>/confirm/", events.confirm, name="events_confirm"),
    path("events/open/", events.open_counts, name="events_open"),
    path("events/meaning/", message_help.message_help, name="events_meaning"),
    path("events/destinations/", destinations.destinations, name="events_destinations"),
    path("events/destinations/add/<slug:kind>/", destinations.add, name="events_destination_add"),
    path("events/destinations/<number:pk>/", destinations.destination, name="events_destination"),
    path("events/destinations/<number:pk>/state/", destinations.state, name="events_destination_state"),
    path("events/destinations/<number:pk>/edit/", destinations.edit, name="events_destination_edit"),
    path("events/destinations/<number:pk>/test/", destinations.test, name="events_destination_test"),
    path("events/destinations/<number:pk>/remove/", destinations.remove, name="events_destination_remove"),
    path("events/destinations/<number:pk>/secret/", destinations.secret, name="events_destination_secret"),
    path("events/watchdog/", destinations.watchdog_page, name="events_watchdog"),
    path("events/watchdog/call/", destinations.watchdog_call, name="events_watchdog_call"),
    path("events/watchdog/remove/", destinations.watchdog_remove, name="events_watchdog_remove"),
]

urlpatterns = [
    path("", overview.overview, name="home"),
    path("overview/", overview.state, name="home_state"),
    path("first-start/", first_start.resume, name="first_start"),
    path("first-start/names/", first_start.names, name="first_start_names"),
    path("first-start/clock/", first_start.clock, name="first_start_clock"),
    path("first-start/generation/", first_start.generation, name="first_start_generation"),
    path("search/", search.search, name="search"),
    path("help/", help_pages.contents, name="help"),
    path("help/terms/", help_pages.terms, name="help_terms"),
    path("help/<slug:code>/", help_pages.of_view, name="help_view"),
    path("certificates/", include("certificates.urls")),
    path("terminals/", include("terminals.urls")),
    path("system/", include((SYSTEM, "system"))),
    path("login/", account.LogIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/", own_account.own_account, name="account"),
    path("account/end-session/", own_account.end_session, name="account_end_session"),
    path("account/end-other-sessions/", own_account.end_other_sessions, name="account_end_other_sessions"),
    path("password/", account.ChangePassword.as_view(), name="password_change"),
    path("language/", appearance.choose_language, name="set_language"),
    path("theme/", appearance.choose_theme, name="theme"),
    path("setup/", account.set_up, name="set_up"),
    *([path("demo/", include("pbxcerts.demo.urls"))] if settings.DEMO else []),
]
