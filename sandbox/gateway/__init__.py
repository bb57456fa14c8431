"""A payment gateway on loopback for the official stripe SDK, with faults on demand."""

from sandbox.gateway.control import GatewayControl, GatewayStats, LoggedRequest, RealCharge
from sandbox.gateway.faults import FaultSettings
from sandbox.gateway.gateway import (
    WEBHOOK_SECRET,
    Gateway,
    GatewayOptions,
    RunningGateway,
    running_gateway,
)

__all__ = [
    "WEBHOOK_SECRET",
    "FaultSettings",
    "Gateway",
    "GatewayControl",
    "GatewayOptions",
    "GatewayStats",
    "LoggedRequest",
    "RealCharge",
    "RunningGateway",
    "running_gateway",
]
