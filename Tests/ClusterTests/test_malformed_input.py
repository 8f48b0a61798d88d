"""Nonsense on every port: the connection ends or an error is answered, the process lives, memory stays bounded."""

import random
import socket
import struct
import time

import psycopg
import pytest

from cluster import wait_until

GIBIBYTE = 1 << 30


def ports(cluster):
    for member in cluster.members():
        for kind in ("rpc", "http", "sql"):
            if member[kind]:
                host, port = member[kind].rsplit(":", 1)
                yield member, kind, (host, int(port))


def send(address, data, wait=0.3):
    """Sends and answers what comes back within `wait` seconds; a reset is an answer too."""
    with socket.create_connection(address, timeout=5) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(wait)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            return answer
        except (TimeoutError, ConnectionError):
            return None


class Watch:
    """The processes are the same afterwards, ready, and not much larger."""

    allowed_growth_bytes = 128 << 20

    def __init__(self, cluster):
        self.cluster = cluster

    def __enter__(self):
        self.before = {member["name"]: self.cluster.resident_bytes(member) for member in self.cluster.members()}
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        for member in self.cluster.members():
            assert self.cluster.is_alive(member), f"{member['name']} died"
            grown = self.cluster.resident_bytes(member) - self.before[member["name"]]
            assert grown < self.allowed_growth_bytes, f"{member['name']} grew by {grown >> 20} MiB"
            host, port = member["http"].rsplit(":", 1)
            wait_until(
                lambda: b"200" in (send((host, int(port)), b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n") or b"")[:20],
                10, f"{member['name']} ready")
        assert self.cluster.execute("SELECT 1", gateway=1) == [(1,)]
        assert self.cluster.execute("SELECT 1", gateway=2) == [(1,)]


def test_random_bytes_on_every_port(cluster):
    noise = random.Random(7)
    with Watch(cluster):
        for _, _, address in ports(cluster):
            for size in (1, 7, 1000, 100_000):
                send(address, noise.randbytes(size), wait=0.05)


def test_a_gibibyte_length_field(cluster):
    startup = struct.pack("!II", 41, 3 << 16) + b"user\0root\0database\0defaultdb\0\0"
    startup = struct.pack("!I", len(startup)) + startup[4:]
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
    with Watch(cluster):
        for _, kind, address in ports(cluster):
            if kind == "sql":
                send(address, struct.pack("!II", GIBIBYTE, 3 << 16) + b"x" * 1000, wait=0.1)
                for message in b"QPBDEC":
                    send(address, startup + bytes([message]) + struct.pack("!I", GIBIBYTE) + b"x" * 1000, wait=0.1)
                # A parameter that claims to be a gibibyte inside a small message.
                bind = b"\0\0" + struct.pack("!HHI", 0, 1, GIBIBYTE)
                send(address, startup + b"B" + struct.pack("!I", len(bind) + 4) + bind, wait=0.1)
            elif kind == "rpc":
                # An HTTP/2 frame of 16 MiB, and a gRPC message that announces a gibibyte.
                send(address, preface + b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 1000, wait=0.1)
                send(address, preface + b"\0\0\5\0\0\0\0\0\1\0" + struct.pack("!I", GIBIBYTE), wait=0.1)
            else:
                send(address, b"POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\nxxx", wait=0.1)
                send(address, b"GET /" + b"a" * 1_000_000, wait=0.1)


def test_a_grpc_message_announced_larger_than_allowed(cluster):
    import grpc

    with Watch(cluster):
        for member in cluster.members():
            channel = grpc.insecure_channel(member["rpc"], options=[("grpc.max_send_message_length", 1 << 28)])
            call = channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
            with pytest.raises(grpc.RpcError) as caught:
                call(b"\x0a" + b"\xff" * 70_000_000, timeout=20)
            assert caught.value.code() in {
                grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED,
            }
            channel.close()


def test_half_open_connections(cluster):
    with Watch(cluster):
        held = []
        try:
            for _, kind, address in ports(cluster):
                for number in range(20):
                    connection = socket.create_connection(address, timeout=5)
                    connection.sendall(b"\0\0" if kind == "sql" else b"PR" if kind == "rpc" else b"GE")
                    held.append(connection)
            started = time.monotonic()
            assert cluster.execute("SELECT 1") == [(1,)]
            assert time.monotonic() - started < 2
        finally:
            for connection in held:
                # A reset instead of an orderly end.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()


def nested(count):
    return "SELECT " + "(" * count + "1" + ")" * count


@pytest.mark.parametrize(
    "statement",
    [
        "x" * (1 << 20),
        "SELECT " + "1+" * ((1 << 20) // 2 - 8) + "1",
        nested((1 << 19) - 10),
        "SELECT " + "(SELECT " * 50_000 + "1" + ")" * 50_000,
        "SELECT '" + "a" * (1 << 20),
        "/*" * (1 << 19),
        "SELECT " + ",".join(["1"] * 300_000),
        "INSERT INTO nowhere VALUES " + ",".join(["(1)"] * 200_000),
    ],
    ids=["letters", "sums", "parentheses", "sub-selects", "open-string", "comments", "columns", "rows"],
)
def test_a_mebibyte_of_nonsense(cluster, statement):
    with Watch(cluster), cluster.connect() as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
        assert caught.value.sqlstate is not None, "the connection ended without an error"
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_statement_beyond_every_limit_is_answered(cluster):
    with Watch(cluster):
        with cluster.connect() as connection:
            with pytest.raises(psycopg.Error):
                connection.execute("SELECT '" + "a" * (80 << 20) + "'")


def test_invalid_text_and_nul_bytes(cluster):
    with Watch(cluster), cluster.connect() as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(b"SELECT '\xff\xfe'")
        assert caught.value.sqlstate == "22021"
        assert connection.execute("SELECT 1").fetchone() == (1,)
