"""The library's tables, as its SQL names them: a test holds each to its model.

Here because SQL is written when a module is imported, which may be before the
models are ready.
"""

from typing import Final

AUDIT: Final = "celeriac_core_audit"
AUDIT_BATCH: Final = "celeriac_core_auditbatch"
COUNTER: Final = "celeriac_core_counter"

BREAKER: Final = "celeriac_breakers_breaker"
TRANSITION: Final = "celeriac_breakers_transition"

ATTEMPT: Final = "celeriac_jobs_attempt"
DISPATCHER: Final = "celeriac_jobs_dispatcher"
HANDED_BACK: Final = "celeriac_jobs_handedback"
EMISSION: Final = "celeriac_jobs_emission"
JOB: Final = "celeriac_jobs_job"
JOB_KEY: Final = "celeriac_jobs_jobkey"
LARGE_CALL: Final = "celeriac_jobs_largecall"
NODE: Final = "celeriac_jobs_node"
NODE_EDGE: Final = "celeriac_jobs_nodeedge"
QUEUE: Final = "celeriac_jobs_queue"
ROUTE: Final = "celeriac_jobs_route"
SEARCH_TERM: Final = "celeriac_jobs_searchterm"
SHADOW_CALL: Final = "celeriac_jobs_shadowcall"
SHADOW_GAP: Final = "celeriac_jobs_shadowgap"
SHADOW_RUN: Final = "celeriac_jobs_shadowrun"
SIGN: Final = "celeriac_jobs_sign"
WORKER: Final = "celeriac_jobs_worker"

POLICY: Final = "celeriac_schedules_policy"
TICK: Final = "celeriac_schedules_tick"

ERROR_ROLLUP: Final = "celeriac_monitoring_errorrollup"
ROLLUP_RUN: Final = "celeriac_monitoring_pass"
ROLLUP: Final = "celeriac_monitoring_rollup"
SAMPLE: Final = "celeriac_monitoring_sample"
