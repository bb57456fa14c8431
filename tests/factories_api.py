"""Service accounts for tests."""

import factory

from celeriac.http.models import Grant, ServiceAccount


class ServiceAccountFactory(factory.django.DjangoModelFactory):
    """A service that calls the API; it may do nothing yet."""

    class Meta:
        model = ServiceAccount

    name = factory.Sequence(lambda n: f"service-{n}")


class GrantFactory(factory.django.DjangoModelFactory):
    """Every verb on every kind and queue."""

    class Meta:
        model = Grant

    account = factory.SubFactory(ServiceAccountFactory)
    kinds = "*"
    queues = "*"
    verbs = factory.LazyFunction(lambda: ["enqueue", "read", "cancel", "retry"])
