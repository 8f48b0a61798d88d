"""Views: what they answer, what follows what, two clients who want different things, and what tools see."""

import subprocess
import threading

import psycopg
import pytest

from cluster import wait_until


def refused(cluster, statement, gateway=1):
    with cluster.connect(gateway) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(statement)
    return caught.value


def rows(cluster, query, gateway=1):
    return cluster.execute(query, gateway)


@pytest.fixture
def ships(cluster):
    cluster.execute("CREATE TABLE ships (id int8 PRIMARY KEY, name text NOT NULL, owner int4)")
    cluster.execute("CREATE TABLE crew (id int8 PRIMARY KEY, ship int8, name text)")
    cluster.execute("INSERT INTO ships SELECT n, 'ship-' || n, n % 3 FROM generate_series(1, 9) AS n")
    cluster.execute("INSERT INTO crew SELECT n, n % 9 + 1, 'sailor-' || n FROM generate_series(1, 20) AS n")
    yield
    cluster.execute("DROP TABLE IF EXISTS ships, crew, vessels CASCADE")


def test_views_answer_as_their_queries(cluster, ships):
    cluster.execute("CREATE VIEW owned AS SELECT id, upper(name) AS loud, owner FROM ships WHERE owner > 0")
    cluster.execute("CREATE VIEW per_owner (owner, count) AS SELECT owner, count(*) FROM owned GROUP BY owner", gateway=2)
    cluster.execute("CREATE VIEW sailors AS SELECT s.*, c.name AS sailor FROM owned s LEFT JOIN crew c ON c.ship = s.id")
    for gateway in (1, 2):
        assert rows(cluster, "SELECT * FROM per_owner ORDER BY owner", gateway) == [(1, 3), (2, 3)]
        assert rows(cluster, "SELECT loud FROM owned WHERE id = 4", gateway) == [("SHIP-4",)]
        assert rows(cluster, "SELECT loud FROM owned WHERE id = 3", gateway) == []
        # An outer join makes up rows that have NULL in every column, computed ones as well.
        assert rows(
            cluster, "SELECT ships.id, owned.loud FROM ships LEFT JOIN owned USING (id) WHERE ships.id < 3 OR ships.id = 9 ORDER BY 1",
            gateway) == [(1, "SHIP-1"), (2, "SHIP-2"), (9, None)]
        assert rows(cluster, "SELECT count(*), count(DISTINCT loud) FROM sailors", gateway) == [(13, 6)]
        assert rows(
            cluster, "SELECT id FROM ships s WHERE EXISTS (SELECT 1 FROM owned o WHERE o.id = s.id AND o.loud LIKE '%5') ORDER BY 1",
            gateway) == [(5,)]
        assert rows(
            cluster, "WITH w AS (SELECT owner, max(loud) AS m FROM owned GROUP BY 1) SELECT m FROM w ORDER BY 1 DESC LIMIT 1",
            gateway) == [("SHIP-8",)]
        assert rows(cluster, "SELECT x.a, y.loud FROM owned AS x (a) JOIN owned y ON y.id = x.a + 1 ORDER BY 1 LIMIT 1", gateway) == [
            (1, "SHIP-2")]
    cluster.execute("UPDATE ships SET owner = 0 WHERE id IN (SELECT id FROM owned WHERE owner = 2)")
    cluster.execute("INSERT INTO crew SELECT id + 100, id, loud FROM owned")
    assert rows(cluster, "SELECT * FROM per_owner") == [(1, 3)]
    assert rows(cluster, "SELECT count(*) FROM crew WHERE id > 100") == [(3,)]
    with cluster.connect() as connection:
        assert [column.name for column in connection.execute("SELECT * FROM sailors").description] == [
            "id", "loud", "owner", "sailor"]
        oid = connection.execute("SELECT 'owned'::regclass::oid").fetchone()[0]
        assert connection.execute("SELECT loud, id FROM owned").pgresult.ftable(1) == oid


def test_views_follow_what_they_read(cluster, ships):
    cluster.execute("CREATE SCHEMA yard")
    cluster.execute("CREATE VIEW yard.v AS SELECT s.name, c.name AS sailor FROM ships s JOIN crew c ON c.ship = s.id WHERE s.id = 2")
    with cluster.connect() as one, cluster.connect(2) as two:
        query = "SELECT sailor FROM yard.v WHERE name = %s ORDER BY 1"
        answer = [("sailor-1",), ("sailor-10",), ("sailor-19",)]
        for connection in (one, two):
            for _ in range(7):
                assert connection.execute(query, ("ship-2",), prepare=True).fetchall() == answer
        for change in (
                "ALTER TABLE ships RENAME COLUMN name TO called", "ALTER TABLE ships RENAME TO vessels",
                "ALTER TABLE vessels SET SCHEMA yard", "CREATE TABLE ships (id text PRIMARY KEY, name text)",
                "ALTER TABLE yard.vessels ADD COLUMN name int8 DEFAULT 3", "CREATE INDEX ON yard.vessels (called)",
"ALTER TABLE crew ALTER id TYPE text"):
            one.execute(change)
            for connection in (two, one):
                assert connection.execute(query, ("ship-2",), prepare=True).fetchall() == answer, change
        one.execute("CREATE OR REPLACE VIEW yard.v AS SELECT called AS name, 'nobody' AS sailor, id FROM yard.vessels")
        for connection in (two, one):
            assert connection.execute(query, ("ship-3",), prepare=True).fetchall() == [("nobody",)]
        one.execute("ALTER VIEW yard.v RENAME COLUMN sailor TO seaman")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            two.execute(query, ("ship-3",), prepare=True)
        one.execute("ALTER VIEW yard.v SET SCHEMA public")
        assert two.execute("SELECT count(*) FROM v").fetchone() == (9,)
        one.execute("DROP VIEW v")
        with pytest.raises(psycopg.errors.UndefinedTable):
            two.execute("SELECT count(*) FROM v")
    cluster.execute("DROP SCHEMA yard CASCADE")


def test_what_a_view_reads_stays(cluster, ships):
    cluster.execute("CREATE VIEW v AS SELECT name FROM ships")
    cluster.execute("CREATE VIEW w AS SELECT name FROM v", gateway=2)
    error = refused(cluster, "DROP TABLE ships", 2)
    assert error.sqlstate == "2BP01" and error.diag.message_detail == "view v depends on table ships\nview w depends on view v"
    assert error.diag.message_hint == "Use DROP ... CASCADE to drop the dependent objects too."
    assert refused(cluster, "ALTER TABLE ships DROP COLUMN name").sqlstate == "2BP01"
    assert refused(cluster, "ALTER TABLE ships ALTER name TYPE varchar(3)").sqlstate == "0A000"
    assert refused(cluster, "DROP VIEW v").sqlstate == "2BP01"
    assert refused(cluster, "INSERT INTO v VALUES ('x')").sqlstate == "0A000"
    assert refused(cluster, "CREATE VIEW ships AS SELECT 1").sqlstate == "42P07"
    assert refused(cluster, "CREATE OR REPLACE VIEW v AS SELECT 1 AS name").sqlstate == "42P16"
    assert refused(cluster, "DROP TABLE v").sqlstate == "42809"
    notices = []
    with cluster.connect() as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.execute("ALTER TABLE ships DROP COLUMN name CASCADE")
    assert notices == ["drop cascades to view v", "drop cascades to view w"]
    assert refused(cluster, "SELECT * FROM w", 2).sqlstate == "42P01"
    cluster.execute("UNDROP COLUMN name ON ships")
    assert rows(cluster, "SELECT count(name) FROM ships", 2) == [(9,)]


def test_blocks_and_old_readers(cluster, ships):
    with cluster.connect() as one, cluster.connect(2) as two:
        two.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert two.execute("SELECT count(*) FROM ships").fetchone() == (9,)
        one.execute("BEGIN")
        one.execute("CREATE TABLE vessels (id int8 PRIMARY KEY, name text)")
        one.execute("INSERT INTO vessels VALUES (1, 'new')")
        one.execute("CREATE VIEW both_ AS SELECT id, name FROM vessels UNION ALL SELECT id, name FROM ships")
        assert one.execute("SELECT count(*) FROM both_").fetchone() == (10,)
        one.execute("SAVEPOINT s")
        one.execute("CREATE OR REPLACE VIEW both_ AS SELECT id, name, 1 AS one FROM vessels")
        assert one.execute("SELECT * FROM both_").fetchall() == [(1, "new", 1)]
        with pytest.raises(psycopg.errors.DependentObjectsStillExist):
            one.execute("DROP TABLE vessels")
        one.execute("ROLLBACK TO s")
        one.execute("CREATE VIEW counted AS SELECT count(*) AS n FROM both_")
        assert one.execute("SELECT n FROM counted").fetchone() == (10,)
        one.execute("INSERT INTO ships VALUES (10, 'ten', 1)")
        one.execute("COMMIT")
        assert one.execute("SELECT n FROM counted").fetchone() == (11,)
        assert refused(cluster, "DROP VIEW both_", 2).sqlstate == "2BP01"
        # Who reads in the past sees what there was.
        with pytest.raises(psycopg.errors.UndefinedTable):
            two.execute("SELECT n FROM counted")
        two.execute("ROLLBACK")
        two.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert two.execute("SELECT n FROM counted").fetchone() == (11,)
        one.execute("DROP VIEW counted, both_")
        assert two.execute("SELECT n FROM counted").fetchone() == (11,)
        two.execute("COMMIT")
        with pytest.raises(psycopg.errors.UndefinedTable):
            two.execute("SELECT n FROM counted")
        one.execute("BEGIN")
        one.execute("CREATE VIEW gone AS SELECT 1 AS x")
        one.execute("ROLLBACK")
        with pytest.raises(psycopg.errors.UndefinedTable):
            one.execute("SELECT * FROM gone")


def test_two_clients_want_different_things(cluster, ships):
    """A view and the end of a column that it reads: one of them wins, and what is there fits together."""
    for number in range(6):
        cluster.execute(f"ALTER TABLE ships ADD COLUMN extra{number} int8 DEFAULT {number}")
        outcomes = {}

        def run(name, gateway, statement):
            try:
                cluster.execute(statement, gateway)
                outcomes[name] = None
            except psycopg.Error as error:
                outcomes[name] = error.sqlstate

        threads = [
            threading.Thread(target=run, args=("view", 1, f"CREATE VIEW r{number} AS SELECT id, extra{number} FROM ships")),
            threading.Thread(
                target=run, args=("drop", 2, f"ALTER TABLE ships ALTER owner SET DEFAULT {number}, DROP COLUMN extra{number}"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(value is None for value in outcomes.values()) == [False, True], outcomes
        if outcomes["view"] is None:
            assert outcomes["drop"] == "2BP01"
            assert rows(cluster, f"SELECT sum(extra{number}) FROM r{number}", 2) == [(9 * number,)]
            cluster.execute(f"DROP VIEW r{number}")
        else:
            assert outcomes["view"] in ("42703", "40001"), outcomes


def test_a_view_waits_for_a_change_of_its_table(cluster, ships):
    """While a column is on its way out behind a proof, nobody makes a view of it."""
    cluster.execute("INSERT INTO ships SELECT n, 'ship-' || n, 1 FROM generate_series(100, 400) AS n")
    cluster.execute("ALTER TABLE ships ADD COLUMN extra int8 DEFAULT 5")
    with cluster.connect() as holder, cluster.connect(2) as changer, cluster.connect() as maker:
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM ships")
        changer.execute("SET theseus.ddl_wait = '10s'")
        change = threading.Thread(
            target=changer.execute, args=("ALTER TABLE ships ADD CONSTRAINT c CHECK (id > 0), DROP COLUMN extra",))
        change.start()
        wait_until(lambda: [row for row in cluster.execute("SHOW JOBS") if "DROP COLUMN extra" in str(row[2]) and row[4] == "running"])
        failures = []

        def make():
            try:
                maker.execute("CREATE VIEW extras AS SELECT extra FROM ships")
            except psycopg.Error as error:
                failures.append(error.sqlstate)

        making = threading.Thread(target=make)
        making.start()
        wait_until(lambda: [row for row in cluster.execute("SHOW JOBS") if row[4] == "queued"])
        holder.execute("COMMIT")
        change.join()
        making.join()
        assert failures == ["40001"]
    cluster.check_table("ships")


def test_psql_shows_views(cluster, ships):
    cluster.execute("CREATE VIEW v AS SELECT s.id, s.name AS \"Name\", count(*) AS n FROM ships s JOIN crew ON crew.ship = s.id"
                    " WHERE s.owner > 1 AND crew.name LIKE 'sailor%' GROUP BY s.id, s.name ORDER BY s.id")
    cluster.execute("COMMENT ON VIEW v IS 'who sails'")
    cluster.execute("COMMENT ON COLUMN v.n IS 'how many'")
    port = str(cluster.address()[1])

    def psql(command):
        return subprocess.run(
            ["psql", "-X", "-h", "127.0.0.1", "-p", port, "-U", "root", "-d", "defaultdb", "-c", command],
            capture_output=True, text=True, check=True).stdout

    assert psql("\\dv") == (
        "      List of relations\n Schema | Name | Type | Owner \n--------+------+------+-------\n"
        " public | v    | view | root\n(1 row)\n\n")
    described = psql("\\d+ v")
    assert described.startswith("                             View \"public.v\"\n") or "View \"public.v\"" in described
    assert described.endswith("""View definition:
 SELECT s.id,
    s.name AS "Name",
    count(*) AS n
   FROM ships s
     JOIN crew ON crew.ship = s.id
  WHERE s.owner > 1 AND crew.name LIKE 'sailor%'
  GROUP BY s.id, s.name
  ORDER BY s.id;

"""), described
    assert "how many" in described
    assert " v     | view " in psql("\\d")
    assert "who sails" in psql("\\dv+")
    assert rows(cluster, "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1") == [
        ("crew", "BASE TABLE"), ("ships", "BASE TABLE"), ("v", "VIEW")]
    assert rows(cluster, "SELECT viewname, viewowner, definition LIKE ' SELECT s.id,%' FROM pg_views WHERE schemaname = 'public'") == [
        ("v", "root", True)]
    assert rows(cluster, "SELECT table_name, is_updatable, view_definition LIKE '%crew%' FROM information_schema.views"
                         " WHERE table_schema = 'public'") == [("v", "NO", True)]
    assert rows(cluster, "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'v' ORDER BY ordinal_position") == [
        ("id", "bigint"), ("Name", "text"), ("n", "bigint")]
