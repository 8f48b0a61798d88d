"""Schemas in the sense of SQL: names, the search path, what goes with them, and two clients who want different things."""

import threading

import psycopg
import pytest

from cluster import wait_until


def refused(cluster, statement, gateway=1):
    with cluster.connect(gateway) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(statement)
    return caught.value.sqlstate


def schemas(cluster, gateway=1):
    return [row[0] for row in cluster.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1", gateway)]


def test_one_name_means_different_tables(cluster):
    cluster.execute("CREATE SCHEMA app")
    cluster.execute("CREATE SCHEMA IF NOT EXISTS app")
    assert refused(cluster, "CREATE SCHEMA app") == "42P06"
    assert refused(cluster, "CREATE TABLE nowhere.t (id int8)") == "3F000"
    assert refused(cluster, "SELECT * FROM nowhere.t") == "42P01"
    cluster.execute("CREATE TABLE things (id int8 PRIMARY KEY, v text)")
    cluster.execute("CREATE TABLE app.things (id serial PRIMARY KEY, v text UNIQUE, up int8 REFERENCES things)", gateway=2)
    with cluster.connect() as connection:
        connection.execute("INSERT INTO things VALUES (7, 'public')")
        connection.execute("INSERT INTO app.things (v, up) VALUES ('app', 7)")
        # A path led to the one; a plan made before the path changed is not used after it.
        query = "SELECT v FROM things WHERE id > %s"
        assert connection.execute(query, (0,), prepare=True).fetchall() == [("public",)]
        connection.execute("SET search_path TO app, public")
        assert connection.execute(query, (0,), prepare=True).fetchall() == [("app",)]
        assert connection.execute("SELECT current_schema(), 'things'::regclass::text, 'public.things'::regclass::text").fetchone() == (
            "app", "things", "public.things")
        connection.execute("CREATE TABLE here (id int8 PRIMARY KEY)")
        connection.execute("CREATE INDEX ON things (up)")
        assert connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE tablename IN ('here', 'things') ORDER BY 1, 2").fetchall() == [
                ("app", "here"), ("app", "things"), ("public", "things")]
        connection.execute("RESET search_path")
        assert connection.execute(query, (0,), prepare=True).fetchall() == [("public",)]
        assert connection.execute("SELECT pg_get_serial_sequence('app.things', 'id')").fetchone() == ("app.things_id_seq",)
    for gateway in (1, 2):
        cluster.check_table("app.things", gateway)
        assert "app" in schemas(cluster, gateway)
    assert refused(cluster, "DROP SCHEMA app") == "2BP01"
    cluster.execute("DROP SCHEMA app CASCADE")
    assert "app" not in schemas(cluster, 2)
    assert refused(cluster, "SELECT * FROM app.things", 2) == "42P01"
    cluster.execute("DROP TABLE things")


def test_a_table_before_another_in_the_path_takes_its_name(cluster):
    """A plan that found a table in the second schema does not outlive the first schema's getting one."""
    cluster.execute("CREATE SCHEMA first")
    cluster.execute("CREATE TABLE found (v text)")
    cluster.execute("INSERT INTO found VALUES ('second')")
    with cluster.connect() as connection:
        connection.execute("SET search_path TO first, public")
        assert connection.execute("SELECT v FROM found", prepare=True).fetchall() == [("second",)]
        cluster.execute("CREATE TABLE first.found (v text)", gateway=2)
        cluster.execute("INSERT INTO first.found VALUES ('first')", gateway=2)
        assert connection.execute("SELECT v FROM found", prepare=True).fetchall() == [("first",)]
        cluster.execute("ALTER SCHEMA first RENAME TO gone", gateway=2)
        assert connection.execute("SELECT v FROM found", prepare=True).fetchall() == [("second",)]
        cluster.execute("ALTER SCHEMA gone RENAME TO first", gateway=2)
        assert connection.execute("SELECT v FROM found", prepare=True).fetchall() == [("first",)]
        cluster.execute("ALTER TABLE first.found RENAME TO other", gateway=2)
        assert connection.execute("SELECT v FROM found", prepare=True).fetchall() == [("second",)]
    cluster.execute("DROP SCHEMA first CASCADE")
    cluster.execute("DROP TABLE found")


def test_moving_and_renaming_disturb_no_writer(cluster, table):
    cluster.execute("CREATE SCHEMA berth")
    cluster.execute(f"CREATE INDEX {table}_k ON {table} (k)")
    with cluster.connect(autocommit=False) as writer:
        writer.execute(f"INSERT INTO {table} VALUES (1, 1, 'before')")
        cluster.execute(f"ALTER TABLE {table} SET SCHEMA berth", gateway=2)
        cluster.execute("ALTER SCHEMA berth RENAME TO dock", gateway=2)
        writer.commit()
    assert refused(cluster, f"SELECT * FROM {table}") == "42P01"
    assert cluster.execute(f"SELECT v FROM dock.{table} WHERE k = 1") == [("before",)]
    cluster.check_table(f"dock.{table}")
    cluster.execute(f"ALTER INDEX dock.{table}_k RENAME TO {table}_other")
    assert refused(cluster, "ALTER TABLE dock.nothing SET SCHEMA public") == "42P01"
    assert refused(cluster, f"ALTER TABLE dock.{table} SET SCHEMA nowhere") == "3F000"
    cluster.execute(f"ALTER TABLE dock.{table} SET SCHEMA public")
    cluster.execute("DROP SCHEMA dock")


def test_a_transaction_makes_a_schema_and_what_is_in_it(cluster):
    """As migration tools do."""
    with cluster.connect(autocommit=False) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS history")
        connection.execute("CREATE TABLE history.versions (id int8 PRIMARY KEY, installed timestamptz DEFAULT now())")
        connection.execute("CREATE INDEX versions_installed ON history.versions (installed)")
        connection.execute("SET LOCAL search_path TO history")
        assert connection.execute("SELECT count(*) FROM versions").fetchone() == (0,)
        connection.execute("ALTER TABLE versions ADD COLUMN note text")
        assert "history" not in schemas(cluster, 2)
        connection.commit()
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public',)
    assert "history" in schemas(cluster, 2)
    assert cluster.execute("SELECT count(*) FROM history.versions WHERE note IS NULL", gateway=2) == [(0,)]
    with cluster.connect(autocommit=False) as connection:
        connection.execute("DROP SCHEMA history CASCADE")
        connection.execute("CREATE SCHEMA history")
        connection.execute("CREATE TABLE history.versions (other int8 PRIMARY KEY)")
        connection.commit()
    assert cluster.execute("SELECT other FROM history.versions") == []
    with cluster.connect(autocommit=False) as connection:
        connection.execute("CREATE SCHEMA never")
        connection.execute("CREATE TABLE never.t (id int8)")
        connection.rollback()
    assert "never" not in schemas(cluster)
    cluster.execute("DROP SCHEMA history CASCADE")


def test_tables_come_while_their_schema_goes(cluster):
    """Many times: after all of it every table there is has a schema, and nothing is left of a schema that is gone."""
    stop = threading.Event()
    states, failures = {}, []

    def client(number, statements):
        gateway = 1 + number % 2
        with cluster.connect(gateway) as connection:
            turn = 0
            while not stop.is_set():
                statement = statements[turn % len(statements)].format(n=f"{number}_{turn}")
                turn += 1
                try:
                    connection.execute(statement)
                    states["00000"] = states.get("00000", 0) + 1
                except psycopg.Error as error:
                    states[error.sqlstate] = states.get(error.sqlstate, 0) + 1
                    if error.sqlstate not in ("3F000", "42P06", "42P01", "42P07", "2BP01", "40001"):
                        failures.append((statement, str(error)))

    threads = [
        threading.Thread(target=client, args=(0, ["CREATE SCHEMA tide", "DROP SCHEMA tide CASCADE"])),
        threading.Thread(target=client, args=(1, ["CREATE TABLE tide.t{n} (id int8 PRIMARY KEY, a int8)"])),
        threading.Thread(target=client, args=(2, ["CREATE TABLE t{n} (id serial PRIMARY KEY)", "ALTER TABLE t{n} SET SCHEMA tide",
                                                  "CREATE SCHEMA tide", "DROP SCHEMA tide"])),
        threading.Thread(target=client, args=(3, ["CREATE TABLE tide.shared (id int8 PRIMARY KEY, a int8)",
                                                  "CREATE INDEX ON tide.shared (a)", "ALTER SCHEMA tide RENAME TO ebb",
                                                  "ALTER SCHEMA ebb RENAME TO tide"])),
    ]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: failures or (states.get("00000", 0) > 120 and states.get("3F000", 0) > 10), 60,
                   lambda: f"answers: {states}")
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not failures, failures[:5]
    for name in ("tide", "ebb"):
        cluster.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    orphans = cluster.execute("SELECT relname FROM pg_class WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace)")
    assert orphans == []
    assert all(job["state"] in ("succeeded", "failed", "canceled") for job in cluster.jobs())


def test_the_path_is_set_as_migration_tools_set_it(cluster):
    cluster.execute("CREATE SCHEMA tool")
    with cluster.connect() as connection:
        def ask(query, *parameters):
            return connection.execute(query, parameters or None).fetchone()[0]

        assert ask("SELECT set_config('search_path', %s, false)", 'tool,"$user"') == 'tool,"$user"'
        assert ask("SHOW search_path") == 'tool,"$user"' and ask("SELECT current_schema()") == "tool"
        assert ask("SELECT current_setting('search_path')") == 'tool,"$user"'
        assert ask("SELECT current_setting('no.thing', true)") is None
        with pytest.raises(psycopg.errors.UndefinedObject):
            ask("SELECT current_setting('no_thing')")
        assert ask("SELECT pg_catalog.set_config('search_path', '', false)") == ""
        assert ask("SELECT current_schema()") is None
        with pytest.raises(psycopg.errors.InvalidSchemaName):
            connection.execute("CREATE TABLE t (id int8)")
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            ask("SELECT set_config('search_path', 'a b', false)")
    with cluster.connect(options="-c search_path=tool") as connection:
        assert connection.execute("SELECT current_schema()").fetchone() == ("tool",)
    with cluster.connect(autocommit=False) as connection:
        connection.execute("SELECT set_config('search_path', 'tool', true)")
        assert connection.execute("SELECT current_schema()").fetchone() == ("tool",)
        connection.rollback()
        assert connection.execute("SELECT current_schema()").fetchone() == ("public",)
    cluster.execute("DROP SCHEMA tool")


def test_a_table_like_another(cluster):
    cluster.execute("CREATE SCHEMA models")
    cluster.execute(
        "CREATE TABLE models.plan (id int8 GENERATED ALWAYS AS IDENTITY (START 5) PRIMARY KEY, a int4 DEFAULT 7 CHECK (a > 0),"
        " b text UNIQUE, c text NOT NULL)")
    cluster.execute("CREATE INDEX ON models.plan (a DESC) INCLUDE (c) WHERE a > 1")
    cluster.execute("CREATE INDEX ON models.plan (lower(c))")
    cluster.execute("COMMENT ON COLUMN models.plan.a IS 'seven'")
    cluster.execute("CREATE TABLE copy (x int8, LIKE models.plan INCLUDING ALL, y text)")
    cluster.execute("CREATE TABLE bare (LIKE models.plan)")
    with cluster.connect() as connection:
        def rows(query):
            return connection.execute(query).fetchall()

        assert rows("SELECT indexdef FROM pg_indexes WHERE tablename = 'copy' ORDER BY 1") == [
            ("CREATE INDEX copy_a_idx ON public.copy USING btree (a DESC) INCLUDE (c) WHERE (a > 1)",),
            ("CREATE INDEX copy_lower_idx ON public.copy USING btree (lower(c))",),
            ("CREATE UNIQUE INDEX copy_b_key ON public.copy USING btree (b)",),
            ("CREATE UNIQUE INDEX copy_pkey ON public.copy USING btree (id)",)]
        connection.execute("INSERT INTO copy (x, b, c) VALUES (1, 'b', 'C')")
        assert rows("SELECT * FROM copy WHERE lower(c) = 'c'") == [(1, 5, 7, "b", "C", None)]
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("INSERT INTO copy (a, c) VALUES (0, 'c')")
        assert rows("SELECT col_description('copy'::regclass, 3)") == [("seven",)]
        with pytest.raises(psycopg.errors.NotNullViolation):
            connection.execute("INSERT INTO bare (id) VALUES (1)")
        connection.execute("INSERT INTO bare (id, c) VALUES (1, 'c'), (1, 'c')")
        assert rows("SELECT a, b FROM bare") == [(None, None)] * 2
    cluster.check_table("copy")
    cluster.execute("DROP SCHEMA models CASCADE")
    cluster.check_table("copy", 2)
    cluster.execute("DROP TABLE copy, bare")
