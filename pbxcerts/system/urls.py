from django.urls import path

from pbxcerts.system.views import events, general, users

app_name = "system"

# The part of a name before "_" is the entry of the navigation that is shown as open.
urlpatterns = [
    path("general/", general.general, name="general"),
    path("general/clock/", general.check, name="general_check"),
    path("users/", users.users, name="users"),
    path("users/add/", users.add, name="users_add"),
    path("users/<int:pk>/", users.edit, name="users_edit"),
    path("users/<int:pk>/password/", users.password, name="users_password"),
    path("events/", events.events, name="events"),
    path("events/<int:pk>/confirm/", events.confirm, name="events_confirm"),
]
