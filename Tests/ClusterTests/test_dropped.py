"""What is dropped can be brought back, and what a job did taken back, on real processes under writes."""

import itertools
import os
import signal
import threading
import time

import psycopg
import pytest

from cluster import wait_until

numbers = itertools.count(1)


@pytest.fixture
def name():
    return f"d{next(numbers)}"


def make(cluster, name, rows=200):
    cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY, a text, k int8 NOT NULL DEFAULT 7)")
    cluster.execute(f"CREATE INDEX {name}_k ON {name} (k)")
    cluster.execute(f"INSERT INTO {name} SELECT g, 'value ' || g, g FROM generate_series(1, {rows}) g")


def last_job(cluster, statement):
    with cluster.connect() as connection:
        connection.execute(statement)
        return int(connection.execute("SHOW theseus.last_job").fetchone()[0])


def dropped(cluster, table):
    return [(kind, name) for kind, _, of, name, *_ in cluster.execute("SHOW DROPPED") if of == table]


def state(cluster, statement):
    with pytest.raises(psycopg.Error) as failure:
        cluster.execute(statement)
    return failure.value.sqlstate


class Writers:
    """Rows of their own are written and changed, on both gateways, while something happens. Every error but the expected ones
    fails the test."""

    def __init__(self, cluster, table, columns="id, a", expected=()):
        self.cluster, self.table, self.columns, self.expected = cluster, table, columns, expected
        self.rows, self.errors, self.over = {}, [], threading.Event()

    def __enter__(self):
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in (1, 2)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        time.sleep(0.2)
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.errors, self.errors[:3]
        assert self.rows

    def work(self, number):
        with self.cluster.connect(number) as connection:
            for row in itertools.count(number * 1_000_000):
                if self.over.is_set():
                    return
                text = f"text {row}"
                try:
                    connection.execute(f"INSERT INTO {self.table} ({self.columns}) VALUES ({row}, '{text}')")
                    self.rows[row] = text
                    # Of the rows that were there: another column than the one in question.
                    connection.execute(
                        f"UPDATE {self.table} SET {self.columns.split(', ')[1]} = 'changed' WHERE id = {row % 200 + 1}")
                except psycopg.Error as error:
                    if error.sqlstate not in self.expected:
                        self.errors.append(f"{error.sqlstate} {error}")
                        return


def test_dropped_table_comes_back_with_everything(cluster, name):
    make(cluster, name)
    cluster.execute(f"CREATE TABLE {name}_s (id serial PRIMARY KEY, v int8 CHECK (v > 0))")
    cluster.execute(f"INSERT INTO {name}_s (v) VALUES (1), (2)")
    before = cluster.execute(f"SELECT * FROM {name} ORDER BY id")
    job = last_job(cluster, f"DROP TABLE {name}")
    assert state(cluster, f"SELECT * FROM {name}") == "42P01"
    row = [row for row in cluster.execute("SHOW DROPPED") if row[3] == name][0]
    assert row[:3] == ("table", "public", name) and row[6] == job and row[4] < row[5]
    cluster.execute(f"UNDROP TABLE {name}", gateway=2)
    assert cluster.execute(f"SELECT * FROM {name} ORDER BY id") == before
    cluster.check_table(name)
    cluster.execute(f"INSERT INTO {name} (id, a) VALUES (1000, 'new')")
    assert dropped(cluster, name) == []
    cluster.execute(f"DROP TABLE {name}_s")
    cluster.execute(f"UNDROP TABLE {name}_s")
    cluster.execute(f"INSERT INTO {name}_s (v) VALUES (3)")
    assert len(set(row[0] for row in cluster.execute(f"SELECT id FROM {name}_s"))) == 3
    assert state(cluster, f"INSERT INTO {name}_s (v) VALUES (0)") == "23514"
    assert state(cluster, f"UNDROP TABLE {name}_nothing") == "42704"


def test_name_is_free_at_once_and_the_old_table_comes_back_beside(cluster, name):
    make(cluster, name)
    cluster.execute(f"DROP TABLE {name}")
    cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY, other text)")
    assert cluster.execute(f"SELECT * FROM {name}") == []
    assert state(cluster, f"UNDROP TABLE {name}") == "42P07"
    cluster.execute(f"UNDROP TABLE {name} AS {name}_old")
    assert cluster.execute(f"SELECT count(*) FROM {name}_old") == [(200,)]
    assert cluster.execute(f"SELECT * FROM {name}") == []
    cluster.check_table(f"{name}_old")


def test_table_comes_and_goes_under_writes(cluster, name):
    make(cluster, name)
    with Writers(cluster, name, expected=("42P01", "40001")) as writers:
        for _ in range(5):
            cluster.execute(f"DROP TABLE {name}")
            time.sleep(0.1)
            cluster.execute(f"UNDROP TABLE {name}", gateway=2)
            time.sleep(0.2)
    found = dict(cluster.execute(f"SELECT id, a FROM {name} WHERE id >= 1000000"))
    # Of a write that was refused nobody knows; of one that was answered everybody does.
    assert writers.rows.items() <= found.items()
    cluster.check_table(name)


def test_dropped_column_comes_back_with_its_values_and_those_written_meanwhile(cluster, name):
    make(cluster, name)
    with Writers(cluster, name, expected=("40001",)) as writers:
        cluster.execute(f"ALTER TABLE {name} DROP COLUMN k")
        assert dropped(cluster, name) == [("column", "k"), ("index", f"{name}_k")]
        time.sleep(0.3)
        cluster.execute(f"UNDROP COLUMN k ON {name}", gateway=2)
    # Rows of before keep what they had though another column of them was changed; new ones have the default.
    assert cluster.execute(f"SELECT count(*) FROM {name} WHERE id <= 200 AND k <> id") == [(0,)]
    assert cluster.execute(f"SELECT count(*) FROM {name} WHERE id <= 200 AND a = 'changed'")[0][0] > 0
    assert cluster.execute(f"SELECT count(*) FROM {name} WHERE id > 200 AND k <> 7") == [(0,)]
    assert writers.rows.items() <= dict(cluster.execute(f"SELECT id, a FROM {name} WHERE id > 200")).items()
    cluster.check_table(name, indexes=[f"{name}_k"])
    assert state(cluster, f"INSERT INTO {name} VALUES (-1, 'x', NULL)") == "23502"


def test_column_added_again_sees_no_ghosts_and_the_old_one_none_of_its_values(cluster, name):
    make(cluster, name)
    cluster.execute(f"ALTER TABLE {name} DROP COLUMN a")
    cluster.execute(f"ALTER TABLE {name} ADD COLUMN a text")
    assert cluster.execute(f"SELECT count(a) FROM {name}") == [(0,)]
    cluster.execute(f"UPDATE {name} SET a = 'new' WHERE id <= 10")
    assert state(cluster, f"UNDROP COLUMN a ON {name}") == "42701"
    cluster.execute(f"UNDROP COLUMN a ON {name} AS old")
    assert cluster.execute(f"SELECT id, k, old, a FROM {name} WHERE id IN (10, 11) ORDER BY id") == [
        (10, 10, "value 10", "new"), (11, 11, "value 11", None)]


def test_row_that_cannot_have_the_column_is_named_and_nothing_is_lost(cluster, name):
    cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY, n int8 NOT NULL)")
    cluster.execute(f"INSERT INTO {name} VALUES (1, 10)")
    cluster.execute(f"ALTER TABLE {name} DROP COLUMN n")
    cluster.execute(f"INSERT INTO {name} VALUES (2)")
    assert state(cluster, f"UNDROP COLUMN n ON {name}") == "23502"
    cluster.execute(f"DELETE FROM {name} WHERE id = 2")
    cluster.execute(f"UNDROP COLUMN n ON {name}")
    assert cluster.execute(f"SELECT * FROM {name}") == [(1, 10)]


def test_retained_column_goes_through_copies_of_the_rows(cluster, name):
    make(cluster, name)
    cluster.execute(f"ALTER TABLE {name} DROP COLUMN a")
    cluster.execute(f"ALTER TABLE {name} ALTER COLUMN k TYPE text")
    cluster.execute(f"UNDROP COLUMN a ON {name}")
    assert cluster.execute(f"SELECT count(*) FROM {name} WHERE a = 'value ' || id AND k = id::text") == [(200,)]


def test_dropped_index_is_built_again_under_writes(cluster, name):
    make(cluster, name)
    with Writers(cluster, name, expected=("40001",)):
        cluster.execute(f"DROP INDEX {name}_k")
        time.sleep(0.2)
        cluster.execute(f"UNDROP INDEX {name}_k")
    cluster.check_table(name, indexes=[f"{name}_k"])


def test_index_comes_back_with_its_expressions_its_predicate_and_its_visibility(cluster, name):
    make(cluster, name)
    cluster.execute(f"CREATE INDEX {name}_e ON {name} (lower(a), (k * 2) DESC) INCLUDE (k) WHERE k % 3 = 1")
    cluster.execute(f"ALTER INDEX {name}_e SET (visible = false)")
    definition = f"SELECT indexdef FROM pg_indexes WHERE indexname = '{name}_e'"
    before = cluster.execute(definition)
    query = f"SELECT k FROM {name} WHERE lower(a) = 'value 100' AND k * 2 = 200 AND k % 3 = 1"

    def plan(gateway):
        return "\n".join(row[0] for row in cluster.execute(f"EXPLAIN {query}", gateway=gateway))

    with Writers(cluster, name, expected=("40001", "42703")):
        cluster.execute(f"DROP INDEX {name}_e")
        time.sleep(0.2)
        cluster.execute(f"UNDROP INDEX {name}_e", gateway=2)
        assert cluster.execute(definition, gateway=2) == before
        cluster.execute(f"ALTER TABLE {name} DROP COLUMN a")
        assert dropped(cluster, name) == [("column", "a"), ("index", f"{name}_e")]
        cluster.execute(f"UNDROP COLUMN a ON {name}")
        assert cluster.execute(definition) == before and dropped(cluster, name) == []
    cluster.check_table(name, indexes=[f"{name}_e"])
    assert f"{name}_e" not in plan(2)
    job = last_job(cluster, f"ALTER INDEX {name}_e SET (visible = true)")
    assert f"using {name}_e" in plan(1) and f"using {name}_e" in plan(2)
    assert cluster.execute(query) in ([(100,)], [])
    cluster.execute(f"REVERT JOB {job}")
    assert f"{name}_e" not in plan(1)
    assert dropped(cluster, name) == []


@pytest.mark.parametrize("change", [
    "ALTER TABLE {t} RENAME TO {t}_new", "ALTER TABLE {t} RENAME COLUMN a TO b",
    "ALTER TABLE {t} ADD COLUMN c int8 DEFAULT 5", "ALTER TABLE {t} DROP COLUMN a",
    "ALTER TABLE {t} ALTER COLUMN k DROP NOT NULL", "ALTER TABLE {t} ALTER COLUMN a SET DEFAULT 'x'",
    "ALTER TABLE {t} ALTER COLUMN k TYPE text", "DROP INDEX {t}_k", "CREATE UNIQUE INDEX {t}_u ON {t} (k)",
    "ALTER TABLE {t} DROP CONSTRAINT {t}_pkey, ADD CONSTRAINT {t}_other PRIMARY KEY (k, a)",
    "CREATE INDEX {t}_u ON {t} (lower(a)) WHERE k > 10", "ALTER INDEX {t}_k SET (visible = false)",
    "ALTER TABLE {t} ADD CONSTRAINT {t}_c CHECK (k > 0)", "DROP TABLE {t}",
])
def test_job_is_taken_back(cluster, name, change):
    make(cluster, name)
    shape = ("SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns "
             f"WHERE table_name = '{name}' ORDER BY column_name")
    indexes = f"SELECT indexname FROM pg_indexes WHERE tablename = '{name}' ORDER BY indexname"
    before = cluster.execute(shape), cluster.execute(indexes), cluster.execute(f"SELECT id, a, k FROM {name} ORDER BY id")
    job = last_job(cluster, change.replace("{t}", name))
    cluster.execute(f"REVERT JOB {job}", gateway=2)
    after = cluster.execute(shape), cluster.execute(indexes), cluster.execute(f"SELECT id, a, k FROM {name} ORDER BY id")
    assert after == before
    cluster.check_table(name)
    assert state(cluster, f"REVERT JOB {job}") == "55000"


def test_revert_says_what_it_cannot_do(cluster, name):
    make(cluster, name)
    job = last_job(cluster, f"TRUNCATE {name}")
    assert state(cluster, f"REVERT JOB {job}") == "0A000"
    job = last_job(cluster, f"ALTER TABLE {name} RENAME COLUMN a TO b")
    cluster.execute(f"ALTER TABLE {name} RENAME COLUMN b TO c")
    assert state(cluster, f"REVERT JOB {job}") == "55000"
    with cluster.connect() as connection, connection.transaction():
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            connection.execute(f"UNDROP TABLE {name}")


def test_foreign_key_comes_back_after_the_index_that_it_referred_to(cluster, name):
    cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY, u int8 CONSTRAINT {name}_u UNIQUE)")
    cluster.execute(f"CREATE TABLE {name}_c (id int8 PRIMARY KEY, p int8 CONSTRAINT {name}_p REFERENCES {name} (u))")
    cluster.execute(f"INSERT INTO {name} VALUES (1, 10)")
    cluster.execute(f"INSERT INTO {name}_c VALUES (1, 10)")
    job = last_job(cluster, f"ALTER TABLE {name} DROP CONSTRAINT {name}_u CASCADE")
    assert state(cluster, f"REVERT JOB {job}") == "55000"
    cluster.execute(f"UNDROP INDEX {name}_u ON {name}")
    cluster.execute(f"REVERT JOB {job}")
    assert state(cluster, f"INSERT INTO {name}_c VALUES (2, 11)") == "23503"
    assert state(cluster, f"DELETE FROM {name}") == "23503"


def test_explain_shows_the_way_back(cluster, name):
    make(cluster, name)
    cluster.execute(f"DROP TABLE {name}")
    lines = [row[0] for row in cluster.execute(f"EXPLAIN (DDL) UNDROP TABLE {name}")]
    assert any("dropped -> public" in line for line in lines), lines
    assert dropped(cluster, name) == [("table", name)]


def test_all_of_it_survives_the_death_of_every_process(fresh_cluster, name):
    cluster = fresh_cluster
    make(cluster, name)
    make(cluster, f"{name}_t")
    cluster.execute(f"ALTER TABLE {name} DROP COLUMN a")
    cluster.execute(f"DROP TABLE {name}_t")
    for member in cluster.members():
        os.kill(member["pid"], signal.SIGKILL)
    wait_until(lambda: not any(cluster.is_alive(member) for member in cluster.members()), what="the end of all processes")
    cluster.restart()
    wait_until(lambda: dropped(cluster, name), what="the list of what was dropped")
    cluster.execute(f"UNDROP COLUMN a ON {name}")
    cluster.execute(f"UNDROP TABLE {name}_t")
    assert cluster.execute(f"SELECT count(*) FROM {name} WHERE a = 'value ' || id") == [(200,)]
    assert cluster.execute(f"SELECT count(*) FROM {name}_t WHERE a = 'value ' || id") == [(200,)]
