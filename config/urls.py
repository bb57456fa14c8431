"""Where requests go."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

handler400 = "celeriac.core.errorpages.bad_request"
handler403 = "celeriac.core.errorpages.permission_denied"
handler404 = "celeriac.core.errorpages.not_found"
handler500 = "celeriac.core.errorpages.server_error"

urlpatterns = [
    path("", include("celeriac.monitoring.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", include("celeriac.console.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("celeriac.http.urls")),
    path("flower/", include("celeriac.monitoring.flower.urls")),
    path("", include("apps.payments.urls")),  # here only
    path("", include("apps.notifications.urls")),  # here only
]
