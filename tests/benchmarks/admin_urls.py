from django.contrib import admin
from django.urls import include, path

from certificates.models import Settings

admin.site.register(Settings)

urlpatterns = [path("admin/", admin.site.urls), path("", include("pbxcerts.urls"))]
