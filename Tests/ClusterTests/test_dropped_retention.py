"""What was dropped goes for good when the retention time has passed, and what was brought back does not."""

import time

import psycopg
import pytest

from cluster import wait_until

RETENTION_SECONDS = 4
CLUSTER = {"environment": {"THESEUS_RANGE_RETENTION": f"{RETENTION_SECONDS}s"}}


def state(cluster, statement):
    with pytest.raises(psycopg.Error) as failure:
        cluster.execute(statement)
    return failure.value.sqlstate


def test_after_the_retention_time_it_is_gone(cluster):
    cluster.execute("CREATE TABLE gone (id int8 PRIMARY KEY, a text)")
    cluster.execute("CREATE TABLE kept (id int8 PRIMARY KEY, a text, b text)")
    for table in ("gone", "kept"):
        cluster.execute(f"INSERT INTO {table} SELECT g, 'value ' || g FROM generate_series(1, 100) g")
    ranges = cluster.execute("SELECT count(*) FROM kept")
    assert ranges == [(100,)]
    # Brought back in time: its ranges stay, and so do the values of the column.
    cluster.execute("DROP TABLE kept")
    cluster.execute("UNDROP TABLE kept")
    cluster.execute("ALTER TABLE kept DROP COLUMN a")
    cluster.execute("UNDROP COLUMN a ON kept")
    cluster.execute("ALTER TABLE kept DROP COLUMN b")
    cluster.execute("DROP TABLE gone")
    assert {row[3] for row in cluster.execute("SHOW DROPPED")} == {"gone", "b"}
    wait_until(lambda: cluster.execute("SHOW DROPPED") == [], what="the end of the retention time")
    assert state(cluster, "UNDROP TABLE gone") in ("42704", "55000")
    assert state(cluster, "UNDROP COLUMN b ON kept") in ("42704", "55000")
    time.sleep(RETENTION_SECONDS)
    assert cluster.execute("SELECT count(*) FROM kept WHERE a = 'value ' || id") == [(100,)]
    cluster.execute("ALTER TABLE kept ADD COLUMN b text")
    cluster.execute("UPDATE kept SET b = a WHERE id = 1")
    assert cluster.execute("SELECT count(b) FROM kept") == [(1,)]
    cluster.check_table("kept")
    job = [row for row in cluster.execute("SHOW JOBS") if row[2] == "DROP TABLE gone"][0][0]
    assert state(cluster, f"REVERT JOB {job}") == "55000"
