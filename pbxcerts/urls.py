"""The panel's URLs."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from pbxcerts.system.views import account

handler400 = "pbxcerts.error_pages.bad_request"
handler403 = "pbxcerts.error_pages.forbidden"
handler500 = "pbxcerts.error_pages.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="certificates:overview"), name="home"),
    path("certificates/", include("certificates.urls")),
    path("terminals/", include("terminals.urls")),
    path("system/", include("pbxcerts.system.urls")),
    path("login/", account.LogIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", account.ChangePassword.as_view(), name="password_change"),
    path("language/", account.set_language, name="set_language"),
    path("setup/", account.set_up, name="set_up"),
]
