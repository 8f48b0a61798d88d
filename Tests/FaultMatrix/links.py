"""The network of a cluster as a process of its own: every RPC port has a proxy in front, and a cut holds back bytes.

    links.py CONFIGURATION    {"links": [{"name", "listen", "target"}], "members": [NAME…]}

Commands are lines of JSON on standard input, each answered by a line: `{"cut": NAME, "direction": "both"|"to"|"from"}`
holds back what goes to and comes from a process (or one of both), `{"heal": true}` lets everything through again, in order and
complete, as TCP would after a partition. No connection of a cut process is made meanwhile. A connection counts as of the
process that owns its other end, which /proc tells; no privileges are needed.
"""

import errno
import json
import os
import selectors
import socket
import sys

CHUNK = 1 << 18


class Flow:
    """One direction of a link."""

    def __init__(self, source, sink, sender, receiver):
        self.source, self.sink, self.sender, self.receiver = source, sink, sender, receiver
        self.pending = b""
        self.ended = False
        self.closed = False

    def is_held(self, cuts):
        return any(
            (self.receiver == name and direction in ("both", "to"))
            or (self.sender == name and direction in ("both", "from"))
            for name, direction in cuts
        )


class Link:
    def __init__(self, near, caller, callee):
        self.near, self.far, self.caller, self.callee = near, None, caller, callee
        self.flows = []

    def involves(self, cuts):
        return any(name in (self.caller, self.callee) for name, _ in cuts)


class Network:
    def __init__(self, configuration):
        self.selector = selectors.DefaultSelector()
        self.cuts = []
        self.links = set()
        self.members = configuration["members"]
        # Marks the processes of this cluster among others that have the same names.
        self.mark = configuration["mark"].encode()
        self.owners = {}
        self.commands = b""
        for link in configuration["links"]:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", link["listen"]))
            listener.listen(256)
            listener.setblocking(False)
            self.selector.register(listener, selectors.EVENT_READ, lambda _, s=listener, l=link: self.accept(s, l))
        os.set_blocking(0, False)
        self.selector.register(0, selectors.EVENT_READ, lambda _: self.command())

    def run(self):
        while True:
            for key, events in self.selector.select():
                key.data(events)

    def command(self):
        data = os.read(0, 65536)
        if not data:
            sys.exit(0)
        self.commands += data
        while b"\n" in self.commands:
            line, _, self.commands = self.commands.partition(b"\n")
            command = json.loads(line)
            if "cut" in command:
                self.cuts.append((command["cut"], command["direction"]))
            else:
                self.cuts = []
                for link in list(self.links):
                    if link.far is None:
                        self.connect(link)
            for link in list(self.links):
                self.watch(link)
            os.write(1, b"done\n")

    # Who is calling

    def accept(self, listener, link):
        try:
            near, address = listener.accept()
        except OSError:
            return
        near.setblocking(False)
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = Link(near, self.owner(address[1], link["listen"]), link["name"])
        made.target = link["target"]
        self.links.add(made)
        if not made.involves(self.cuts):
            self.connect(made)
        self.watch(made)

    def owner(self, port, listening):
        """The process whose socket 127.0.0.1:port → 127.0.0.1:listening is."""
        local, remote = f"0100007F:{port:04X}", f"0100007F:{listening:04X}"
        inode = None
        with open("/proc/net/tcp") as table:
            for row in table:
                fields = row.split()
                if fields[1] == local and fields[2] == remote:
                    inode = fields[9]
                    break
        if inode is None:
            return None
        target = f"socket:[{inode}]"
        for pid, name in list(self.owners.items()):
            if self.has(pid, target):
                return name
        self.find_members()
        for pid, name in self.owners.items():
            if self.has(pid, target):
                return name
        return None

    @staticmethod
    def has(pid, target):
        try:
            for entry in os.scandir(f"/proc/{pid}/fd"):
                try:
                    if os.readlink(entry.path) == target:
                        return True
                except OSError:
                    pass
        except OSError:
            pass
        return False

    def find_members(self):
        self.owners = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as file:
                        words = file.read().split(b"\0")
                except OSError:
                    continue
                if b"--name" in words and self.mark in words:
                    self.owners[int(entry)] = words[words.index(b"--name") + 1].decode()

    # Bytes

    def connect(self, link):
        far = socket.socket()
        far.setblocking(False)
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = far.connect_ex(("127.0.0.1", link.target))
        if code not in (0, errno.EINPROGRESS):
            far.close()
            self.drop(link)
            return
        link.far = far
        link.flows = [
            Flow(link.near, far, link.caller, link.callee), Flow(far, link.near, link.callee, link.caller)
        ]

    def watch(self, link):
        """Registers what can go on: reading where nothing is held or pending, writing where something is pending."""
        if link not in self.links:
            return
        wanted = {}
        for flow in link.flows:
            if flow.is_held(self.cuts):
                continue
            if flow.pending:
                wanted[flow.sink] = wanted.get(flow.sink, 0) | selectors.EVENT_WRITE
            elif not flow.ended:
                wanted[flow.source] = wanted.get(flow.source, 0) | selectors.EVENT_READ
        for end in (link.near, link.far):
            if end is None:
                continue
            events = wanted.get(end, 0)
            try:
                known = self.selector.get_key(end).events
            except KeyError:
                known = 0
            if events == known:
                continue
            if not events:
                self.selector.unregister(end)
            elif known:
                self.selector.modify(end, events, lambda _, l=link: self.move(l))
            else:
                self.selector.register(end, events, lambda _, l=link: self.move(l))

    def move(self, link):
        if link not in self.links:
            return
        try:
            for flow in link.flows:
                if not flow.is_held(self.cuts):
                    self.pump(flow)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.drop(link)
            return
        if all(flow.closed for flow in link.flows):
            self.drop(link)
        else:
            self.watch(link)

    @staticmethod
    def pump(flow):
        if not flow.pending and not flow.ended:
            try:
                flow.pending = flow.source.recv(CHUNK)
            except BlockingIOError:
                return
            flow.ended = not flow.pending
        if flow.pending:
            try:
                flow.pending = flow.pending[flow.sink.send(flow.pending):]
            except BlockingIOError:
                return
        if flow.ended and not flow.pending and not flow.closed:
            flow.closed = True
            flow.sink.shutdown(socket.SHUT_WR)

    def drop(self, link):
        self.links.discard(link)
        for end in (link.near, link.far):
            if end is not None:
                try:
                    self.selector.unregister(end)
                except (KeyError, ValueError):
                    pass
                end.close()


if __name__ == "__main__":
    Network(json.loads(sys.argv[1])).run()
