"""`make canvas`: Celery's public integration tests with their tasks on the ledger.

1. A checkout of Celery is given; its tests are copied aside, unchanged, and never kept.
2. PostgreSQL and Valkey are started, a project is migrated, a dispatcher begins.
3. Their tests run under pytest. Their app is of our class, all of their tasks are jobs, and the
   worker that their fixture asks for is a real one, in a process of its own.
4. What passed, failed or skipped is told, and held against docs/from-celery.md.
"""
