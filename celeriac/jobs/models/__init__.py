"""The ledger's tables."""

from celeriac.jobs.models.attempt import Attempt as Attempt
from celeriac.jobs.models.dispatcher import Dispatcher as Dispatcher
from celeriac.jobs.models.handedback import HandedBack as HandedBack
from celeriac.jobs.models.job import Job as Job
from celeriac.jobs.models.jobkey import JobKey as JobKey
from celeriac.jobs.models.largecall import LargeCall as LargeCall
from celeriac.jobs.models.node import Emission as Emission, Node as Node, NodeEdge as NodeEdge
from celeriac.jobs.models.queue import Queue as Queue
from celeriac.jobs.models.route import Route as Route
from celeriac.jobs.models.searchterm import SearchTerm as SearchTerm
from celeriac.jobs.models.shadow import (
    ShadowCall as ShadowCall,
    ShadowGap as ShadowGap,
    ShadowRun as ShadowRun,
)
from celeriac.jobs.models.worker import Sign as Sign, Worker as Worker
