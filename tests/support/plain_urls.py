"""Addresses of a stranger's project."""

from django.contrib import admin
from django.urls import path

from celeriac.console.own_site import console
from celeriac.settings import conf

urlpatterns = [path("backstage/", admin.site.urls)]
if conf.CONSOLE_SITE:
    urlpatterns += [path("ops/jobs/", console.urls)]
