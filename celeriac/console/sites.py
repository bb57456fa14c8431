"""The admin site that the library's pages are on: it keeps its look, unless its owner dresses it.

Pages are registered where Django's own are, or on the site that `CELERIAC["CONSOLE_SITE"]` names,
which may be the console's own (own_site.py).
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin import AdminSite, ModelAdmin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from celeriac.settings import conf

LANDING = "celeriac/dashboard.html"
TITLE = "Console"


def site_of_pages() -> AdminSite:
    """Return the site that the library's pages are on."""
    return cast(AdminSite, import_string(conf.CONSOLE_SITE)) if conf.CONSOLE_SITE else admin.site


def register[Page](*models: type[Model]) -> Callable[[Page], Page]:
    """Return a decorator that puts the models' page on that site.

    In the place of the one that comes with a package of theirs, which takes anything; a page
    that the project has for them stays.
    """

    def put(page: Page) -> Page:
        site = site_of_pages()
        for model in models:
            if site.is_registered(model):
                if not _came_with(model, site._registry[model]):
                    continue
                site.unregister(model)
            site.register(model, page)  # type: ignore[arg-type]  # mixins hide that it is a page
        return page

    return put


def _came_with(model: type[Model], page: "ModelAdmin[Any]") -> bool:
    return type(page).__module__.partition(".")[0] == model.__module__.partition(".")[0]


def address(page: str, *args: Any) -> str:
    """Return the address of a page: of that site, where it has one of the name."""
    try:
        return reverse(page, args=args, current_app=site_of_pages().name)
    except NoReverseMatch:
        return reverse(page, args=args)


def site_context(request: HttpRequest) -> dict[str, Any]:
    """Return what a page beside the models' own needs from that site; its links stay there."""
    site = site_of_pages()
    request.current_app = site.name
    return site.each_context(request)


def dress_site(site: AdminSite) -> None:
    """Make the dashboard a site's landing page, and let none of its lists count their rows.

    For a site whose owner asks for it, once its pages are registered.
    """
    from celeriac.console.paginating import InfinitePaginator  # asks which apps are installed

    site.index_template = LANDING
    site.index_title = TITLE
    pages: Iterable[Any] = site._registry.values()
    for page in pages:
        page.paginator = InfinitePaginator
        page.show_full_result_count = False
