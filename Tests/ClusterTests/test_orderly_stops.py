"""Processes that stop in an orderly way (SIGTERM), and processes cut off longer than a connection's keepalive."""

import threading
import time

import psycopg
import pytest

from cluster import wait_until
from traffic import Traffic

# So long that waiting it out cannot be taken for a slow machine.
CLUSTER = {"environment": {"THESEUS_DDL_BOUNDED_WAIT": "30s"}}
# A lease of five seconds is renewed three times: who is not told of an end waits more than three.
LEASE_LEFT_SECONDS = 3


@pytest.fixture(scope="module")
def filled(cluster):
    cluster.execute("CREATE TABLE t (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.execute("CREATE INDEX t_k ON t (k)")
    cluster.fill("t", 5_000)
    return cluster


class Readers:
    """Clients that read without pause; every statement must answer."""

    def __init__(self, cluster, gateways=(1, 2)):
        self.cluster = cluster
        self.failures = []
        self.count = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(gateway,), daemon=True) for gateway in gateways]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a reader hangs"

    def _read(self, gateway):
        number = gateway
        with self.cluster.connect(gateway) as connection:
            while not self._stop.is_set():
                number = number * 7919 % 5_000 + 1
                try:
                    # Rows of the traffic may share the key.
                    found = connection.execute(
                        "SELECT id FROM t WHERE k = %s AND id <= 5000", (number * 7919 % 1_000_003,)).fetchall()
                    if found != [(number,)]:
                        self.failures.append(f"by its index row {number} is {found}")
                    self.count += 1
                except psycopg.Error as error:
                    self.failures.append(f"{error.sqlstate} {error}")
                    return


def restart_in_order(cluster, name, traffic):
    """Stops a process with SIGTERM, lets the clients go on without it, starts it again."""
    took = cluster.terminate(name)
    assert "stopped" in cluster.log(name).splitlines()[-1], cluster.log(name)[-500:]
    traffic.progress(100)
    cluster.local("start-node", name)
    traffic.progress(100)
    return took


def test_no_statement_fails_while_processes_are_restarted_one_by_one(filled):
    cluster = filled
    with Traffic(cluster, "t", threads=4, first_id=1_000_000) as traffic, Readers(cluster) as readers:
        traffic.progress(50)
        for name in ["storage-1", "storage-2", "storage-3", "ack-1", cluster.metadata_leader(), "storage-1",
                     cluster.metadata_leader()]:
            restart_in_order(cluster, name, traffic)
    assert not readers.failures, readers.failures[:5]
    assert readers.count > 100
    traffic.assert_undisturbed()
    traffic.verify()
    # Nobody waits until a request is given up (3 s) and sent elsewhere.
    assert max(traffic.latencies) < 3, f"a write took {max(traffic.latencies):.2f} s"
    cluster.check_table("t", indexes=["t_k"])
    cluster.execute("DELETE FROM t WHERE id >= 1000000")


def test_the_metadata_leader_hands_over(filled):
    cluster = filled
    leader = cluster.metadata_leader()
    with Traffic(cluster, "t", threads=2, first_id=2_000_000) as traffic:
        traffic.progress(20)
        # A change that goes on under the next leader, and its client does not notice.
        answers = []
        worker = threading.Thread(
            target=lambda: answers.append(cluster.execute("CREATE INDEX t_handed_over ON t (v)", gateway=2)))
        worker.start()
        cluster.terminate(leader)
        started = time.monotonic()
        cluster.execute("CREATE TABLE after_hand_over (id int8 PRIMARY KEY)")
        assert time.monotonic() - started < LEASE_LEFT_SECONDS
        worker.join(30)
        assert answers == ["CREATE INDEX"]
        traffic.progress(20)
    traffic.assert_undisturbed()
    assert cluster.metadata_leader() != leader
    cluster.local("start-node", leader)
    cluster.check_table("t", indexes=["t_handed_over"])
    for statement in ("DROP TABLE after_hand_over", "DROP INDEX t_handed_over", "DELETE FROM t WHERE id >= 2000000"):
        cluster.execute(statement)


@pytest.mark.parametrize("name", ["gateway-1", "storage-3"])
def test_nobody_waits_for_a_process_that_has_left(filled, name):
    cluster = filled
    cluster.execute("CREATE TABLE small (id int8 PRIMARY KEY, k int8)", gateway=2)
    cluster.execute("INSERT INTO small SELECT * FROM (VALUES (1, 2), (3, 4)) AS rows", gateway=2)
    assert cluster.node(name)["is_live"]
    cluster.terminate(name)
    try:
        started = time.monotonic()
        cluster.execute("CREATE INDEX small_k ON small (k)", gateway=2)
        took = time.monotonic() - started
        assert not cluster.node(name)["is_live"]
        assert took < LEASE_LEFT_SECONDS, f"CREATE INDEX took {took:.2f} s after the orderly stop of {name}"
    finally:
        cluster.local("start-node", name)
    assert cluster.node(name)["is_live"]
    cluster.check_table("small", gateway=2, indexes=["small_k"])
    cluster.execute("DROP TABLE small", gateway=2)


def lead(cluster, name):
    """Ranges that a storage node leads."""
    return cluster.metric(name, "theseus_storage_leaders") or 0


def test_a_storage_node_cut_off_longer_than_the_keepalive(filled):
    cluster = filled
    victim = max((member["name"] for member in cluster.members("storage")), key=lambda name: lead(cluster, name))
    others = [member["name"] for member in cluster.members("storage") if member["name"] != victim]
    assert lead(cluster, victim) > 0
    with Traffic(cluster, "t", threads=4, first_id=3_000_000) as traffic, Readers(cluster) as readers:
        traffic.progress(50)
        seen = {name: cluster.log(name).count("keepalive") for name in others}
        cluster.local("pause", victim)
        started = time.monotonic()
        traffic.progress(200)
        failed_over = time.monotonic() - started
        # Noticed by those that talk to it, and by the metadata service.
        for name in others:
            wait_until(
                lambda: cluster.log(name).count("keepalive") > seen[name], 20,
                lambda: f"{name} closes the connection; its log ends with:\n{cluster.log(name)[-3000:]}")
        wait_until(lambda: not cluster.node(victim)["is_live"], 15, "the end of the lease")
        assert sum(lead(cluster, name) for name in others) > 0
        cluster.local("resume", victim)
        wait_until(lambda: cluster.is_ready(victim), 15, f"{victim} is ready again")
        wait_until(lambda: cluster.node(victim)["is_live"], 15, f"{victim} has a session again")
        # Without it there is no majority now: it takes part in everything again.
        bystander = others[0]
        cluster.local("pause", bystander)
        traffic.progress(200)
        cluster.local("resume", bystander)
        wait_until(lambda: cluster.is_ready(bystander), 15, f"{bystander} is ready again")
        traffic.progress(50)
    assert not readers.failures, readers.failures[:5]
    traffic.assert_undisturbed()
    traffic.verify()
    assert failed_over < 10, f"200 writes took {failed_over:.1f} s beside a storage node that was cut off"
    cluster.check_table("t", indexes=["t_k"])
    cluster.execute("DELETE FROM t WHERE id >= 3000000")


def test_a_gateway_cut_off_longer_than_the_keepalive(filled):
    cluster = filled
    idle = cluster.connect(1)
    assert idle.execute("SELECT 1").fetchone() == (1,)
    leader = cluster.metadata_leader()
    seen = cluster.log(leader).count("keepalive")
    cluster.local("pause", "gateway-1")
    try:
        with Traffic(cluster, "t", threads=2, first_id=4_000_000, gateways=[2]) as traffic:
            wait_until(
                lambda: cluster.log(leader).count("keepalive") > seen, 20, "the metadata leader closes the connection")
            wait_until(lambda: not cluster.node("gateway-1")["is_live"], 15, "the end of the lease")
            traffic.progress(100)
        traffic.assert_undisturbed()
    finally:
        cluster.local("resume", "gateway-1")
    wait_until(lambda: cluster.is_ready("gateway-1"), 15, "gateway-1 is ready again")
    wait_until(lambda: cluster.node("gateway-1")["is_live"], 15, "gateway-1 has a session again")
    # The client's own connection has outlived it all.
    assert idle.execute("SELECT count(*) FROM t WHERE id <= 5000").fetchone() == (5_000,)
    idle.close()
    with Traffic(cluster, "t", threads=2, first_id=5_000_000, gateways=[1]) as traffic:
        traffic.progress(50)
    traffic.assert_undisturbed()
    traffic.verify()
    cluster.execute("DELETE FROM t WHERE id >= 4000000")
