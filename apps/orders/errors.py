"""What can go wrong with an order."""

from celeriac import CeleriacError


class OrderError(CeleriacError):
    """An order was refused."""


class InvalidOrder(OrderError):
    """The order makes no sense; `details["errors"]` maps each field to what is wrong."""


class OrderNotFound(OrderError):
    """There is no such order."""


class WrongState(OrderError):
    """The order's state forbids it."""
