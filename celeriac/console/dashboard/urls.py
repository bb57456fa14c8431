"""Where the dashboard's data are."""

from django.urls import path

from celeriac.console.dashboard.views import data

urlpatterns = [path("", data, name="dashboard-data")]
