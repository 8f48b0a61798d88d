"""Processes die or freeze in the middle of a schema change; nothing acknowledged is lost and nothing is half done."""

import os
import signal
import threading
import time

import psycopg
import pytest

from cluster import wait_until
from traffic import Traffic

ROWS = 100_000


class Build(threading.Thread):
    """CREATE INDEX through the first gateway that answers, retried with one operation id."""

    def __init__(self, cluster, name, table="t", column="k", gateways=(2, 1)):
        super().__init__(daemon=True)
        self.cluster, self.name_of_index, self.table, self.column, self.gateways = cluster, name, table, column, gateways
        self.error = None
        self.answer = None
        self.seconds = None

    def run(self):
        started = time.monotonic()
        deadline = started + 120
        attempt = 0
        while True:
            try:
                with self.cluster.connect(self.gateways[attempt % len(self.gateways)]) as connection:
                    connection.execute(f"SET theseus.operation_id = 'build-{self.name_of_index}'")
                    self.answer = connection.execute(
                        f"CREATE INDEX {self.name_of_index} ON {self.table} ({self.column})").statusmessage
                self.seconds = time.monotonic() - started
                return
            except psycopg.Error as error:
                lost = error.sqlstate is None or error.sqlstate in {"40003", "57P01", "57P03", "08006"}
                if not lost or time.monotonic() > deadline:
                    self.error = error
                    return
                attempt += 1
                time.sleep(0.1)

    def wait_for_backfill(self):
        """Returns once rows are being backfilled (or the job is done already)."""

        def stage():
            if not self.is_alive():
                return True
            for job in self.cluster.jobs(gateway=2):
                if job["operation_id"] == f"build-{self.name_of_index}":
                    return int(job["rows_done"] or 0) > 0 or "backfill" in (job["stage"] or "")
            return False

        wait_until(stage, 30, "the backfill", pause=0.005)

    def finish(self):
        self.join(150)
        assert not self.is_alive(), "CREATE INDEX hangs"
        assert self.error is None, f"CREATE INDEX failed: {self.error}"
        assert self.answer == "CREATE INDEX"


@pytest.fixture(scope="module")
def loaded(cluster):
    cluster.execute("CREATE TABLE t (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.fill("t", ROWS)
    return cluster


@pytest.mark.parametrize("victim", ["ack", "gateway", "storage", "metadata leader"])
def test_kill_in_the_middle_of_an_index_build(loaded, victim):
    cluster = loaded
    name = {"ack": "ack-1", "gateway": "gateway-1", "storage": "storage-1"}.get(victim) or cluster.metadata_leader()
    index = "t_" + victim.replace(" ", "_")
    first_id = {"ack": 1, "gateway": 2, "storage": 3, "metadata leader": 4}[victim] * 10_000_000
    with Traffic(cluster, "t", threads=4, first_id=first_id) as traffic:
        traffic.progress(50)
        build = Build(cluster, index)
        build.start()
        build.wait_for_backfill()
        cluster.local("kill", name)
        traffic.progress(50)
        build.finish()
        cluster.local("start-node", name)
        traffic.progress(50)
    # Rows of the earlier victims lie above this test's first id only for later ones.
    verify_range(traffic, cluster, first_id)
    cluster.check_table("t", gateway=2, indexes=[index])
    cluster.execute(f"DROP INDEX {index}", gateway=2)


def verify_range(traffic, cluster, first_id):
    assert not traffic.failures, traffic.failures[:5]
    with cluster.connect(2) as connection:
        found = dict(
            connection.execute(
                "SELECT id, v FROM t WHERE id >= %s AND id < %s", (first_id, first_id + 10_000_000)).fetchall())
    wrong = [
        (row, found.get(row), possible) for row, possible in traffic.possible.items() if found.get(row) not in possible
    ]
    assert not wrong, f"{len(wrong)} rows are not what was acknowledged: {wrong[:5]}"
    assert set(found) <= set(traffic.possible), "rows nobody wrote"
    assert traffic.acknowledged > 0


def test_a_paused_gateway_delays_nothing_and_corrupts_nothing(loaded):
    cluster = loaded
    cluster.execute("CREATE TABLE slow (id int8 PRIMARY KEY, k int8 NOT NULL, v text)", gateway=2)
    cluster.fill("slow", 2_000)
    stale = cluster.connect(1, autocommit=False)
    stale.execute("UPDATE slow SET k = -1 WHERE id = 1")
    stale.execute("INSERT INTO slow VALUES (999999, -2, 'stale')")
    cluster.local("pause", "gateway-1")
    try:
        started = time.monotonic()
        cluster.execute("CREATE INDEX slow_k ON slow (k)", gateway=2)
        took = time.monotonic() - started
    finally:
        cluster.local("resume", "gateway-1")
    with pytest.raises(psycopg.errors.SerializationFailure):
        stale.commit()
    stale.close()
    assert took < 5 + 1, f"CREATE INDEX took {took:.1f} s beside a paused gateway"
    assert cluster.execute("SELECT count(*) FROM slow WHERE k < 0", gateway=2) == [(0,)]
    cluster.check_table("slow", gateway=2, indexes=["slow_k"])
    # The gateway is well again.
    wait_until(lambda: serves(cluster, 1), 15, "gateway-1 serving again")
    cluster.execute("UPDATE slow SET k = -1 WHERE id = 1", gateway=1)
    assert cluster.execute("SELECT id FROM slow WHERE k = -1", gateway=2) == [(1,)]
    cluster.check_table("slow", gateway=1)


def serves(cluster, gateway):
    try:
        return cluster.execute("SELECT 1", gateway=gateway) == [(1,)]
    except psycopg.Error:
        return False


def test_one_operation_id_holds_beyond_a_change_of_the_metadata_leader(loaded):
    cluster = loaded

    def create(gateway):
        with cluster.connect(gateway) as connection:
            connection.execute("SET theseus.operation_id = 'across-leaders'")
            return connection.execute("CREATE INDEX t_across ON t (v)").statusmessage

    assert create(1) == "CREATE INDEX"
    leader = cluster.metadata_leader()
    cluster.local("kill", leader)
    started = time.monotonic()
    assert create(2) == "CREATE INDEX"
    assert time.monotonic() - started < 10
    cluster.local("start-node", leader)
    assert create(1) == "CREATE INDEX"
    assert len([job for job in cluster.jobs() if job["operation_id"] == "across-leaders"]) == 1
    cluster.check_table("t", indexes=["t_across"])
    cluster.execute("DROP INDEX t_across")


def test_timestamps_and_schema_survive_a_metadata_failover(loaded):
    cluster = loaded
    before = cluster.status()["schema_index"]
    leader = cluster.metadata_leader()
    cluster.local("kill", leader)
    started = time.monotonic()
    wait_until(lambda: serves(cluster, 1), 20, "statements after the leader's death")
    assert time.monotonic() - started < 5
    assert cluster.metadata_leader() != leader
    cluster.execute("CREATE TABLE after_failover (id int8 PRIMARY KEY)")
    assert cluster.status()["schema_index"] > before
    cluster.local("start-node", leader)
    cluster.execute("DROP TABLE after_failover", gateway=2)


def test_nodes_watch_the_schema_where_it_is_made(loaded):
    cluster = loaded
    watchers = len(cluster.members("storage") + cluster.members("gateway"))
    before = cluster.metadata_leader()
    cluster.local("pause", before)
    try:
        after = wait_until(lambda: leader_beside(cluster, before), 10, "another leader")
    finally:
        cluster.local("resume", before)
    # Their streams to the old one never broke; left there, they would hold up changes when that replica is cut off.
    wait_until(lambda: (cluster.metric(after, "theseus_metadata_watchers") or 0) >= watchers, 15, "everybody at the new leader")


def leader_beside(cluster, name):
    others = [member["name"] for member in cluster.members("meta") if member["name"] != name]
    return next((other for other in others if cluster.metric(other, "theseus_metadata_leader") == 1), None)


def test_kill_everything_during_traffic_and_restart(loaded):
    cluster = loaded
    first_id = 90_000_000
    traffic = Traffic(cluster, "t", threads=4, first_id=first_id)
    with traffic:
        traffic.progress(50)
        cluster.execute("ALTER TABLE t ADD COLUMN kept int8 DEFAULT 5")
        build = Build(cluster, "t_everything")
        build.start()
        build.wait_for_backfill()
        for member in cluster.members():
            os.kill(member["pid"], signal.SIGKILL)
        wait_until(lambda: not any(cluster.is_alive(member) for member in cluster.members()), 10, "death")
        cluster.restart()
        traffic.progress(50)
        build.finish()
    verify_range(traffic, cluster, first_id)
    cluster.check_table("t", indexes=["t_everything"])
    assert cluster.execute("SELECT count(*) FROM t WHERE kept IS NULL OR kept <> 5", gateway=2) == [(0,)]
    assert cluster.execute(f"SELECT count(*) FROM t WHERE id <= {ROWS}") == [(ROWS,)]


def test_a_gateway_can_be_added_while_the_cluster_runs(loaded):
    cluster = loaded
    cluster.local("add-gateway")
    assert cluster.execute(f"SELECT count(*) FROM t WHERE id <= {ROWS}", gateway=3) == [(ROWS,)]
    cluster.execute("CREATE TABLE from_the_third (id int8 PRIMARY KEY)", gateway=3)
    cluster.execute("INSERT INTO from_the_third VALUES (1)", gateway=1)
    cluster.execute("DROP TABLE from_the_third", gateway=2)
