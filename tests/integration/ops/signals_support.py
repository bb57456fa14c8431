"""What the tests of signals share."""

from prometheus_client.parser import text_string_to_metric_families

#: CONTRACT's list: names, types and labels.
CONTRACT = {
    "celeriac_jobs_enqueued_total": ("counter", {"kind", "queue"}),
    "celeriac_runs_total": ("counter", {"kind", "queue", "outcome"}),
    "celeriac_run_seconds": ("histogram", {"kind"}),
    "celeriac_wait_seconds": ("histogram", {"kind", "queue"}),
    "celeriac_queue_depth": ("gauge", {"queue", "view"}),
    "celeriac_queue_oldest_seconds": ("gauge", {"queue"}),
    "celeriac_rings_total": ("counter", {"queue"}),
    "celeriac_stale_writes_total": ("counter", set()),
    "celeriac_rescued_total": ("counter", set()),
    "celeriac_breaker_state": ("gauge", {"name"}),
    "celeriac_dispatcher_lag_seconds": ("gauge", set()),
    "celeriac_worker_heartbeat_age_seconds": ("gauge", {"worker"}),
}


def families(page):
    """Return the families of a page by the name that the contract gives them."""
    found = {}
    for family in text_string_to_metric_families(page):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = family
    return found


def value(page, sample, /, **labels):
    """Return one sample's value, None where it is not there."""
    for family in families(page).values():
        for each in family.samples:
            if each.name == sample and each.labels == labels:
                return each.value
    return None
