"""Flower's place in the site."""

from django.urls import path

from celeriac.monitoring.flower.views import flower

urlpatterns = [
    path("", flower, name="flower"),
    path("<path:path>", flower, name="flower-page"),
]
