from django.urls import path

from pbxcerts.demo import views

app_name = "demo"

urlpatterns = [
    path("night/", views.night, name="night"),
    path("deadline/", views.deadline, name="deadline"),
    path("server/", views.server, name="server"),
]
