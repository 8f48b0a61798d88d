"""PAUSE, RESUME and CANCEL of an index build while clients write."""

import threading
import time

import psycopg
import pytest

from cluster import wait_until
from traffic import Traffic

ROWS = 60_000
# Slow enough that a build is met in its middle, however fast the machine.
ROWS_PER_SECOND = 15_000
CLUSTER = {"environment": {"THESEUS_BACKFILL_ROWS_PER_SECOND": str(ROWS_PER_SECOND)}}


@pytest.fixture(scope="module")
def loaded(cluster):
    cluster.execute("CREATE TABLE t (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.fill("t", ROWS)
    return cluster


class Build(threading.Thread):
    """CREATE INDEX on a connection of its own; the error is kept."""

    def __init__(self, cluster, name, statement=None):
        super().__init__(daemon=True)
        self.cluster, self.operation = cluster, f"job-{name}-{time.monotonic()}"
        self.statement = statement or f"CREATE INDEX {name} ON t (k)"
        self.error = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.join(60)
        assert not self.is_alive(), f"{self.statement} hangs"

    def run(self):
        try:
            with self.cluster.connect(2) as connection:
                connection.execute(f"SET theseus.operation_id = '{self.operation}'")
                connection.execute(self.statement)
        except psycopg.Error as error:
            self.error = error

    @property
    def job(self):
        return next((job for job in self.cluster.jobs() if job["operation_id"] == self.operation), None)

    def wait_for(self, condition, what):
        def holds():
            job = self.job
            return job if job and condition(job) else None

        return wait_until(holds, 30, what, pause=0.01)

    def wait_for_rows(self, count):
        return self.wait_for(lambda job: job["state"] == "running" and job["rows_done"] >= count, f"{count} rows")


def control(cluster, verb, job, gateway=1):
    cluster.execute(f"{verb} JOB {job['job_id']}", gateway)


def backfilled(cluster):
    """Rows whose index entries were built, by any storage node so far."""
    return sum(
        cluster.metric(member["name"], "theseus_storage_backfilled_rows_total") for member in cluster.members("storage"))


def indexes(cluster):
    return {row[0] for row in cluster.execute("CHECK TABLE t")}


def test_a_paused_build_stands_still_and_goes_on_from_its_checkpoint(loaded):
    cluster = loaded
    with Traffic(cluster, "t", threads=4, first_id=1_000_000) as traffic, Build(cluster, "t_paused") as build:
        before = backfilled(cluster)
        job = build.wait_for_rows(ROWS // 2)
        control(cluster, "PAUSE", job)
        paused = build.wait_for(lambda job: job["state"] == "paused", "the pause")
        assert paused["wait_reason"] == "paused" and paused["rows_done"] >= ROWS // 2
        with pytest.raises(psycopg.Error) as refused:
            control(cluster, "PAUSE", job, gateway=2)
        assert refused.value.sqlstate == "55000"
        # Writes go on; the job does not, though there is time for many more rows.
        started = time.monotonic()
        traffic.progress(200)
        wait_until(lambda: time.monotonic() - started > 1, 5, "a second")
        still = build.job
        assert (still["state"], still["rows_done"]) == ("paused", paused["rows_done"])
        # A new leader of the metadata service keeps it paused, and knows the checkpoint.
        leader = cluster.metadata_leader()
        cluster.local("kill", leader)
        still = build.wait_for(lambda job: True, "the job under the next leader")
        assert still["state"] == "paused" and still["rows_done"] == paused["rows_done"]
        cluster.local("start-node", leader)
        control(cluster, "RESUME", job, gateway=2)
        seen = []
        build.wait_for(lambda job: seen.append(job["rows_done"]) or job["state"] == "succeeded", "the end of the build")
        assert min(seen) >= paused["rows_done"], seen[:5]
        # All rows again would be half as many more.
        built = backfilled(cluster) - before
        assert ROWS <= built < ROWS * 1.25, f"entries of {built} rows were built, for {ROWS}"
        traffic.progress(50)
    assert build.error is None, build.error
    traffic.verify()
    cluster.check_table("t", indexes=["t_paused"])
    with pytest.raises(psycopg.Error) as refused:
        control(cluster, "RESUME", job)
    assert refused.value.sqlstate == "55000"
    cluster.execute("DROP INDEX t_paused")
    cluster.execute("DELETE FROM t WHERE id >= 1000000")


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_canceled_build_leaves_nothing_behind(loaded, state):
    cluster = loaded
    before = indexes(cluster)
    with Traffic(cluster, "t", threads=4, first_id=2_000_000) as traffic:
        with Build(cluster, "t_canceled") as build:
            job = build.wait_for_rows(ROWS // 4)
            if state == "paused":
                control(cluster, "PAUSE", job)
                build.wait_for(lambda job: job["state"] == "paused", "the pause")
            control(cluster, "CANCEL", job, gateway=2)
            ended = build.wait_for(lambda job: job["state"] == "canceled", "the cancellation")
            assert ended["error"].startswith("57014") and ended["finished"] is not None
        assert build.error is not None and build.error.sqlstate == "57014"
        traffic.progress(50)
        assert indexes(cluster) == before
        cluster.check_table("t")
        with pytest.raises(psycopg.Error) as refused:
            cluster.execute("DROP INDEX t_canceled")
        assert refused.value.sqlstate == "42704"
        # The name is free, for another definition, too.
        with Build(cluster, "t_canceled", "CREATE UNIQUE INDEX t_canceled ON t (id, k)") as again:
            pass
        assert again.error is None, again.error
        traffic.progress(50)
    traffic.verify()
    cluster.check_table("t", indexes=["t_canceled"])
    cluster.execute("DROP INDEX t_canceled")
    assert indexes(cluster) == before
    cluster.execute("DELETE FROM t WHERE id >= 2000000")


def test_a_queued_change_can_be_canceled(loaded):
    cluster = loaded
    with Build(cluster, "t_first") as first:
        job = first.wait_for_rows(1)
        with Build(cluster, "t_second") as second:
            queued = second.wait_for(lambda job: job["state"] == "queued", "the queue")
            assert f"job {job['job_id']}" in queued["wait_reason"]
            control(cluster, "CANCEL", queued)
        assert second.error is not None and second.error.sqlstate == "57014"
    assert first.error is None, first.error
    assert "t_first" in indexes(cluster) and "t_second" not in indexes(cluster)
    with pytest.raises(psycopg.Error) as refused:
        control(cluster, "CANCEL", job)
    assert refused.value.sqlstate == "55000"
    cluster.execute("DROP INDEX t_first")


def test_a_canceled_type_change_leaves_nothing_behind(loaded):
    cluster = loaded
    cluster.execute("CREATE INDEX t_k ON t (k)")
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 't'"
    before, content = cluster.execute(columns), cluster.execute("SELECT count(*), sum(k) FROM t")
    with Traffic(cluster, "t", threads=4, first_id=3_000_000) as traffic:
        with Build(cluster, "type", "ALTER TABLE t ALTER k TYPE numeric, ALTER v TYPE varchar(90) USING v") as build:
            job = build.wait_for_rows(ROWS // 2)
            control(cluster, "CANCEL", job, gateway=2)
            build.wait_for(lambda job: job["state"] == "canceled", "the cancellation")
        assert build.error is not None and build.error.sqlstate == "57014"
        traffic.progress(50)
    traffic.verify()
    cluster.check_table("t", indexes=["t_k"])
    assert cluster.execute(columns, gateway=2) == before
    cluster.execute("DELETE FROM t WHERE id >= 3000000")
    assert cluster.execute("SELECT count(*), sum(k) FROM t", gateway=2) == content
    cluster.execute("DROP INDEX t_k")
