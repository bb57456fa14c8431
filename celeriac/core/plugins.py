"""Where apps add themselves to what people and machines see: each calls `plug_in` when it is ready.

::

    class ShopConfig(AppConfig):
        def ready(self):
            plug_in(Plugin(name="shop", sidebar={"Shop": (("Orders", "shop.order"),)}))

The library's own apps above the console use the same points. Sections of a job's page have a
registry of their own (celeriac/jobs/job_pages.py).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from celeriac.core.check_results import Check
from celeriac.core.retention import RetentionRule

if TYPE_CHECKING:
    from prometheus_client.core import Metric

#: The groups that `migrate` fills (celeriac/console/actions/groups.py).
ROLES = ("viewer", "operator", "admin")


@dataclass(frozen=True, slots=True)
class AttentionSentence:
    """What an operator should look at: `level` is *warning* or *danger*; `url` leads there."""

    text: str
    url: str = ""
    level: str = "warning"


@dataclass(frozen=True, slots=True)
class Attention:
    """Sentences for the dashboard, asked for at each refresh, for those who have a permission."""

    permission: str
    sentences: Callable[[], Iterable[AttentionSentence]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What an app adds. Places are `app.model` or a URL's name; permissions `app.codename`."""

    name: str
    #: By section: lines of a title and a place.
    sidebar: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    #: Apps whose rows the group *viewer* may see, and *admin* may change.
    viewed: frozenset[str] = frozenset()
    #: Apps that are the group *admin*'s matter alone.
    administered: frozenset[str] = frozenset()
    #: Permissions of the group *operator*.
    operated: frozenset[str] = frozenset()
    #: What `manage.py doctor` looks at once the tables are there.
    checks: tuple[Check, ...] = ()
    attention: tuple[Attention, ...] = ()
    #: Rows that `maintenance.cleanup` deletes, and why other tables of the app are kept.
    rules: tuple[RetentionRule, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    #: Of `kept`, the tables that grow all the same.
    large_tables: frozenset[str] = frozenset()
    #: What the audit trail speaks of (its `target_type`).
    audited: tuple[str, ...] = ()
    #: Prometheus metrics, asked for at each scrape.
    metrics: tuple[Callable[[], "Iterable[Metric]"], ...] = ()


_plugins: dict[str, Plugin] = {}


def plug_in(plugin: Plugin) -> None:
    """Add what an app brings; the same name again takes the place of the former."""
    _plugins[plugin.name] = plugin


def plugins() -> Iterator[Plugin]:
    """Iterate over what was plugged in, in order."""
    return iter(list(_plugins.values()))
