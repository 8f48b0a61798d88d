"""UNDROP and REVERT JOB of what schemas, comments and columns with computed values do; LIKE of such columns."""

import itertools

import psycopg
import pytest

_numbers = itertools.count(1)


@pytest.fixture
def name():
    return f"m{next(_numbers)}"


def refused(cluster, statement, gateway=1):
    with pytest.raises(psycopg.Error) as failure:
        cluster.execute(statement, gateway)
    return failure.value.sqlstate


def job_of(cluster, statement):
    with cluster.connect() as connection:
        connection.execute(statement)
        return int(connection.execute("SHOW theseus.last_job").fetchone()[0])


def names(cluster, name):
    return [row[:4] for row in cluster.execute("SHOW DROPPED") if name in row[2]]


def make(cluster, table):
    cluster.execute(f"CREATE TABLE {table} (id serial PRIMARY KEY, v text UNIQUE)")
    cluster.execute(f"INSERT INTO {table} (v) SELECT 'v' || g FROM generate_series(1, 20) g")
    cluster.execute(f"COMMENT ON TABLE {table} IS 'kept'")


# Schemas


def test_table_whose_schema_is_gone_waits_for_another_of_its_name(cluster, name):
    cluster.execute(f"CREATE SCHEMA {name}_yard")
    make(cluster, f"{name}_yard.{name}")
    cluster.execute(f"DROP SCHEMA {name}_yard CASCADE")
    assert ("table", f"{name}_yard", name, name) in names(cluster, name)
    assert refused(cluster, f"UNDROP TABLE {name}_yard.{name}") == "3F000"
    assert refused(cluster, f"UNDROP TABLE {name}") == "42704"
    cluster.execute(f"CREATE SCHEMA {name}_yard")
    cluster.execute(f"UNDROP TABLE {name}_yard.{name}", gateway=2)
    assert cluster.execute(f"SELECT count(*), max(id) FROM {name}_yard.{name} WHERE v = 'v' || id") == [(20, 20)]
    assert cluster.execute(f"SELECT pg_get_serial_sequence('{name}_yard.{name}', 'id')") == [
        (f"{name}_yard.{name}_id_seq",)]
    assert cluster.execute(f"SELECT obj_description('{name}_yard.{name}'::regclass)") == [("kept",)]
    cluster.execute(f"INSERT INTO {name}_yard.{name} (v) VALUES ('new')")
    assert refused(cluster, f"INSERT INTO {name}_yard.{name} (v) VALUES ('v1')") == "23505"
    cluster.check_table(f"{name}_yard.{name}")
    # What is in it can be moved and dropped as ever.
    cluster.execute(f"ALTER TABLE {name}_yard.{name} SET SCHEMA public")
    cluster.execute(f"DROP SCHEMA {name}_yard")
    cluster.check_table(name)


def test_name_is_taken_in_its_own_schema_only(cluster, name):
    cluster.execute(f"CREATE SCHEMA {name}_yard")
    make(cluster, f"{name}_yard.{name}")
    make(cluster, name)
    cluster.execute(f"DROP TABLE {name}_yard.{name}")
    cluster.execute(f"ALTER SCHEMA {name}_yard RENAME TO {name}_dock")
    assert names(cluster, name) == [
        ("sequence", f"{name}_dock", f"{name}_id_seq", f"{name}_id_seq"), ("table", f"{name}_dock", name, name)] or names(
            cluster, name) == [
        ("table", f"{name}_dock", name, name), ("sequence", f"{name}_dock", f"{name}_id_seq", f"{name}_id_seq")]
    assert refused(cluster, f"UNDROP TABLE {name}_yard.{name}") in ("3F000", "42704")
    cluster.execute(f"UNDROP TABLE {name}_dock.{name}")
    cluster.execute(f"DROP TABLE {name}_dock.{name}")
    cluster.execute(f"CREATE TABLE {name}_dock.{name} (id int8 PRIMARY KEY)")
    assert refused(cluster, f"UNDROP TABLE {name}_dock.{name}") == "42P07"
    cluster.execute(f"UNDROP TABLE {name}_dock.{name} AS {name}_old")
    assert cluster.execute(f"SELECT count(*) FROM {name}_dock.{name}_old") == [(20,)]
    with cluster.connect() as connection:
        connection.execute(f"SET search_path TO {name}_dock, public")
        connection.execute(f"DROP TABLE {name}_old")
        connection.execute(f"UNDROP TABLE {name}_old")
        connection.execute(f"ALTER TABLE {name}_old DROP COLUMN v")
        connection.execute(f"UNDROP COLUMN v ON {name}_old")
        connection.execute(f"CREATE INDEX {name}_v ON {name}_old (v, id)")
        connection.execute(f"DROP INDEX {name}_v")
        connection.execute(f"UNDROP INDEX {name}_v")
    assert cluster.execute(f"SELECT count(*) FROM {name}_dock.{name}_old WHERE v = 'v' || id") == [(20,)]
    cluster.check_table(f"{name}_dock.{name}_old")
    assert cluster.execute(f"SELECT count(*) FROM {name}") == [(20,)]


def test_dropped_schema_comes_back_with_all_that_was_in_it(cluster, name):
    cluster.execute(f"CREATE SCHEMA {name}_yard")
    cluster.execute(f"COMMENT ON SCHEMA {name}_yard IS 'ours'")
    make(cluster, f"{name}_yard.{name}")
    cluster.execute(f"CREATE SEQUENCE {name}_yard.{name}_alone")
    cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY, up int8 REFERENCES {name}_yard.{name})")
    cluster.execute(f"INSERT INTO {name} VALUES (1, 1)")
    job = job_of(cluster, f"DROP SCHEMA {name}_yard CASCADE")
    cluster.execute(f"INSERT INTO {name} VALUES (2, 2000)")
    cluster.execute(f"CREATE SCHEMA {name}_yard")
    assert refused(cluster, f"REVERT JOB {job}") == "42P06"
    cluster.execute(f"DROP SCHEMA {name}_yard")
    back = job_of(cluster, f"REVERT JOB {job}")
    assert cluster.execute(f"SELECT count(*) FROM {name}_yard.{name}", gateway=2) == [(20,)]
    assert cluster.execute(f"SELECT nextval('{name}_yard.{name}_alone') > 0") == [(True,)]
    assert cluster.execute(
        f"SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = '{name}_yard'") == [("ours",)]
    # Rows were written that it has not judged.
    assert refused(cluster, f"INSERT INTO {name} VALUES (3, 3000)") == "23503"
    assert refused(cluster, f"ALTER TABLE {name} VALIDATE CONSTRAINT {name}_up_fkey") == "23503"
    cluster.check_table(f"{name}_yard.{name}")
    # Dropped again by dropping it again; what brought it back created it.
    assert refused(cluster, f"REVERT JOB {back}") == "0A000"
    cluster.execute(f"DROP SCHEMA {name}_yard CASCADE")


def test_names_moves_and_comments_are_taken_back(cluster, name):
    make(cluster, name)
    created = job_of(cluster, f"CREATE SCHEMA {name}_yard")
    assert refused(cluster, f"REVERT JOB {created}") == "0A000"
    moved = job_of(cluster, f"ALTER TABLE {name} SET SCHEMA {name}_yard")
    commented = job_of(cluster, f"COMMENT ON TABLE {name}_yard.{name} IS 'other'")
    column = job_of(cluster, f"COMMENT ON COLUMN {name}_yard.{name}.v IS 'text'")
    renamed = job_of(cluster, f"ALTER SCHEMA {name}_yard RENAME TO {name}_dock")
    spoken = job_of(cluster, f"COMMENT ON SCHEMA {name}_dock IS 'where ships rest'")
    of_all = job_of(cluster, "COMMENT ON DATABASE defaultdb IS 'all of it'")
    cluster.execute(f"REVERT JOB {of_all}")
    assert cluster.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'defaultdb'") == [(None,)]
    cluster.execute(f"REVERT JOB {spoken}")
    cluster.execute(f"REVERT JOB {renamed}")
    cluster.execute(f"REVERT JOB {column}")
    cluster.execute(f"REVERT JOB {commented}", gateway=2)
    described = f"SELECT obj_description('{name}_yard.{name}'::regclass), col_description('{name}_yard.{name}'::regclass, 2)"
    assert cluster.execute(described) == [("kept", None)]
    cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY)")
    assert refused(cluster, f"REVERT JOB {moved}") == "42P07"
    cluster.execute(f"DROP TABLE {name}")
    cluster.execute(f"REVERT JOB {moved}")
    assert cluster.execute(f"SELECT count(*) FROM {name} WHERE v = 'v' || id") == [(20,)]
    assert cluster.execute(f"SELECT pg_get_serial_sequence('{name}', 'id')") == [(f"public.{name}_id_seq",)]
    assert refused(cluster, f"REVERT JOB {moved}") == "55000"
    cluster.execute(f"DROP SCHEMA {name}_yard")
    cluster.check_table(name)


def test_comments_come_back_with_what_they_are_on(cluster, name):
    make(cluster, name)
    cluster.execute(f"ALTER TABLE {name} ADD COLUMN n int8, ADD CONSTRAINT {name}_n CHECK (n > 0)")
    cluster.execute(f"COMMENT ON COLUMN {name}.n IS 'a number'")
    cluster.execute(f"COMMENT ON CONSTRAINT {name}_n ON {name} IS 'a rule'")
    cluster.execute(f"CREATE INDEX {name}_i ON {name} (n)")
    cluster.execute(f"COMMENT ON INDEX {name}_i IS 'an index'")
    cluster.execute(f"ALTER TABLE {name} DROP COLUMN n")
    cluster.execute(f"UNDROP COLUMN n ON {name}")
    assert cluster.execute(f"SELECT col_description('{name}'::regclass, 3), obj_description('{name}_i'::regclass)") == [
        ("a number", "an index")]
    assert cluster.execute(
        f"SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = '{name}_n'") == [("a rule",)]
    # The key's comment goes with the key, and comes back with it.
    cluster.execute(f"COMMENT ON CONSTRAINT {name}_pkey ON {name} IS 'the key'")
    key = (f"SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conrelid = '{name}'::regclass "
           "AND contype = 'p'")
    assert cluster.execute(key) == [("the key",)]
    cluster.execute(f"ALTER TABLE {name} ALTER v SET NOT NULL")
    job = job_of(cluster, f"ALTER TABLE {name} DROP CONSTRAINT {name}_pkey, ADD PRIMARY KEY (v)")
    assert cluster.execute(key) == [(None,)]
    cluster.execute(f"REVERT JOB {job}")
    assert cluster.execute(key) == [("the key",)]


# Columns whose values are computed


def test_added_column_with_a_sequence_goes_and_comes_back(cluster, name):
    make(cluster, name)
    cluster.execute(f"CREATE SCHEMA {name}_yard")
    cluster.execute(f"ALTER TABLE {name} SET SCHEMA {name}_yard")
    table = f"{name}_yard.{name}"
    job = job_of(cluster, f"ALTER TABLE {table} ADD COLUMN n int8 GENERATED ALWAYS AS IDENTITY, ADD COLUMN r float8 DEFAULT random()")
    before = cluster.execute(f"SELECT id, n, r FROM {table} ORDER BY id")
    assert len({row[1] for row in before}) == 20 and len({row[2] for row in before}) == 20
    assert cluster.execute(f"SELECT pg_get_serial_sequence('{table}', 'n')") == [(f"{table}_n_seq",)]
    back = job_of(cluster, f"REVERT JOB {job}")
    assert refused(cluster, f"SELECT n FROM {table}") == "42703"
    assert cluster.execute(f"SELECT count(*) FROM pg_sequences WHERE sequencename = '{name}_n_seq'") == [(0,)]
    cluster.execute(f"REVERT JOB {back}")
    assert cluster.execute(f"SELECT id, n, r FROM {table} ORDER BY id") == before
    cluster.execute(f"INSERT INTO {table} (v) VALUES ('new')")
    assert cluster.execute(f"SELECT count(*), count(DISTINCT n), count(r) FROM {table}") == [(21, 21, 21)]
    # Rows of the time in which it was not there have no number.
    cluster.execute(f"ALTER TABLE {table} DROP COLUMN n")
    cluster.execute(f"INSERT INTO {table} (v) VALUES ('numberless')")
    assert refused(cluster, f"UNDROP COLUMN n ON {table}") == "23502"
    cluster.execute(f"DELETE FROM {table} WHERE v = 'numberless'")
    cluster.execute(f"UNDROP COLUMN n ON {table}")
    cluster.execute(f"INSERT INTO {table} (v) VALUES ('newer')")
    assert cluster.execute(f"SELECT count(*), count(DISTINCT n) FROM {table}") == [(22, 22)]
    cluster.check_table(table)


def test_generated_column_is_maintained_and_stops_nobody(cluster, name):
    cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY, k int8 NOT NULL)")
    cluster.execute(f"INSERT INTO {name} SELECT g, g FROM generate_series(1, 20) g")
    cluster.execute(f"ALTER TABLE {name} ADD COLUMN part int8 GENERATED ALWAYS AS (1000 / k) STORED")
    cluster.execute(f"CREATE INDEX {name}_part ON {name} (part)")
    assert refused(cluster, f"INSERT INTO {name} VALUES (21, 0)") == "22012"
    cluster.execute(f"ALTER TABLE {name} DROP COLUMN part")
    cluster.execute(f"INSERT INTO {name} VALUES (21, 0), (22, 500)")
    cluster.execute(f"UPDATE {name} SET k = 100 WHERE id = 1")
    cluster.execute(f"UNDROP COLUMN part ON {name}")
    assert cluster.execute(f"SELECT part FROM {name} WHERE id IN (1, 2, 21, 22) ORDER BY id") == [
        (10,), (500,), (None,), (2,)]
    assert refused(cluster, f"INSERT INTO {name} VALUES (23, 0)") == "22012"
    cluster.check_table(name)
    # What it reads goes with CASCADE; it comes back after that only.
    cluster.execute(f"ALTER TABLE {name} DROP COLUMN k CASCADE")
    assert refused(cluster, f"UNDROP COLUMN part ON {name}") == "55000"
    cluster.execute(f"UNDROP COLUMN k ON {name}")
    cluster.execute(f"UNDROP COLUMN part ON {name}")
    assert cluster.execute(f"SELECT count(*) FROM {name} WHERE part = 1000 / k AND k <> 0") == [(21,)]
    # Another type of what it reads ends it; nobody notices.
    cluster.execute(f"DELETE FROM {name} WHERE k = 0")
    cluster.execute(f"ALTER TABLE {name} DROP COLUMN part")
    cluster.execute(f"ALTER TABLE {name} ALTER k TYPE text")
    cluster.execute(f"INSERT INTO {name} VALUES (30, 'x')")
    cluster.execute(f"UPDATE {name} SET k = 'y' WHERE id = 2")
    assert refused(cluster, f"UNDROP COLUMN part ON {name}") == "55000"
    cluster.check_table(name)


def test_expression_that_was_dropped_does_not_come_back(cluster, name):
    cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY, k int8, twice int8 GENERATED ALWAYS AS (k * 2) STORED)")
    job = job_of(cluster, f"ALTER TABLE {name} ALTER twice DROP EXPRESSION")
    assert refused(cluster, f"REVERT JOB {job}") == "0A000"
    added = job_of(cluster, f"ALTER TABLE {name} ADD COLUMN thrice int8 GENERATED ALWAYS AS (k * 3) STORED")
    cluster.execute(f"REVERT JOB {added}")
    cluster.execute(f"INSERT INTO {name} VALUES (1, 2, 3)")
    dropped = job_of(cluster, f"ALTER TABLE {name} DROP COLUMN k")
    cluster.execute(f"REVERT JOB {dropped}")
    assert cluster.execute(f"SELECT * FROM {name}") == [(1, 2, 3)]


def test_truncate_with_its_sequences_is_not_taken_back(cluster, name):
    make(cluster, name)
    job = job_of(cluster, f"TRUNCATE {name} RESTART IDENTITY")
    assert refused(cluster, f"REVERT JOB {job}") == "0A000"


# LIKE


def test_like_of_computed_columns(cluster, name):
    cluster.execute(
        f"CREATE TABLE {name} (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, k int8 DEFAULT 5, "
        "twice int8 GENERATED ALWAYS AS (k * 2) STORED)")
    cluster.execute(f"CREATE SCHEMA {name}_yard")
    copy, plain = f"{name}_yard.{name}", f"{name}_yard.{name}_plain"
    cluster.execute(
        f"CREATE TABLE {copy} (first int8, LIKE {name} INCLUDING ALL, thrice int8 GENERATED ALWAYS AS (k * 3) STORED)")
    cluster.execute(f"INSERT INTO {copy} (first, k) VALUES (1, 7), (2, DEFAULT)")
    assert cluster.execute(f"SELECT id, k, twice, thrice FROM {copy} ORDER BY id") == [(1, 7, 14, 21), (2, 5, 10, 15)]
    assert cluster.execute(f"SELECT pg_get_serial_sequence('{copy}', 'id')") == [(f"{name}_yard.{name}_id_seq",)]
    assert refused(cluster, f"INSERT INTO {copy} (twice) VALUES (1)") == "428C9"
    assert refused(
        cluster, f"CREATE TABLE {name}_no (LIKE {name} INCLUDING GENERATED, more int8 GENERATED ALWAYS AS (twice + 1) STORED)"
    ) == "42P17"
    cluster.execute(f"CREATE TABLE {plain} (LIKE {name})")
    cluster.execute(f"INSERT INTO {plain} VALUES (1, NULL, 3)")
    assert cluster.execute(f"SELECT * FROM {plain}") == [(1, None, 3)]
    for table in (copy, plain):
        cluster.check_table(table)
