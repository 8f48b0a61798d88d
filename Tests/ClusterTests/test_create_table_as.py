"""CREATE TABLE AS and SELECT INTO: the table and its rows are there at one moment, or not at all."""

import subprocess
import threading

import psycopg
import pytest


def psql(cluster, script, gateway=1):
    host, port = cluster.address(gateway)
    return subprocess.run(
        ["psql", "-X", "-h", host, "-p", str(port), "-U", "root", "defaultdb"], input=script, capture_output=True, text=True,
        timeout=60)


def tables(cluster, name, gateway=2):
    return cluster.execute(f"SELECT count(*) FROM pg_tables WHERE tablename = '{name}'", gateway=gateway) == [(1,)]


@pytest.fixture
def copy(table, cluster):
    """The name of a table that is not there yet; dropped afterwards."""
    yield f"{table}_copy"
    cluster.execute(f"DROP TABLE IF EXISTS {table}_copy")


def test_what_psql_says(cluster, table, copy):
    cluster.fill(table, 100)
    done = psql(cluster, f"""
CREATE TABLE {copy} AS SELECT id, k % 7 AS rest, upper(v) AS loud, 1.5::numeric(8,2) AS price, 'x' FROM {table} WHERE id <= 30;
CREATE TABLE {copy} AS SELECT 1 AS n;
CREATE TABLE IF NOT EXISTS {copy} AS SELECT 1 AS n;
CREATE TABLE {copy}_none (a, b) AS SELECT id, k FROM {table} WITH NO DATA;
SELECT count(*) FROM {copy}_none;
SELECT id, k INTO {copy}_into FROM {table} WHERE id > 90;
EXPLAIN CREATE TABLE n AS SELECT * FROM {table} WHERE id = 5;
EXPLAIN (DDL) CREATE TABLE n AS SELECT * FROM {table};
CREATE TABLE n (a, b, c, d) AS SELECT * FROM {table};
CREATE TABLE n AS SELECT id, id FROM {table};
CREATE TABLE n AS SELECT 1 / (id - 50) AS bad FROM {table};
SELECT * FROM n;
CREATE TEMP TABLE n AS SELECT 1 AS a;
\\d {copy}
DROP TABLE {copy}_none, {copy}_into;
""")
    out = done.stdout.splitlines()
    assert out[:3] == ["SELECT 30", "CREATE TABLE AS", "CREATE TABLE AS"]
    assert "SELECT 10" in out and f"Index Scan using {table}_pkey" in done.stdout and f"table n is created: 3 columns" in done.stdout
    columns = [tuple(part.strip() for part in line.split("|")[:2]) for line in out if line.count("|") == 4]
    assert columns == [
        ("Column", "Type"), ("id", "bigint"), ("rest", "bigint"), ("loud", "text"), ("price", "numeric(8,2)"), ("?column?", "text")]
    errors = [line for line in done.stderr.splitlines() if line.startswith(("ERROR", "NOTICE"))]
    assert errors == [
        f'ERROR:  relation "{copy}" already exists', f'NOTICE:  relation "{copy}" already exists, skipping',
        "ERROR:  too many column names were specified", 'ERROR:  column "id" specified more than once', "ERROR:  division by zero",
        'ERROR:  relation "n" does not exist', "ERROR:  CREATE TEMPORARY TABLE is not supported yet"]
    for gateway in (1, 2):
        assert cluster.execute(f"SELECT count(*), sum(id), min(loud) FROM {copy}", gateway=gateway) == [(30, 465, "VALUE-1")]
    cluster.check_table(copy)
    # A table like any other from then on.
    cluster.execute(f"ALTER TABLE {copy} ADD PRIMARY KEY (id)", gateway=2)
    cluster.execute(f"CREATE INDEX ON {copy} (rest)", gateway=2)
    cluster.execute(f"INSERT INTO {copy} (id, rest) VALUES (31, 1)")
    cluster.check_table(copy)
    with pytest.raises(psycopg.errors.UniqueViolation):
        cluster.execute(f"INSERT INTO {copy} (id) VALUES (1)")


def test_with_parameters_and_in_a_pipeline(cluster, table, copy):
    cluster.fill(table, 50)
    with cluster.connect(1) as connection:
        done = connection.execute(f"CREATE TABLE {copy} AS SELECT id, %s::text AS note FROM {table} WHERE id > %s", ("seen", 40))
        assert done.statusmessage == "SELECT 10"
        assert connection.execute(f"SELECT DISTINCT note FROM {copy}").fetchall() == [("seen",)]
        connection.execute(f"DROP TABLE {copy}")
        # One message is one transaction: what stands behind sees the table, and goes with it.
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute(f"CREATE TABLE {copy} AS SELECT id FROM {table}; INSERT INTO {copy} VALUES (51); SELECT 1 / 0")
        assert not tables(cluster, copy)
        connection.execute(
            f"INSERT INTO {table} VALUES (51, 1); CREATE TABLE {copy} AS SELECT id FROM {table}; INSERT INTO {copy} VALUES (52);"
            f" CREATE TABLE {copy}_two (id int8 PRIMARY KEY)")
        assert cluster.execute(f"SELECT count(*) FROM {copy}", gateway=2) == [(52,)]
        connection.execute(f"DROP TABLE {copy}_two, {copy}")
        with connection.pipeline():
            first = connection.execute(f"CREATE TABLE {copy} AS SELECT id FROM {table} WHERE id <= %s", (5,))
            second = connection.execute(f"SELECT count(*) FROM {copy}")
            assert second.fetchone() == (5,) and first.statusmessage == "SELECT 5"


def test_in_a_transaction_block(cluster, table, copy):
    cluster.fill(table, 20)
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"INSERT INTO {table} VALUES (21, 1, 'own')")
        assert connection.execute(f"CREATE TABLE {copy} AS SELECT * FROM {table}").statusmessage == "SELECT 21"
        connection.execute(f"UPDATE {copy} SET v = 'changed' WHERE id = 21")
        connection.execute("SAVEPOINT s")
        with pytest.raises(psycopg.errors.DuplicateTable):
            connection.execute(f"CREATE TABLE {copy} AS SELECT 1 AS n")
        connection.execute("ROLLBACK TO s")
        connection.execute(f"CREATE TABLE {copy}_two AS SELECT count(*) AS n FROM {copy}")
        connection.execute("ROLLBACK TO s")
        assert not tables(cluster, copy)
        connection.execute("COMMIT")
        assert cluster.execute(f"SELECT count(*), max(v) FROM {copy}", gateway=2) == [(21, "value-9")]
        assert cluster.execute(f"SELECT v FROM {copy} WHERE id = 21", gateway=2) == [("changed",)]
        assert not tables(cluster, f"{copy}_two")
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {copy}_two AS SELECT * FROM {table}")
        connection.execute("ROLLBACK")
        assert not tables(cluster, f"{copy}_two")
        connection.execute("BEGIN READ ONLY")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="cannot execute CREATE TABLE AS in a read-only transaction"):
            connection.execute(f"CREATE TABLE {copy}_two AS SELECT 1 AS n")
        connection.execute("ROLLBACK")


def test_the_rows_are_those_of_one_moment(cluster, table):
    """Beside clients who move what two rows have between them, the sum stays what it is."""
    cluster.execute(f"INSERT INTO {table} SELECT g, 100, 'x' FROM generate_series(1, 200) g")
    is_over = threading.Event()
    failures = []

    def move(gateway):
        try:
            with cluster.connect(gateway) as connection:
                number = gateway
                while not is_over.is_set():
                    number = number * 7919 % 199 + 1
                    try:
                        with connection.transaction():
                            connection.execute(f"UPDATE {table} SET k = k - 1 WHERE id = {number}")
                            connection.execute(f"UPDATE {table} SET k = k + 1 WHERE id = {number + 1}")
                    except psycopg.errors.SerializationFailure:
                        pass
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    def look():
        """Whoever sees the table sees all of it."""
        try:
            with cluster.connect(2) as connection:
                while not is_over.is_set():
                    for number in range(5):
                        try:
                            found = connection.execute(f"SELECT count(*), sum(k) FROM {table}_m{number}").fetchone()
                            if found != (200, 20_000):
                                failures.append(found)
                        except psycopg.errors.UndefinedTable:
                            pass
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=move, args=(1,)), threading.Thread(target=move, args=(2,)), threading.Thread(target=look)]
    for thread in threads:
        thread.start()
    try:
        for number in range(5):
            assert cluster.execute(f"CREATE TABLE {table}_m{number} AS SELECT * FROM {table}", gateway=1 + number % 2) == "SELECT 200"
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert failures == []
    for number in range(5):
        cluster.check_table(f"{table}_m{number}")
        cluster.execute(f"DROP TABLE {table}_m{number}")


def test_two_of_one_name_and_one_operation_twice(cluster, table, copy):
    cluster.fill(table, 300)
    answers = []

    def create(gateway):
        try:
            answers.append(cluster.execute(f"CREATE TABLE {copy} AS SELECT * FROM {table}", gateway=gateway))
        except psycopg.Error as error:
            answers.append(error.sqlstate)

    threads = [threading.Thread(target=create, args=(gateway,)) for gateway in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["42P07", "SELECT 300"]
    cluster.execute(f"DROP TABLE {copy}")
    for gateway in (1, 2):
        with cluster.connect(gateway) as connection:
            connection.execute(f"SET theseus.operation_id = '{copy}'")
            connection.execute(f"CREATE TABLE {copy} AS SELECT * FROM {table}")
            assert connection.execute("SHOW theseus.operation_id").fetchone() == ("",)
    assert cluster.execute(f"SELECT count(*) FROM {copy}") == [(300,)]


def test_more_than_a_transaction_can_hold(cluster, table, copy):
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        cluster.execute(f"CREATE TABLE {copy} AS SELECT g AS id, repeat('x', 100000) AS v FROM generate_series(1, 5000) g")
    assert not tables(cluster, copy)
    assert cluster.execute(f"CREATE TABLE {copy} AS SELECT g AS id, repeat('x', 100) AS v FROM generate_series(1, 20000) g") == "SELECT 20000"
    assert cluster.execute(f"SELECT count(*), min(length(v)) FROM {copy}", gateway=2) == [(20000, 100)]
