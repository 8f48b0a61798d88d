"""Acknowledgements with and without aggregators: a schema change never waits for one that is not there."""

import threading
import time

import pytest

from cluster import Cluster, wait_until
from traffic import Traffic

# The bound of one step's wait for a slow process; so long that waiting it out cannot be taken for a slow machine.
BOUND_SECONDS = 30
ENVIRONMENT = {"THESEUS_DDL_BOUNDED_WAIT": f"{BOUND_SECONDS}s"}
CLUSTER = {"environment": ENVIRONMENT}
# What a change may take that waits for nobody, on a machine with much else to do.
PATIENCE_SECONDS = 4
NODES = 5


def longest_steps(cluster, operation, gateway=2):
    """Seconds of every step of the job but those that work on rows, longest first."""
    job = next(job for job in cluster.jobs(gateway) if job["operation_id"] == operation)
    steps = cluster.execute(f"SHOW JOB {job['job_id']} STEPS", gateway)
    seconds = [
        ((finished - started).total_seconds(), name)
        for _, name, _, started, finished, _ in steps if "rows" not in name and "backfill" not in name
    ]
    return sorted(seconds, reverse=True)


def change(cluster, name, statement, gateway=2):
    """Runs a schema change under an operation id; answers its seconds."""
    started = time.monotonic()
    with cluster.connect(gateway) as connection:
        connection.execute(f"SET theseus.operation_id = '{name}'")
        connection.execute(statement)
    return time.monotonic() - started


def build_and_drop(cluster, prefix, rounds=3):
    """Builds and drops an index a few times; none waits for anybody."""
    for number in range(rounds):
        for verb, statement in (("build", f"CREATE INDEX {prefix} ON t (k)"), ("drop", f"DROP INDEX {prefix}")):
            operation = f"{prefix}-{verb}-{number}"
            took = change(cluster, operation, statement)
            steps = longest_steps(cluster, operation)
            assert took < PATIENCE_SECONDS, f"{operation} took {took:.2f} s: {steps}"
            assert len(steps) > 1
    cluster.check_table("t")


def fill(cluster, rows):
    cluster.execute("CREATE TABLE t (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.fill("t", rows)


def is_used(cluster):
    return (cluster.metric("ack-1", "theseus_ack_reporters") == NODES
            and cluster.metric("ack-1", "theseus_ack_watchers") == 1)


@pytest.fixture(scope="module")
def filled(cluster):
    fill(cluster, 2_000)
    return cluster


def test_a_change_while_the_aggregator_is_dead_and_after_it_is_back(filled):
    cluster = filled
    wait_until(lambda: is_used(cluster), 10, "every node reports to the aggregator")
    cluster.local("kill", "ack-1")
    # It is still in everybody's list of live nodes.
    assert cluster.node("ack-1")["is_live"]
    build_and_drop(cluster, "t_dead")
    wait_until(lambda: not cluster.node("ack-1")["is_live"], 15, "the end of the aggregator's lease")
    build_and_drop(cluster, "t_gone")
    cluster.local("start-node", "ack-1")
    wait_until(lambda: is_used(cluster), 15, "the aggregator is used again")
    build_and_drop(cluster, "t_back")


def test_the_aggregator_dies_or_stops_answering_in_the_middle(filled):
    cluster = filled
    for verb, undo in (("kill", "start-node"), ("pause", "resume")):
        wait_until(lambda: is_used(cluster), 15, "the aggregator is used")
        # A transaction of another gateway holds the first step back until the aggregator is away.
        holder = cluster.connect(1, autocommit=False)
        holder.execute("UPDATE t SET v = 'held' WHERE id = 1")
        with Traffic(cluster, "t", threads=2, first_id=1_000_000, ids=20) as traffic:
            operation = f"middle-{verb}"
            seconds = []
            worker = threading.Thread(
                target=lambda: seconds.append(change(cluster, operation, "CREATE INDEX t_middle ON t (k)")))
            worker.start()
            wait_until(
                lambda: any(job["operation_id"] == operation and "gateway-1" in (job["wait_reason"] or "")
                            for job in cluster.jobs(2)), 10, "the job waits for gateway-1", pause=0.005)
            cluster.local(verb, "ack-1")
            holder.commit()
            holder.close()
            worker.join(60)
            assert seconds, "CREATE INDEX failed or hangs"
            # Without a confirmation for half a second a node turns to the leader.
            steps = longest_steps(cluster, operation)
            assert steps[0][0] < PATIENCE_SECONDS, f"{operation}: {steps}"
            traffic.progress(20)
        traffic.assert_undisturbed()
        traffic.verify()
        cluster.check_table("t", indexes=["t_middle"])
        cluster.execute("DROP INDEX t_middle")
        cluster.execute("DELETE FROM t WHERE id >= 1000000")
        cluster.local(undo, "ack-1")


def test_a_cluster_without_aggregators(request):
    cluster = Cluster(request.node.name, ENVIRONMENT)
    try:
        cluster.start(acks=0)
        assert not cluster.members("ack")
        fill(cluster, 2_000)
        build_and_drop(cluster, "t_none")
    finally:
        cluster.stop()
