"""Clients that do not read their results, and clients that vanish without a word: others do not notice, memory stays bounded."""

import os
import socket
import struct
import time

import psycopg
import pytest

from cluster import wait_until

ROWS = 40_000
# A result of 40,000 rows of a kilobyte: far more than sockets and the gateway's own buffers hold.
ROW_BYTES = 1_000
SLOW_CLIENTS = 16
# The kernel's buffers are not the gateway's; what it holds for one slow client is a mebibyte and a page of rows.
ALLOWED_GROWTH_BYTES = SLOW_CLIENTS * (4 << 20) + (32 << 20)
CLUSTER = {"environment": {"THESEUS_TCP_KEEPALIVE": "1s"}}
TCP_REPAIR = 19


@pytest.fixture(scope="module")
def loaded(cluster):
    cluster.execute("CREATE TABLE big (id int8 PRIMARY KEY, k int8, v text)")
    cluster.fill("big", ROWS, value="({id}, {k}, repeat('x', " + str(ROW_BYTES) + "))", batch=500)
    return cluster


def start(address, *statements, receive_buffer=4096):
    """A raw session that has sent its statements and reads nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(10)
    connection.connect(address)
    parameters = b"user\0root\0database\0defaultdb\0\0"
    connection.sendall(struct.pack("!II", len(parameters) + 8, 3 << 16) + parameters)
    for statement in statements:
        connection.sendall(b"Q" + struct.pack("!I", len(statement) + 5) + statement.encode() + b"\0")
    return connection


def read_all(connection, until, count=1):
    """Reads until `count` messages of the kind `until` have come; answers how many rows came."""
    buffer, rows = bytearray(), 0
    while True:
        position = 0
        while len(buffer) >= position + 5:
            kind, length = struct.unpack_from("!cI", buffer, position)
            if len(buffer) < position + length + 1:
                break
            position += length + 1
            rows += kind == b"D"
            count -= kind == until
            if count == 0:
                return rows
        del buffer[:position]
        chunk = connection.recv(1 << 20)
        assert chunk, "the connection ended"
        buffer += chunk


def sessions(cluster, gateway=1):
    return cluster.metric(f"gateway-{gateway}", "theseus_sql_connections")


def test_clients_that_do_not_read(loaded):
    cluster = loaded
    gateway = cluster.member("gateway-1")
    assert cluster.execute("SELECT count(*) FROM big") == [(ROWS,)]
    others = cluster.connect()
    others.execute("SELECT 1")
    before = cluster.resident_bytes(gateway)
    idle = sessions(cluster)
    slow = [start(cluster.address(), "SELECT * FROM big") for _ in range(SLOW_CLIENTS)]
    try:
        wait_until(lambda: sessions(cluster) == idle + SLOW_CLIENTS, 10, "the slow clients are there")
        # Nothing moves any more: every one of them is stuck.
        scanned = {}

        def stands_still():
            nonlocal scanned
            last, scanned = scanned, {
                member["name"]: cluster.metric(member["name"], "theseus_storage_scanned_rows_total")
                for member in cluster.members("storage")}
            return last == scanned

        wait_until(stands_still, 30, "the scans stand still", pause=0.5)
        grown = cluster.resident_bytes(gateway) - before
        print(f"{SLOW_CLIENTS} results of {ROWS * ROW_BYTES >> 20} MiB: the gateway grew by {grown >> 20} MiB")
        assert grown < ALLOWED_GROWTH_BYTES, f"the gateway grew by {grown >> 20} MiB"
        # Others are served as ever, on the same gateway.
        longest = 0
        for number in range(1, 201):
            started = time.monotonic()
            others.execute("UPDATE big SET k = k + 1 WHERE id = %s", (number,))
            assert others.execute("SELECT id FROM big WHERE id = %s", (number,)).fetchone() == (number,)
            longest = max(longest, time.monotonic() - started)
        assert longest < 1, f"a statement took {longest:.2f} s beside slow clients"
        # Nor does a schema change wait for those who read on.
        started = time.monotonic()
        cluster.execute("ALTER TABLE big ADD COLUMN added int8 DEFAULT 1", gateway=2)
        cluster.execute("ALTER TABLE big DROP COLUMN added", gateway=2)
        assert time.monotonic() - started < 10
        # One of them begins to read: it gets everything.
        slow[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert read_all(slow[0], until=b"C") == ROWS
    finally:
        for connection in slow:
            connection.close()
        others.close()
    wait_until(lambda: sessions(cluster) <= idle, 10, "the slow clients are forgotten")


def test_an_orderly_stop_does_not_wait_for_a_client_that_does_not_read(loaded):
    cluster = loaded
    slow = start(cluster.address(2), "SELECT * FROM big")
    try:
        wait_until(lambda: sessions(cluster, 2) >= 1, 10, "the slow client is there")
        took = cluster.terminate("gateway-2")
        assert took < 12, f"the gateway took {took:.1f} s to stop"
    finally:
        slow.close()
        cluster.local("start-node", "gateway-2")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can end a connection without a packet")
def test_a_client_whose_machine_is_gone(loaded):
    cluster = loaded
    idle = sessions(cluster)
    gone = start(cluster.address(), "BEGIN; UPDATE big SET k = 0 WHERE id = 1")
    # The first ReadyForQuery comes when the session begins.
    read_all(gone, until=b"Z", count=2)
    # Its row lock is held as long as it counts as there.
    with cluster.connect(2) as other:
        other.execute("SET statement_timeout = '300ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            other.execute("UPDATE big SET k = 1 WHERE id = 1")
    wait_until(lambda: sessions(cluster) == idle + 1, 5, "the client's session")
    # Neither FIN nor RST: what a power cut looks like from here.
    gone.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    gone.close()
    started = time.monotonic()
    with cluster.connect(2) as other:
        other.execute("SET statement_timeout = '20s'")
        other.execute("UPDATE big SET k = 1 WHERE id = 1")
    assert time.monotonic() - started < 15
    wait_until(lambda: sessions(cluster) == idle, 15, "the session of the vanished client ends")
