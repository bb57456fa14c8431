"""Where the dashboard's data are, below the admin."""

from django.urls import path

from celeriac.console.dashboard.views import data

app_name = "console"

urlpatterns = [path("dashboard/data/", data, name="dashboard-data")]
