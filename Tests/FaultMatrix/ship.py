"""A cluster whose processes reach each other through proxies, and what can be done to one of them."""

import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc

from cluster import PROGRAMS, Cluster, run, wait_until

import changes

# As in `theseus local`: first node ids of the roles.
ROLES = {"meta": (3, 1), "storage": (3, 101), "gateway": (2, 201), "ack": (1, 301)}
HEALTHY_SECONDS = 40


class Ship(Cluster):
    """Gateway 1 serves the client that changes the schema, gateway 2 is the other one."""

    def __init__(self, name):
        super().__init__(name, {
            "THESEUS_BACKFILL_ROWS_PER_SECOND": str(changes.BACKFILL_ROWS_PER_SECOND),
            # Tables come and go by the hundred.
            "THESEUS_RANGE_RETENTION": "40s",
        })
        self.network = None
        self._channels = {}

    def start(self):
        for attempt in range(5):
            base = random.randrange(20_000, 31_000)
            try:
                self._lay_out(base)
                break
            except OSError:
                continue
        self.local("start")
        return self

    def _lay_out(self, base):
        members, links = [], []
        port = iter(range(base, base + 60))
        for role, (count, first) in ROLES.items():
            for number in range(1, count + 1):
                rpc, proxy, http = next(port), next(port), next(port)
                name = f"{role}-{number}"
                arguments = [
                    str(PROGRAMS / f"theseus-{role}"), "--node-id", str(first + number - 1), "--name", name,
                    "--rpc-listen", f"127.0.0.1:{rpc}", "--http-listen", f"127.0.0.1:{http}",
                ]
                member = {"name": name, "role": role, "pid": 0, "rpc": f"127.0.0.1:{rpc}", "sql": None,
                          "http": f"127.0.0.1:{http}", "arguments": arguments}
                if role in ("meta", "storage"):
                    arguments += ["--data-directory", str(self.directory / "data" / name)]
                if role != "meta":
                    arguments += ["--rpc-advertise", f"127.0.0.1:{proxy}"]
                if role == "gateway":
                    member["sql"] = f"127.0.0.1:{next(port)}"
                    arguments += ["--sql-listen", member["sql"]]
                members.append(member)
                links.append({"name": name, "listen": proxy, "target": rpc})
        for number in range(base, next(port)):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", number))
        metadata = ",".join(f"127.0.0.1:{link['listen']}" for link in links if link["name"].startswith("meta-"))
        for member in members:
            member["arguments"] += ["--metadata", metadata]
        (self.directory / "cluster.json").write_text(json.dumps(members))
        self._members = members
        self.network = Network({"links": links, "members": [member["name"] for member in members], "mark": metadata})

    def stop(self, keep_logs=False):
        for channel in self._channels.values():
            channel.close()
        super().stop(keep_logs)
        if self.network:
            self.network.stop()

    # Who is who

    def leading_replica(self):
        """The name of the metadata leader, by what the replicas themselves say."""
        def leader():
            return next((
                member["name"] for member in self.members("meta")
                if self.metric(member["name"], "theseus_metadata_leader") == 1), None)

        return wait_until(leader, 20, "a metadata leader")

    def range_leader(self, range_id):
        """The storage node that leads a range, as the nodes themselves say."""
        def leader():
            answers = [self._range_leader(member, range_id) for member in self.members("storage")]
            known = {answer for answer in answers if answer}
            return known.pop() if len(known) == 1 else None

        return f"storage-{wait_until(leader, 20, f'a leader of range {range_id}') - 100}"

    def _range_leader(self, member, range_id):
        channel = self._channels.setdefault(member["rpc"], grpc.insecure_channel(member["rpc"]))
        call = channel.unary_unary("/theseus.v1.Range/RangeStatus")
        try:
            answer = call(b"\x08" + varint(range_id), timeout=2)
        except grpc.RpcError:
            return None
        # RangeStatusResponse.ranges[0].leader_node_id
        info = fields(answer).get(1)
        return fields(info).get(3) if info else None

    def is_healthy(self):
        """Every process is ready, live for the metadata service, and knows the newest schema."""
        if not all(self.is_ready(member["name"]) for member in self.members()):
            return False
        done = run("timeout", "5", PROGRAMS / "theseus", "status", "--directory", self.directory, "--json", check=False)
        if done.returncode != 0:
            return False
        status = json.loads(done.stdout)
        nodes = [node for node in status["nodes"] if node["role"] in ("gateway", "storage")]
        return not status["silent"] and len(nodes) == 5 and all(
            node["is_live"] and node["schema_index"] >= status["schema_index"] for node in nodes)

    def wait_until_healthy(self):
        started = time.monotonic()
        wait_until(self.is_healthy, HEALTHY_SECONDS, "a healthy cluster", pause=0.1)
        return time.monotonic() - started


class Network:
    def __init__(self, configuration):
        self.process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).with_name("links.py")), json.dumps(configuration)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lock = threading.Lock()

    def _command(self, **command):
        with self._lock:
            self.process.stdin.write(json.dumps(command).encode() + b"\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == b"done\n", "the network died"

    def cut(self, name, direction):
        self._command(cut=name, direction=direction)

    def heal(self):
        self._command(heal=True)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


class Fault:
    """What happens to one process, and how it ends. `strike` is quick: the moment it returns the fault is there."""

    def __init__(self, name, seconds, strike, heal):
        self.name, self.seconds, self._strike, self._heal = name, seconds, strike, heal

    def strike(self, ship, victim):
        self._strike(ship, ship.member(victim))

    def heal(self, ship, victim):
        self._heal(ship, ship.member(victim))


def send(number):
    return lambda ship, member: os.kill(member["pid"], number)


def cut(direction):
    return lambda ship, member: ship.network.cut(member["name"], direction)


def heal_network(ship, member):
    ship.network.heal()


def faults(seconds, seconds_down):
    """`seconds`: how long processes stand still and cuts last; `seconds_down`: from a kill to the start."""
    return {fault.name: fault for fault in [
        Fault("kill", seconds_down, send(signal.SIGKILL), lambda ship, member: ship.local("start-node", member["name"])),
        Fault("stop", seconds, send(signal.SIGSTOP), send(signal.SIGCONT)),
        Fault("cut", seconds, cut("both"), heal_network),
        Fault("deaf", seconds, cut("to"), heal_network),
        Fault("mute", seconds, cut("from"), heal_network),
    ]}


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def fields(message):
    """The last value of each field of a protobuf message: numbers and byte strings."""
    found, position = {}, 0

    def number():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(message):
        key = number()
        if key & 7 == 0:
            found[key >> 3] = number()
        else:
            size = number()
            found[key >> 3] = message[position:position + size]
            position += size
    return found
