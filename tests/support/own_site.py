"""Addresses of a project whose console is a site of its own, below another path than its admin."""

from django.contrib import admin
from django.urls import path

from celeriac.console.own_site import ConsoleSite
from config import urls

#: With the pages that the library put on the platform's site.
site = ConsoleSite("jobs")
for _model, _page in admin.site._registry.items():
    if type(_page).__module__.startswith("celeriac."):
        site.register(_model, type(_page))

urlpatterns = [
    *(each for each in urls.urlpatterns if str(each.pattern) != "admin/"),
    path("backstage/", admin.site.urls),
    path("ops/jobs/", site.urls),
]
