"""The process that forks programs for tests; started by `tests.support.forks`, run as a script.

It has imported the libraries and nothing of ours: no settings are read before the fork. So a
program that it forks differs from one that was started in nothing but its age, and saves three
quarters of the processor time that a start of Python, Django and Celery takes.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import socket
import sys
import time

LIBRARIES = """
asgiref.sync celery.apps.beat celery.apps.worker celery.backends.redis celery.bin.celery
celery.concurrency.prefork celery.events.state celery.fixups.django celery.worker.autoscale
celery.worker.components celery.worker.consumer cron_descriptor environ ephem gunicorn.app.wsgiapp
hiredis httpcore httpx iso4217 jsonschema jwt kombu.transport.redis prometheus_client.multiprocess
psutil psycopg psycopg_binary psycopg_pool pybreaker pydantic pydantic.dataclasses
pydantic.networks redis.asyncio requests rich.console rich.table sentry_sdk sqlparse stripe
tornado.web uritemplate urllib3 yaml
anymail.backends.base django.contrib.admin.options django.contrib.messages.storage.fallback
django.contrib.postgres.fields django.contrib.postgres.indexes django.contrib.postgres.search
django.core.cache.backends.redis django.core.handlers.wsgi django.core.mail.backends.smtp
django.core.management.commands.runserver django.db.backends.postgresql.base
django.db.models.functions django.tasks django.template.defaulttags django.template.loader_tags
django.test django.views.debug django.views.generic rest_framework.compat
rest_framework.exceptions rest_framework.serializers
opentelemetry.exporter.otlp.proto.http.trace_exporter opentelemetry.sdk.metrics.export
opentelemetry.sdk.trace.export
"""
#: Bytes of a request: arguments and environment.
LARGEST = 2**20


def main():
    """Answer each request with the id of a forked process, until the other side is closed."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    del sys.path[0]  # this file's folder, where another `flower` lies
    for name in LIBRARIES.split():
        with contextlib.suppress(ModuleNotFoundError):  # of a platform that goes without
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a child's first collection would copy every page
    while True:
        data, files, _, _ = socket.recv_fds(channel, LARGEST, 1)
        if not data:
            return
        if (pid := fork_orphan()) is None:
            channel.close()
            run(json.loads(data), *files)
            return
        os.close(*files)
        channel.send(str(pid).encode())


def fork_orphan():
    """Return a new process's id here and None there: whoever reaps for us is its parent.

    Its first parent has ended when this returns, so the test process can wait for it.
    """
    reading, writing = os.pipe()
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            return int(pipe.read())
    middle = os.getpid()
    if pid := os.fork():
        os.write(writing, str(pid).encode())
        os._exit(0)
    os.close(reading)
    os.close(writing)
    while os.getppid() == middle:
        time.sleep(0.001)
    return None


def run(request, output):
    """Become the program: its session, directory, files and environment; then run its code."""
    os.setsid()
    os.chdir(request["cwd"])
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[:0] = filter(None, request["env"].get("PYTHONPATH", "").split(os.pathsep))
    arguments = request["arguments"]
    if arguments[0] == "-m":
        sys.path.insert(0, request["cwd"])
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
