"""Enumerated types, as users and drivers meet them: two gateways, psql, psycopg, asyncpg, labels added while others read and write."""

import asyncio
import enum
import itertools
import threading

import asyncpg
import psycopg
import pytest
from psycopg.types.enum import EnumInfo, register_enum

from cluster import run

LABELS = ["sad", "ok", "happy"]
_numbers = itertools.count(1)


@pytest.fixture
def mood(cluster):
    """A type and a table of the same prefix: a row for each label."""
    name = f"m{next(_numbers)}"
    cluster.execute(f"CREATE TYPE {name} AS ENUM ('sad', 'ok', 'happy')")
    cluster.execute(f"CREATE TABLE {name}_t (id int8 PRIMARY KEY, m {name} NOT NULL DEFAULT 'ok', note text)")
    cluster.execute(f"CREATE INDEX {name}_i ON {name}_t (m, id)")
    cluster.execute(f"INSERT INTO {name}_t (id, m) VALUES (1, 'happy'), (2, 'sad'), (3, 'ok')", gateway=2)
    yield name
    cluster.execute(f"DROP TABLE IF EXISTS {name}_t, {name}_u")
    cluster.execute(f"DROP TYPE IF EXISTS {name}")


def one(cluster, query, gateway=1, parameters=None):
    return cluster.execute(query, gateway, parameters)[0][0]


def refused(cluster, statement, gateway=1):
    """SQLSTATE, message and detail of a statement that must fail."""
    with cluster.connect(gateway) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
    return caught.value.sqlstate, caught.value.diag.message_primary, caught.value.diag.message_detail


def psql(cluster, *commands, gateway=1):
    host, port = cluster.address(gateway)
    options = [part for command in commands for part in ("-c", command)]
    return run("psql", "-X", "-h", host, "-p", port, "-U", "root", "-v", "ON_ERROR_STOP=1", *options, "defaultdb").stdout


def test_values_have_the_order_of_their_labels(cluster, mood):
    for gateway in (1, 2):
        def ask(query):
            return [row[0] for row in cluster.execute(query, gateway)]

        assert ask(f"SELECT m FROM {mood}_t ORDER BY m") == LABELS
        assert ask(f"SELECT m FROM {mood}_t ORDER BY m DESC") == LABELS[::-1]
        assert ask(f"SELECT id FROM {mood}_t WHERE m > 'sad' ORDER BY m") == [3, 1]
        assert ask(f"SELECT id FROM {mood}_t WHERE m BETWEEN 'sad' AND 'ok' ORDER BY id") == [2, 3]
        assert ask(f"SELECT min(m) FROM {mood}_t") == ["sad"] and ask(f"SELECT max(m) FROM {mood}_t") == ["happy"]
        assert ask(f"SELECT m::text FROM {mood}_t ORDER BY m::text") == sorted(LABELS)
        assert ask(f"SELECT DISTINCT m FROM {mood}_t ORDER BY 1") == LABELS
        assert ask(f"SELECT count(*) FROM {mood}_t GROUP BY m ORDER BY m") == [1, 1, 1]
        assert ask(f"SELECT a.id FROM {mood}_t a JOIN {mood}_t b ON a.m = b.m ORDER BY 1") == [1, 2, 3]
        assert ask(f"SELECT enum_first(NULL::{mood})") == ["sad"] and ask(f"SELECT enum_last(m) FROM {mood}_t LIMIT 1") == ["happy"]
        assert ask(f"SELECT enum_range(NULL::{mood})") == [LABELS]
        assert ask(f"SELECT enum_range('ok'::{mood}, NULL)") == [["ok", "happy"]]
        assert ask(f"SELECT id FROM {mood}_t WHERE m = ANY('{{sad,ok}}') ORDER BY 1") == [2, 3]
        assert ask(f"SELECT CASE WHEN m = 'ok' THEN 'fine' ELSE m::text END FROM {mood}_t ORDER BY id") == ["happy", "sad", "fine"]
    assert refused(cluster, f"INSERT INTO {mood}_t VALUES (4, 'angry')")[:2] == (
        "22P02", f'invalid input value for enum {mood}: "angry"')
    assert refused(cluster, f"SELECT m = note FROM {mood}_t")[:2] == ("42883", f"operator does not exist: {mood} = text")
    cluster.check_table(f"{mood}_t")



def test_views_go_with_a_type_and_keep_its_labels(cluster):
    cluster.execute("CREATE TYPE wind AS ENUM ('calm', 'storm')")
    cluster.execute("CREATE TABLE voyages (id int8 PRIMARY KEY, w wind DEFAULT 'calm')")
    cluster.execute("CREATE VIEW rough AS SELECT id, w FROM voyages WHERE w > 'calm'")
    cluster.execute("CREATE VIEW fixed AS SELECT 'calm'::wind AS w, 1 AS one")
    cluster.execute("CREATE VIEW above AS SELECT w FROM fixed")
    cluster.execute("ALTER TYPE wind ADD VALUE 'breeze' BEFORE 'storm'", gateway=2)
    cluster.execute("INSERT INTO voyages VALUES (1, 'breeze'), (2, 'storm'), (3, DEFAULT)")
    assert cluster.execute("SELECT id, w FROM rough ORDER BY w", gateway=2) == [(1, "breeze"), (2, "storm")]
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="view rough"):
        cluster.execute("ALTER TYPE wind RENAME VALUE 'calm' TO 'still'")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist) as caught:
        cluster.execute("DROP TYPE wind")
    assert caught.value.diag.message_detail.splitlines() == [
        "column w of table voyages depends on type wind", "view rough depends on type wind",
        "view fixed depends on type wind", "view above depends on type wind"]
    cluster.execute("DROP TYPE wind CASCADE")
    for view in ("rough", "fixed", "above"):
        with pytest.raises(psycopg.errors.UndefinedTable):
            cluster.execute(f"SELECT * FROM {view}", gateway=2)
    assert cluster.execute("SELECT * FROM voyages ORDER BY id", gateway=2) == [(1,), (2,), (3,)]
    # A schema takes types, tables and views along, and the views outside that stand on them.
    cluster.execute("CREATE SCHEMA sea")
    cluster.execute("CREATE TYPE sea.depth AS ENUM ('shoal', 'deep')")
    cluster.execute("CREATE TABLE sea.spots (id int8 PRIMARY KEY, d sea.depth)")
    cluster.execute("CREATE VIEW sea.inside AS SELECT id, d FROM sea.spots")
    cluster.execute("CREATE VIEW outside AS SELECT d FROM sea.inside")
    cluster.execute("CREATE TABLE charts (id int8 PRIMARY KEY, d sea.depth)")
    cluster.execute("CREATE VIEW drawn AS SELECT id, d FROM charts")
    cluster.execute("DROP SCHEMA sea CASCADE")
    for view in ("outside", "drawn"):
        with pytest.raises(psycopg.errors.UndefinedTable):
            cluster.execute(f"SELECT * FROM {view}")
    assert cluster.execute("SELECT count(*) FROM charts") == [(0,)]
    cluster.execute("DROP TABLE charts")
    cluster.execute("DROP TABLE voyages")


def test_keys_checks_defaults_and_foreign_keys(cluster, mood):
    cluster.execute(f"CREATE TABLE {mood}_u (m {mood} PRIMARY KEY CHECK (m <> 'ok'), n int8)")
    cluster.execute(f"INSERT INTO {mood}_u VALUES ('happy', 1), ('sad', 2)")
    assert cluster.execute(f"SELECT m, n FROM {mood}_u", gateway=2) == [("sad", 2), ("happy", 1)]
    assert refused(cluster, f"INSERT INTO {mood}_u VALUES ('sad', 3)") == (
        "23505", f'duplicate key value violates unique constraint "{mood}_u_pkey"', "Key (m)=(sad) already exists.")
    assert refused(cluster, f"INSERT INTO {mood}_u VALUES ('ok', 3)")[0] == "23514"
    cluster.execute(f"DELETE FROM {mood}_t WHERE m = 'ok'")
    cluster.execute(f"ALTER TABLE {mood}_t ALTER m SET DEFAULT 'sad', ADD CONSTRAINT {mood}_f FOREIGN KEY (m) REFERENCES {mood}_u")
    cluster.execute(f"INSERT INTO {mood}_t (id) VALUES (10)")
    assert one(cluster, f"SELECT m FROM {mood}_t WHERE id = 10") == "sad"
    assert refused(cluster, f"UPDATE {mood}_t SET m = 'ok' WHERE id = 10")[2] == f'Key (m)=(ok) is not present in table "{mood}_u".'
    cluster.execute(f"ALTER TABLE {mood}_t ADD COLUMN was {mood} NOT NULL DEFAULT 'happy'")
    assert one(cluster, f"SELECT was FROM {mood}_t WHERE id = 10", 2) == "happy"
    cluster.execute(f"ALTER TABLE {mood}_t DROP CONSTRAINT {mood}_f")
    for table in (f"{mood}_t", f"{mood}_u"):
        cluster.check_table(table)


def test_labels_are_added_and_renamed_for_all_gateways(cluster, mood):
    with cluster.connect(1) as first, cluster.connect(2) as second:
        first.execute(f"ALTER TYPE {mood} ADD VALUE 'meh' BEFORE 'ok'")
        # Literals and parameters, through the gateway that may be behind.
        second.execute(f"INSERT INTO {mood}_t (id, m) VALUES (4, 'meh')")
        first.execute(f"ALTER TYPE {mood} ADD VALUE 'elated' AFTER 'happy'")
        second.execute(f"INSERT INTO {mood}_t (id, m) VALUES (%s, %s)", (5, "elated"), prepare=True)
        for connection in (first, second):
            assert connection.execute(f"SELECT m FROM {mood}_t ORDER BY m").fetchall() == [
                ("sad",), ("meh",), ("ok",), ("happy",), ("elated",)]
        first.execute(f"ALTER TYPE {mood} ADD VALUE IF NOT EXISTS 'meh'")
        assert refused(cluster, f"ALTER TYPE {mood} ADD VALUE 'meh'")[:2] == ("42710", 'enum label "meh" already exists')
        assert refused(cluster, f"ALTER TYPE {mood} ADD VALUE 'x' BEFORE 'y'")[:2] == ("22023", '"y" is not an existing enum label')
        # A prepared statement follows a label's other name.
        def count(label):
            return second.execute(f"SELECT count(*) FROM {mood}_t WHERE m = %s", (label,), prepare=True).fetchone()[0]

        assert count("sad") == 1

        def those():
            return second.execute(f"SELECT m FROM {mood}_t WHERE m < 'ok' ORDER BY m", prepare=True).fetchall()

        assert those() == [("sad",), ("meh",)]
        first.execute(f"ALTER TYPE {mood} RENAME VALUE 'sad' TO 'blue'")
        assert those() == [("blue",), ("meh",)]
        assert count("blue") == 1
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            count("sad")
        first.execute(f"ALTER TYPE {mood} RENAME TO {mood}_x")
        assert second.execute(f"SELECT 'blue'::{mood}_x").fetchone() == ("blue",)
        first.execute(f"ALTER TYPE {mood}_x RENAME TO {mood}")
    cluster.check_table(f"{mood}_t")


def test_labels_added_through_both_gateways_while_others_write(cluster, mood):
    stop = threading.Event()
    known = list(LABELS)
    failures, written = [], {}

    def write(number):
        with cluster.connect(1 + number % 2) as connection:
            for count in itertools.count():
                if stop.is_set():
                    return
                label, id = known[(count * 7 + number) % len(known)], 1000 + number + 4 * count
                try:
                    connection.execute(f"INSERT INTO {mood}_t (id, m) VALUES (%s, %s)", (id, label))
                    written[id] = label
                    row = connection.execute(f"SELECT m FROM {mood}_t WHERE id = %s", (id,)).fetchone()
                    if row != (label,):
                        failures.append(f"{id} is {row}, not {label}")
                except psycopg.Error as error:
                    failures.append(f"{label}: {error}")

    def add(gateway):
        for count in range(6):
            label = f"g{gateway}-{count}"
            cluster.execute(f"ALTER TYPE {mood} ADD VALUE '{label}' {'BEFORE' if count % 2 else 'AFTER'} 'ok'", gateway)
            # Told to be there: from now on everybody may write it.
            known.append(label)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    adders = [threading.Thread(target=add, args=(gateway,)) for gateway in (1, 2)]
    for thread in writers + adders:
        thread.start()
    for thread in adders:
        thread.join()
    stop.set()
    for thread in writers:
        thread.join()
    assert not failures, failures[:5]
    labels = one(cluster, f"SELECT enum_range(NULL::{mood})", 2)
    assert sorted(labels) == sorted(known) and len(labels) == 15
    rows = cluster.execute(f"SELECT id, m FROM {mood}_t WHERE id >= 1000 ORDER BY m, id", 2)
    assert dict(rows) == written and len({label for _, label in rows}) > 3
    assert [label for label, _ in itertools.groupby(row[1] for row in rows)] == [l for l in labels if l in set(written.values())]
    cluster.check_table(f"{mood}_t")


def test_an_old_transaction_holds_up_a_label_and_sees_none(cluster, mood):
    with cluster.connect(1) as old:
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert old.execute(f"SELECT count(*) FROM {mood}_t WHERE m <> 'ok'").fetchone() == (2,)

        def add():
            with cluster.connect(2) as connection:
                connection.execute("SET theseus.ddl_wait = '60s'")
                connection.execute(f"ALTER TYPE {mood} ADD VALUE 'new'")

        thread = threading.Thread(target=add)
        thread.start()
        # Everybody can read it, nobody may write it yet.
        with cluster.connect(2) as connection:
            while True:
                try:
                    connection.execute(f"SELECT 'new'::{mood}")
                    pytest.fail("the label was good for use before everybody knew it")
                except psycopg.errors.InvalidTextRepresentation:
                    continue
                except psycopg.Error as error:
                    assert error.sqlstate == "55P04"
                    assert error.diag.message_primary == f'unsafe use of new value "new" of enum type {mood}'
                    assert error.diag.message_hint == "New enum values must be committed before they can be used."
                    break
        assert thread.is_alive()
        assert old.execute(f"SELECT m FROM {mood}_t ORDER BY m").fetchall() == [(label,) for label in LABELS]
        old.execute("COMMIT")
        thread.join()
        cluster.execute(f"INSERT INTO {mood}_t (id, m) VALUES (9, 'new')", 2)
        assert old.execute(f"SELECT m FROM {mood}_t WHERE id = 9").fetchone() == ("new",)


def test_in_transaction_blocks(cluster):
    with cluster.connect(1) as connection, cluster.connect(2) as other:
        connection.execute("BEGIN")
        connection.execute("CREATE TYPE stage AS ENUM ('hull', 'mast')")
        connection.execute("CREATE TABLE ships_b (id int8 PRIMARY KEY, s stage DEFAULT 'mast', CHECK (s <> 'hull'))")
        connection.execute("INSERT INTO ships_b VALUES (1, 'mast'), (2, DEFAULT)")
        assert connection.execute("SELECT s FROM ships_b ORDER BY id").fetchall() == [("mast",), ("mast",)]
        with pytest.raises(psycopg.errors.UndefinedObject):
            other.execute("SELECT 'hull'::stage")
        connection.execute("COMMIT")
        assert other.execute("SELECT s FROM ships_b WHERE s = 'mast'").fetchall() == [("mast",), ("mast",)]
        assert refused(cluster, "INSERT INTO ships_b VALUES (3, 'hull')", 2)[0] == "23514"
        # A label is good for use when it is committed.
        connection.execute("BEGIN")
        connection.execute("ALTER TYPE stage ADD VALUE 'sail'")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("INSERT INTO ships_b VALUES (3, 'sail')")
        assert caught.value.sqlstate == "55P04"
        connection.execute("ROLLBACK")
        assert refused(cluster, "SELECT 'sail'::stage")[0] == "22P02"
        connection.execute("BEGIN")
        connection.execute("ALTER TYPE stage ADD VALUE 'sail'")
        connection.execute("ALTER TYPE stage RENAME VALUE 'hull' TO 'keel'")
        connection.execute("COMMIT")
        assert other.execute("SELECT enum_range(NULL::stage)").fetchone() == (["keel", "mast", "sail"],)
        connection.execute("BEGIN")
        connection.execute("CREATE TYPE gone AS ENUM ('a')")
        connection.execute("ROLLBACK")
        assert refused(cluster, "SELECT 'a'::gone")[0] == "42704"
        assert refused(cluster, "DROP TYPE stage") == (
            "2BP01", "cannot drop type stage because other objects depend on it", "column s of table ships_b depends on type stage")
        connection.execute("DROP TYPE stage CASCADE")
        assert [n for n in connection.execute("SELECT * FROM ships_b ORDER BY id").fetchall()] == [(1,), (2,)]
        connection.execute("DROP TABLE ships_b")
        assert refused(cluster, "UNDROP COLUMN s ON ships_b")[0] in ("55000", "42704", "42P01")


def test_types_of_columns_change_both_ways(cluster, mood):
    cluster.execute(f"ALTER TABLE {mood}_t ALTER m DROP DEFAULT")
    cluster.execute(f"ALTER TABLE {mood}_t ALTER m TYPE text")
    assert cluster.execute(f"SELECT m FROM {mood}_t ORDER BY m", 2) == [("happy",), ("ok",), ("sad",)]
    cluster.execute(f"UPDATE {mood}_t SET m = 'angry' WHERE id = 1")
    assert refused(cluster, f"ALTER TABLE {mood}_t ALTER m TYPE {mood} USING m::{mood}")[0] == "22P02"
    cluster.execute(f"UPDATE {mood}_t SET m = 'happy' WHERE id = 1", 2)
    assert refused(cluster, f"ALTER TABLE {mood}_t ALTER m TYPE {mood}")[0] == "42804"
    cluster.execute(f"ALTER TABLE {mood}_t ALTER m TYPE {mood} USING m::{mood}")
    assert cluster.execute(f"SELECT m FROM {mood}_t ORDER BY m", 2) == [("sad",), ("ok",), ("happy",)]
    cluster.check_table(f"{mood}_t")


def test_a_type_in_use_and_a_table_at_once(cluster):
    """Whoever is second is refused, or takes the other along: nobody has a column whose type is not there."""
    for round in range(8):
        name = f"race{round}"
        cluster.execute(f"CREATE TYPE {name} AS ENUM ('a')")
        answers = {}

        def work(key, gateway, statement):
            try:
                answers[key] = cluster.execute(statement, gateway)
            except psycopg.Error as error:
                answers[key] = error.sqlstate

        threads = [
            threading.Thread(target=work, args=("table", 1, f"CREATE TABLE {name}_t (id int8 PRIMARY KEY, a {name})")),
            threading.Thread(target=work, args=("drop", 2, f"DROP TYPE {name}"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers in ({"table": "CREATE TABLE", "drop": "2BP01"}, {"table": "42704", "drop": "DROP TYPE"}), answers
        if answers["table"] == "CREATE TABLE":
            cluster.execute(f"INSERT INTO {name}_t VALUES (1, 'a')")
            cluster.execute(f"DROP TABLE {name}_t")
            cluster.execute(f"DROP TYPE {name}")


def test_the_catalog_tells_of_types(cluster, mood):
    cluster.execute(f"COMMENT ON TYPE {mood} IS 'how it feels'")
    assert cluster.execute(
        f"SELECT e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid WHERE t.typname = '{mood}' ORDER BY e.enumsortorder"
    ) == [(label,) for label in LABELS]
    assert cluster.execute(
        f"SELECT data_type, udt_schema, udt_name, column_default FROM information_schema.columns "
        f"WHERE table_name = '{mood}_t' AND column_name = 'm'") == [("USER-DEFINED", "public", mood, f"'ok'::{mood}")]
    assert one(cluster, f"SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{mood}_t'::regclass AND attname = 'm'") == mood
    assert one(cluster, f"SELECT typtype || typcategory FROM pg_type WHERE oid = '{mood}'::regtype") == "eE"
    assert one(cluster, f"SELECT '{mood}'::regtype::text") == mood
    assert one(cluster, f"SELECT obj_description('{mood}'::regtype, 'pg_type')") == "how it feels"
    listed = psql(cluster, "\\dT")
    assert f" public | {mood} | how it feels" in " ".join(listed.split()).replace(f"public | {mood}", f" public | {mood}").replace("  ", " "), listed
    detailed = psql(cluster, f"\\dT+ {mood}")
    assert all(label in detailed for label in LABELS), detailed
    table = psql(cluster, f"\\d {mood}_t")
    assert f"| {mood} " in table and f"'ok'::{mood}" in table, table
    cluster.execute(f"CREATE SCHEMA {mood}_s")
    cluster.execute(f"ALTER TYPE {mood} SET SCHEMA {mood}_s", 2)
    assert f"{mood}_s.{mood}" in psql(cluster, f"\\d {mood}_t")
    assert refused(cluster, f"SELECT 'ok'::{mood}")[0] == "42704"
    assert psql(cluster, f"SET search_path = public, {mood}_s", f"SELECT 'ok'::{mood}", gateway=2).count("ok") == 1
    assert refused(cluster, f"DROP SCHEMA {mood}_s")[0] == "2BP01"
    cluster.execute(f"ALTER TYPE {mood}_s.{mood} SET SCHEMA public")
    cluster.execute(f"DROP SCHEMA {mood}_s")


def test_other_kinds_of_types_are_named(cluster):
    for statement in ("CREATE TYPE pair AS (a int, b int)", "CREATE TYPE span AS RANGE (subtype = int4)", "CREATE DOMAIN d AS int"):
        assert refused(cluster, statement)[0] == "0A000", statement


def test_psycopg_knows_the_type(cluster, mood):
    class Mood(enum.Enum):
        sad = 1
        ok = 2
        happy = 3

    for gateway in (1, 2):
        with cluster.connect(gateway) as connection:
            info = EnumInfo.fetch(connection, mood)
            assert info.labels == LABELS
            register_enum(info, connection, Mood)
            for binary in (False, True):
                cursor = connection.cursor(binary=binary)
                cursor.execute(f"SELECT m FROM {mood}_t WHERE m = %s", (Mood.happy,))
                assert cursor.fetchall() == [(Mood.happy,)]
                assert cursor.description[0].type_code == info.oid
            connection.execute(f"UPDATE {mood}_t SET m = %s WHERE id = %b", (Mood.sad, 3))
            assert connection.execute(f"SELECT m FROM {mood}_t WHERE id = 3").fetchone() == (Mood.sad,)


def test_asyncpg_knows_the_type(cluster, mood):
    async def work():
        host, port = cluster.address(2)
        connection = await asyncpg.connect(host=host, port=port, user="root", database="defaultdb")
        try:
            assert [row["m"] for row in await connection.fetch(f"SELECT m FROM {mood}_t ORDER BY m")] == LABELS
            await connection.execute(f"INSERT INTO {mood}_t (id, m) VALUES ($1, $2)", 7, "happy")
            assert await connection.fetchval(f"SELECT count(*) FROM {mood}_t WHERE m = $1", "happy") == 2
            with pytest.raises(asyncpg.InvalidTextRepresentationError):
                await connection.execute(f"INSERT INTO {mood}_t (id, m) VALUES ($1, $2)", 8, "angry")
        finally:
            await connection.close(timeout=10)

    asyncio.run(work())


def test_labels_survive_restarts(cluster, mood):
    cluster.execute(f"ALTER TYPE {mood} ADD VALUE 'kept' BEFORE 'sad'")
    cluster.execute(f"INSERT INTO {mood}_t (id, m) VALUES (20, 'kept')", 2)
    cluster.restart()
    assert cluster.execute(f"SELECT m FROM {mood}_t ORDER BY m", 2)[0] == ("kept",)
    assert cluster.execute(f"SELECT enum_range(NULL::{mood})")[0][0] == ["kept"] + LABELS
