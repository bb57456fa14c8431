"""Flower's place in the site."""

from django.urls import path

from celeriac.monitoring.flower.views import flower

app_name = "flower"

urlpatterns = [
    path("", flower, name="index"),
    path("<path:path>", flower, name="page"),
]
