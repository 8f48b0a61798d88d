"""Databases besides the first: each its own names and rows, made and found through any gateway, renamed and dropped under sessions."""

import pathlib
import subprocess
import threading

import psycopg
import pytest

from cluster import THESEUS, wait_until


def refused(cluster, statement, gateway=1, database="defaultdb"):
    with cluster.connect(gateway, dbname=database) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(statement)
    return caught.value.sqlstate, caught.value.diag.message_primary


def ask(cluster, statement, gateway=1, database="defaultdb"):
    with cluster.connect(gateway, dbname=database) as connection:
        done = connection.execute(statement)
        return done.fetchall() if done.description else None


def databases(cluster, gateway=1):
    return [row[0] for row in ask(cluster, "SHOW DATABASES", gateway)]


def psql(cluster, *arguments, database="defaultdb", gateway=1, script=None, check=True):
    host, port = cluster.address(gateway)
    return subprocess.run(
        ["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", str(port), "-U", "root", database, *arguments],
        input=script, capture_output=True, text=True, timeout=60, check=check).stdout


def test_the_first_change_of_a_cluster(cluster):
    """Numbers of databases come from where those of tables do: the first one is not that of the first database."""
    ask(cluster, "CREATE DATABASE very_first")
    assert databases(cluster, 2) == ["defaultdb", "very_first"]
    ask(cluster, "DROP DATABASE very_first", 2)


def test_each_has_its_own_names_and_rows(cluster):
    ask(cluster, "CREATE TABLE goods (id int8 PRIMARY KEY, v text)")
    ask(cluster, "INSERT INTO goods VALUES (1, 'first')")
    ask(cluster, "CREATE DATABASE shop")
    # Found at once through the other gateway, whose catalog need not have it yet.
    ask(cluster, "CREATE TABLE goods (id serial PRIMARY KEY, w text UNIQUE)", 2, "shop")
    ask(cluster, "INSERT INTO goods (w) VALUES ('shop'), ('shop too')", 1, "shop")
    for gateway in (1, 2):
        assert ask(cluster, "SELECT * FROM goods ORDER BY id", gateway) == [(1, "first")]
        assert ask(cluster, "SELECT * FROM goods ORDER BY id", gateway, "shop") == [(1, "shop"), (2, "shop too")]
        assert ask(cluster, "SELECT current_database(), current_catalog, current_schema()", gateway, "shop") == [
            ("shop", "shop", "public")]
        assert databases(cluster, gateway) == ["defaultdb", "shop"]
        assert ask(cluster, "SELECT count(*) FROM pg_class WHERE relname = 'goods'", gateway, "shop") == [(1,)]
        assert ask(cluster, "SELECT table_catalog, column_name FROM information_schema.columns WHERE table_name = 'goods' ORDER BY 2",
                   gateway, "shop") == [("shop", "id"), ("shop", "w")]
        assert ask(cluster, "SELECT pg_get_serial_sequence('goods', 'id')", gateway, "shop") == [("public.goods_id_seq",)]
    assert ask(cluster, "SELECT count(*) FROM pg_class WHERE relname = 'goods_id_seq'") == [(0,)]
    cluster.check_table("goods")
    ask(cluster, "CHECK TABLE goods", 1, "shop")
    # Three parts.
    assert ask(cluster, "SELECT shop.public.goods.w FROM shop.public.goods WHERE id = 1", 1, "shop") == [("shop",)]
    assert ask(cluster, "SELECT 'shop.public.goods'::regclass::text", 1, "shop") == [("goods",)]
    state, message = refused(cluster, "SELECT * FROM shop.public.goods")
    assert (state, message) == ("0A000", 'cross-database references are not implemented: "shop.public.goods"')
    for statement in ("DROP TABLE shop.public.goods", "INSERT INTO shop.public.goods VALUES (3)", "SELECT nextval('shop.public.s')",
                      "ALTER TABLE shop.public.goods ADD COLUMN x int8", "CREATE VIEW v AS SELECT * FROM shop.public.goods",
                      "EXPLAIN SELECT * FROM shop.public.goods", "CREATE TABLE shop.public.more (id int8)"):
        assert refused(cluster, statement)[0] == "0A000", statement
    assert refused(cluster, "SELECT * FROM a.b.c.d")[0] == "42601"
    # One text, one gateway, two databases: two plans.
    with cluster.connect(1) as first, cluster.connect(1, dbname="shop") as second:
        for _ in range(3):
            assert first.execute("SELECT count(*) FROM goods", prepare=True).fetchone() == (1,)
            assert second.execute("SELECT count(*) FROM goods", prepare=True).fetchone() == (2,)
    ask(cluster, "DROP DATABASE shop", 2)
    assert databases(cluster) == ["defaultdb"]
    ask(cluster, "DROP TABLE goods")


def test_names_are_refused_as_in_postgresql(cluster):
    ask(cluster, "CREATE DATABASE one WITH OWNER root ENCODING 'UTF8' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
        " CONNECTION LIMIT -1")
    ask(cluster, "CREATE DATABASE IF NOT EXISTS one")
    ask(cluster, "CREATE DATABASE IF NOT EXISTS \"Two\" OWNER = DEFAULT")
    assert databases(cluster, 2) == ["Two", "defaultdb", "one"]
    assert refused(cluster, "CREATE DATABASE one") == ("42P04", 'database "one" already exists')
    assert refused(cluster, "CREATE DATABASE x OWNER nobody")[0] == "0A000"
    assert "LC_COLLATE de_DE" in refused(cluster, "CREATE DATABASE x LC_COLLATE 'de_DE'")[1]
    assert "CONNECTION LIMIT 5" in refused(cluster, "CREATE DATABASE x CONNECTION LIMIT 5")[1]
    assert refused(cluster, "CREATE DATABASE x TEMPLATE nowhere")[0] == "3D000"
    assert refused(cluster, "CREATE DATABASE x TEMPLATE one")[0] == "0A000"
    assert refused(cluster, "CREATE DATABASE x FLAVOUR 'mint'")[0] == "42601"
    assert refused(cluster, "DROP DATABASE nowhere") == ("3D000", 'database "nowhere" does not exist')
    assert refused(cluster, "DROP DATABASE one", 1, "one") == ("55006", "cannot drop the currently open database")
    assert refused(cluster, "DROP DATABASE defaultdb")[0] == "55006"
    assert refused(cluster, "DROP DATABASE defaultdb", 1, "one")[0] == "0A000"
    assert refused(cluster, "ALTER DATABASE nowhere RENAME TO x")[0] == "3D000"
    assert refused(cluster, "ALTER DATABASE one RENAME TO \"Two\"")[0] == "42P04"
    assert refused(cluster, "ALTER DATABASE one RENAME TO x", 1, "one") == ("0A000", "current database cannot be renamed")
    assert refused(cluster, "ALTER DATABASE one SET search_path = x")[0] == "0A000"
    ask(cluster, "DROP DATABASE IF EXISTS nowhere")
    with cluster.connect(autocommit=False) as connection:
        for statement in ("CREATE DATABASE x", "DROP DATABASE one"):
            with pytest.raises(psycopg.errors.ActiveSqlTransaction, match="cannot run inside a transaction block"):
                connection.execute(statement)
            connection.rollback()
    assert refused(cluster, "CREATE DATABASE x; SELECT 1")[0] == "25001"
    for gateway in (1, 2):
        with pytest.raises(psycopg.OperationalError, match='database "nowhere" does not exist'):
            cluster.connect(gateway, dbname="nowhere")
    ask(cluster, "DROP DATABASE one WITH (FORCE)")
    ask(cluster, 'DROP DATABASE "Two"')


def test_sessions_go_on_under_another_name(cluster):
    ask(cluster, "CREATE DATABASE before")
    with cluster.connect(2, dbname="before") as connection:
        connection.execute("CREATE TABLE t (id int8 PRIMARY KEY, v text)")
        ask(cluster, "ALTER DATABASE before RENAME TO after")
        # Somebody else gets the name, and no session comes into that one by mistake.
        ask(cluster, "CREATE DATABASE before")
        connection.execute("INSERT INTO t VALUES (1, 'here')")
        assert connection.execute("SELECT current_database()").fetchone() == ("after",)
        connection.execute("CREATE INDEX ON t (v)")
        connection.execute("CREATE SCHEMA app")
        with connection.transaction():
            connection.execute("CREATE TABLE app.u (id int8 PRIMARY KEY)")
            connection.execute("INSERT INTO app.u VALUES (7)")
        assert connection.execute("SELECT * FROM after.app.u").fetchall() == [(7,)]
        assert ask(cluster, "SELECT v FROM t", 1, "after") == [("here",)]
        assert ask(cluster, "SELECT count(*) FROM pg_class WHERE relname = 't'", 1, "before") == [(0,)]
        job = ask(cluster, "SHOW JOBS")
        assert any(row[2] == "ALTER DATABASE before RENAME TO after" and row[4] == "succeeded" for row in job)
    ask(cluster, "DROP DATABASE before")
    ask(cluster, "DROP DATABASE after")


def test_a_job_takes_another_name_back(cluster):
    ask(cluster, "CREATE DATABASE plain")
    with cluster.connect() as connection:
        connection.execute("ALTER DATABASE plain RENAME TO fancy")
        job = connection.execute("SHOW theseus.last_job").fetchone()[0]
        connection.execute(f"REVERT JOB {job}")
        assert "plain" in databases(cluster, 2)
        connection.execute("DROP DATABASE plain")
        job = connection.execute("SHOW theseus.last_job").fetchone()[0]
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="dropped a database"):
            connection.execute(f"REVERT JOB {job}")


def test_one_that_is_dropped_is_gone_for_its_sessions(cluster):
    ask(cluster, "CREATE DATABASE doomed")
    with cluster.connect(2, dbname="doomed") as connection, cluster.connect(1, dbname="doomed") as other:
        connection.execute("CREATE TABLE t (id int8 PRIMARY KEY, v text)")
        connection.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
        connection.execute("CREATE VIEW seen AS SELECT v FROM t")
        connection.execute("INSERT INTO t SELECT g, 'row' FROM generate_series(1, 500) g")
        assert other.execute("SELECT count(*) FROM seen", prepare=True).fetchone() == (500,)
        ask(cluster, "DROP DATABASE doomed")
        for session in (connection, other):
            for statement in ("SELECT count(*) FROM t", "SELECT 1", "INSERT INTO t VALUES (0)", "CREATE TABLE u (id int8)"):
                with pytest.raises(psycopg.errors.InvalidCatalogName, match='database "doomed" does not exist'):
                    session.execute(statement)
        # The name is free at once; the sessions of before are not in the new one.
        ask(cluster, "CREATE DATABASE doomed")
        ask(cluster, "CREATE TABLE t (id int8 PRIMARY KEY)", 2, "doomed")
        for session in (connection, other):
            with pytest.raises(psycopg.errors.InvalidCatalogName):
                session.execute("SELECT count(*) FROM t")
        assert ask(cluster, "SELECT count(*) FROM t", 1, "doomed") == [(0,)]
    # What was dropped there is not told of here, and nobody brings it back here.
    ask(cluster, "DROP TABLE t", 1, "doomed")
    assert [row[3] for row in ask(cluster, "SHOW DROPPED", 1, "doomed")] == ["t"]
    assert "t" not in [row[3] for row in ask(cluster, "SHOW DROPPED")]
    assert refused(cluster, "UNDROP TABLE t")[0] == "42704"
    ask(cluster, "UNDROP TABLE t", 2, "doomed")
    assert ask(cluster, "SELECT count(*) FROM t", 1, "doomed") == [(0,)]
    ask(cluster, "DROP DATABASE doomed")


def test_a_drop_waits_for_what_is_under_way_in_it(cluster):
    """An index build in the database and the database's end: each comes to its end, and nothing stays behind."""
    ask(cluster, "CREATE DATABASE busy")
    ask(cluster, "CREATE TABLE t (id int8 PRIMARY KEY, k int8)", 1, "busy")
    ask(cluster, "INSERT INTO t SELECT g, g FROM generate_series(1, 20000) g", 1, "busy")
    outcomes = {}

    def work(name, statement, gateway, database):
        try:
            ask(cluster, statement, gateway, database)
            outcomes[name] = "done"
        except psycopg.Error as error:
            outcomes[name] = error.sqlstate

    threads = [threading.Thread(target=work, args=("index", "CREATE INDEX ON t (k)", 2, "busy"))]
    threads[0].start()
    wait_until(lambda: any(row[4] == "running" for row in ask(cluster, "SHOW JOBS")) or not threads[0].is_alive(), what="the index build")
    threads.append(threading.Thread(target=work, args=("drop", "DROP DATABASE busy", 1, "defaultdb")))
    threads[1].start()
    for thread in threads:
        thread.join()
    assert outcomes == {"index": "done", "drop": "done"}
    assert databases(cluster) == ["defaultdb"]


def test_many_at_once(cluster):
    """Two clients make the same database through two gateways: one does, the other is told."""
    for _ in range(5):
        states = []

        def make(gateway):
            try:
                ask(cluster, "CREATE DATABASE twin", gateway)
                states.append("made")
            except psycopg.Error as error:
                states.append(error.sqlstate)

        threads = [threading.Thread(target=make, args=(gateway,)) for gateway in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(states) == ["42P04", "made"]
        ask(cluster, "DROP DATABASE twin")


def test_psql(cluster):
    ask(cluster, "CREATE DATABASE seen")
    ask(cluster, "COMMENT ON DATABASE seen IS 'to look at'")
    lines = psql(cluster, "-c", "\\l").splitlines()
    assert [line.split("|")[0] for line in lines if "|" in line] == ["defaultdb", "seen"]
    assert "to look at" in psql(cluster, "-c", "\\l+")
    script = "CREATE TABLE only_here (id int8);\n\\c seen\nCREATE TABLE only_there (id int8);\n\\dt\n\\c defaultdb\n\\dt only*\nDROP TABLE only_here;\n"
    shown = psql(cluster, script=script)
    assert "public|only_there|table|root" in shown and shown.count("only_there") == 1
    assert "public|only_here|table|root" in shown and shown.count("only_here") == 1
    assert psql(cluster, "-c", "SELECT current_database()", database="seen").strip() == "seen"
    ask(cluster, "DROP DATABASE seen")


def test_explanations_jobs_and_the_log(cluster):
    lines = [row[0] for row in ask(cluster, "EXPLAIN (DDL) CREATE DATABASE IF NOT EXISTS told")]
    assert any("database told is created" in line for line in lines)
    assert "told" not in databases(cluster)
    ask(cluster, "CREATE DATABASE told")
    ask(cluster, "CREATE TABLE t (id int8 PRIMARY KEY)", 1, "told")
    ask(cluster, "ALTER TABLE t ADD COLUMN x int8", 1, "told")
    assert len(ask(cluster, "SHOW SCHEMA LOG FOR TABLE t", 1, "told")) >= 2
    assert refused(cluster, "SHOW SCHEMA LOG FOR TABLE t")[0] == "42P01"
    whole = [row[7] for row in ask(cluster, "SHOW SCHEMA LOG")]
    assert "database told is created" in whole
    admin = ask(cluster, "ADMIN SHOW DDL JOBS 50", 1, "told")
    assert ("told", "t") in [(row[1], row[2]) for row in admin]
    lines = [row[0] for row in ask(cluster, "EXPLAIN (DDL) DROP DATABASE told")]
    assert any("database told is gone" in line for line in lines) and "told" in databases(cluster, 2)
    ask(cluster, "DROP DATABASE told")
    assert any(row[2] == "DROP DATABASE told" and row[4] == "succeeded" for row in ask(cluster, "SHOW JOBS", 2))


def test_migrate(cluster, tmp_path):
    ask(cluster, "CREATE DATABASE moved")
    (tmp_path / "0001_tables.sql").write_text("CREATE TABLE t (id int8 PRIMARY KEY);\nCREATE INDEX ON t (id);\n")
    host, port = cluster.address(2)
    for _ in range(2):
        done = subprocess.run(
            [THESEUS, "migrate", "--directory", str(pathlib.Path(tmp_path)), "--url", f"postgresql://root@{host}:{port}/moved"],
            capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    assert ask(cluster, "SELECT count(*) FROM t", 1, "moved") == [(0,)]
    assert ask(cluster, "SELECT count(*) FROM pg_class WHERE relname IN ('t', 'theseus_migrations')") == [(0,)]
    ask(cluster, "DROP DATABASE moved")


def test_a_restart_remembers(cluster):
    ask(cluster, "CREATE DATABASE kept")
    ask(cluster, "CREATE TABLE t (id int8 PRIMARY KEY)", 1, "kept")
    ask(cluster, "INSERT INTO t VALUES (5)", 1, "kept")
    ask(cluster, "CREATE DATABASE lost")
    ask(cluster, "DROP DATABASE lost")
    cluster.restart()
    assert databases(cluster, 2) == ["defaultdb", "kept"]
    assert ask(cluster, "SELECT id FROM t", 2, "kept") == [(5,)]
    ask(cluster, "DROP DATABASE kept")
