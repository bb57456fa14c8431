"""Real processes under an environment as deployments have it."""

from celeriac import enqueue
from tests.support.flower import start_flower
from tests.support.processes import wait_until

#: What Kubernetes says in every pod of a namespace whose services are called so.
SERVICES = {
    f"{name}_PORT": "tcp://10.0.0.1:6379" for name in ("WEB", "FLOWER", "VALKEY", "POSTGRES")
}


def test_kubernetes_variables_and_a_pool_of_connections_stop_nothing(
    processes, settings, database_url
):
    """Worker and dispatcher work through a pool that the URL asks for; Flower answers."""
    env = SERVICES | {"DATABASE_URL": f"{database_url}?pool=true&application_name=pooled"}
    processes.dispatcher(env=env)
    processes.worker(queues=["default"], concurrency=2, env=env)
    handles = [enqueue("test.note", {"name": str(number)}) for number in range(20)]
    wait_until(lambda: all(handle.state == "succeeded" for handle in handles), timeout=60)
    died = enqueue("test.die", {})
    wait_until(lambda: died.state == "dead", timeout=60)
    handles = [enqueue("test.note", {"name": str(number)}) for number in range(20)]
    wait_until(lambda: all(handle.state == "succeeded" for handle in handles), timeout=60)
    flower = start_flower(processes, settings, env=env)
    assert flower.is_running, flower.output
