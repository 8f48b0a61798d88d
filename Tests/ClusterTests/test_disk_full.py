"""A storage node whose disk is full: the other two replicas serve, nothing wrong is answered, and with space it takes part again."""

import contextlib
import os
import resource
import subprocess

import grpc
import psycopg
import pytest

from cluster import Cluster, wait_until
from traffic import Traffic

VICTIM = "storage-3"
ROW_BYTES = 4_000
# Of the small disk; on that of the others there is more.
RESERVE = "16MiB"
# RangeService, as the health service knows it.
RANGE_SERVICE = b"theseus.v1.Range"


class SmallDisk:
    """A file system of its own, 64 MiB large, under the victim's data directory."""

    def __init__(self, directory):
        self.path = directory / "data" / VICTIM

    def prepare(self):
        self.path.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "theseus-test", self.path], check=True)

    def fill(self, cluster):
        pass

    def give_space(self, cluster):
        subprocess.run(["mount", "-o", "remount,size=1g", self.path], check=True)

    def remove(self):
        subprocess.run(["umount", "-l", self.path], check=False)


class SmallFiles:
    """Files of the victim may not grow beyond what they are: needs no rights, and the end comes at once."""

    def __init__(self, directory):
        pass

    def prepare(self):
        pass

    def fill(self, cluster):
        resource.prlimit(cluster.member(VICTIM)["pid"], resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    def give_space(self, cluster):
        # The limit was that of the process.
        pass

    def remove(self):
        pass


@pytest.fixture(params=[
    pytest.param(SmallDisk, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts file systems")),
    SmallFiles,
])
def disk(request):
    cluster = Cluster(f"disk-{request.param.__name__}", {"THESEUS_DISK_RESERVE": RESERVE})
    disk = request.param(cluster.directory)
    try:
        disk.prepare()
        cluster.start()
        yield cluster, disk
    finally:
        cluster.stop(keep_logs=getattr(request.node, "has_failed", False))
        disk.remove()


def range_health(cluster, name):
    with grpc.insecure_channel(cluster.member(name)["rpc"]) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
        return check(b"\n" + bytes([len(RANGE_SERVICE)]) + RANGE_SERVICE, timeout=5)


SERVING = b"\x08\x01"


class Filler:
    """Rows that take space, each statement either acknowledged or refused."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.rows = 0
        cluster.execute("CREATE TABLE filler (id int8 PRIMARY KEY, v text)")

    def fill_until(self, condition, what):
        with self.cluster.connect() as connection:
            while not condition():
                assert self.rows < 60_000, f"{what} never comes"
                connection.execute(
                    f"INSERT INTO filler SELECT id, repeat('x', {ROW_BYTES}) FROM generate_series(%s, %s) AS id",
                    (self.rows + 1, self.rows + 100))
                self.rows += 100

    def verify(self):
        for gateway in (1, 2):
            found = self.cluster.execute("SELECT count(*), max(id) FROM filler", gateway)
            assert found == [(self.rows, self.rows or None)]


def test_a_storage_node_without_space(disk):
    cluster, disk = disk
    cluster.execute("CREATE TABLE t (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.execute("CREATE INDEX t_k ON t (k)")
    filler = Filler(cluster)
    assert range_health(cluster, VICTIM) == SERVING
    with Traffic(cluster, "t", threads=4, first_id=1_000_000) as traffic:
        traffic.progress(50)
        if isinstance(disk, SmallDisk):
            # Before it is too late the others are asked to lead.
            filler.fill_until(lambda: "little disk space is left" in cluster.log(VICTIM), "little space")
            wait_until(lambda: cluster.metric(VICTIM, "theseus_storage_leaders") == 0, 10, "others lead")
            assert cluster.is_ready(VICTIM)
        disk.fill(cluster)
        filler.fill_until(lambda: not cluster.is_ready(VICTIM), "the end of the disk")
        traffic.progress(300)
        # It could never serve again: it ends, its log says why, and whoever supervises it may start it anew.
        wait_until(lambda: not cluster.is_alive(cluster.member(VICTIM)), 15, f"the end of {VICTIM}")
        assert "this node stops serving" in cluster.log(VICTIM), cluster.log(VICTIM)[-2000:]
        filler.verify()
        cluster.check_table("t", indexes=["t_k"])
        if isinstance(disk, SmallDisk):
            # Without space a new start is either refused in words or ends as the last one did.
            cluster.local("start-node", VICTIM, check=False)
            traffic.progress(100)
            last = cluster.log(VICTIM)
            assert "Assertion" not in last and "crashed" not in last, last[-3000:]
            print("\n".join(last.splitlines()[-8:]))
            with contextlib.suppress(ProcessLookupError):
                cluster.terminate(VICTIM)
        disk.give_space(cluster)
        cluster.local("start-node", VICTIM)
        assert cluster.is_ready(VICTIM) and range_health(cluster, VICTIM) == SERVING
        # Now there is no majority without it.
        cluster.local("pause", "storage-1")
        traffic.progress(200)
        filler.verify()
        cluster.local("resume", "storage-1")
        wait_until(lambda: cluster.is_ready("storage-1"), 15, "storage-1 is ready again")
    print(f"the disk was full after {filler.rows} rows of {ROW_BYTES} bytes; {traffic.acknowledged} writes meanwhile")
    traffic.assert_undisturbed()
    traffic.verify()
    filler.verify()
    cluster.check_table("t", indexes=["t_k"])


def test_writes_are_refused_where_no_disk_has_room(request):
    cluster = Cluster(request.node.name)

    def restart_storage(**environment):
        cluster.environment.update(environment)
        for member in cluster.members("storage"):
            cluster.terminate(member["name"])
            cluster.local("start-node", member["name"])

    def refuses():
        return all(cluster.metric(member["name"], "theseus_storage_disk_low") == 1
                   for member in cluster.members("storage"))

    try:
        cluster.start()
        cluster.execute("CREATE TABLE t (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
        cluster.fill("t", 1_000)
        # More than any disk has.
        restart_storage(THESEUS_DISK_RESERVE=str(1 << 60))
        wait_until(refuses, 10, "every storage node refuses writes")
        with cluster.connect() as connection:
            for statement in ("INSERT INTO t VALUES (0, 0)", "UPDATE t SET k = 0 WHERE id = 1", "DELETE FROM t"):
                with pytest.raises(psycopg.errors.DiskFull):
                    connection.execute(statement)
            assert connection.execute("SELECT count(*), min(id) FROM t").fetchone() == (1_000, 1)
        restart_storage(THESEUS_DISK_RESERVE="1")
        cluster.execute("INSERT INTO t VALUES (0, 0)")
        assert cluster.execute("SELECT count(*), min(id) FROM t") == [(1_001, 0)]
    finally:
        cluster.stop()
