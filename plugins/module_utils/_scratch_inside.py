# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Runs in the namespaces of a scratch server: prepares them, holds the server, and lets programs in.

It is written out as a file of its own, so it imports nothing of this collection.

    python FILE hold REQUEST                as the first process of new network, mount and process namespaces
    python FILE serve REQUEST               the server alone, in no namespace but that of its account
    python FILE enter PID UID GID ARGV...   run ARGV in the namespaces of a process that holds a server

REQUEST is a file of JSON: ``directory`` (the server's), ``sockets`` (a directory for its socket), ``port``, ``account``
([uid, gid] by which PostgreSQL runs, or null for the caller's own), ``initdb`` and ``postgres`` (both argv), ``hba``
(lines); to hold, also ``outside`` (own_namespaces() of who asks), ``covered`` (Unix sockets to put out of reach),
``answering`` (directories where a client looks for the server's socket), ``openssl`` (a path, or null). How far it came
is told by files in the directory: ``pid``, ``isolated``, ``ready``.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress

_MS_BIND = 0x1000
_CLONE_NEWUSER = 0x10000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_RTM_NEWROUTE, _NLM_FLAGS = 24, 0x1 | 0x4 | 0x400  # a request, answered; the route is made
_TABLE_LOCAL, _PROTOCOL_BOOT, _SCOPE_HOST, _TYPE_LOCAL, _RTA_OIF = 255, 3, 254, 2, 4
_TICK_S = 0.01
SOCKET = ".s.PGSQL."
# What stands beside PostgreSQL's sockets in a directory that is theirs alone.
_SERVERS_OWN = (".pid", ".lock", ".pg_stat_tmp")

_libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, *about: object) -> None:
    """Raise OSError where a system call failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), " ".join(map(str, about)))


def bind(source: str, target: str) -> None:
    """Cover a path by another one."""
    check(_libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(_MS_BIND), None), target)


def become(uid: int, gid: int) -> None:
    """Be another account by name: in a user namespace that knows no other, and with no more rights than before."""
    maps = ("setgroups", "deny"), ("uid_map", f"{uid} {os.geteuid()} 1"), ("gid_map", f"{gid} {os.getegid()} 1")
    check(_libc.unshare(_CLONE_NEWUSER), "unshare --user")
    for name, text in maps:
        with open(f"/proc/self/{name}", "w", encoding="ascii") as stream:
            stream.write(text)


def make_every_address_ours() -> None:
    """Bring the loopback up and route all there is to it: whatever address is meant, it is this namespace's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    route_to_loopback(socket.AF_INET)
    if socket.has_ipv6 and os.path.exists("/proc/self/net/if_inet6"):
        route_to_loopback(socket.AF_INET6)


def route_to_loopback(family: int) -> None:
    body = struct.pack("BBBBBBBBI", family, 0, 0, 0, _TABLE_LOCAL, _PROTOCOL_BOOT, _SCOPE_HOST, _TYPE_LOCAL, 0)
    body += struct.pack("HHI", 8, _RTA_OIF, socket.if_nametoindex("lo"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as control:
        control.send(struct.pack("IHHII", 16 + len(body), _RTM_NEWROUTE, _NLM_FLAGS, 1, 0) + body)
        error = -struct.unpack_from("i", control.recv(4096), 16)[0]
    if error:
        raise OSError(error, os.strerror(error), "local route")


def answer_every_name(directory: str) -> None:
    """Serve names, each of which is an address of this namespace; from here on this process has a second thread."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    # Where there is no such file the resolver asks here anyway.
    if os.path.exists("/etc/resolv.conf"):
        path = os.path.join(directory, "resolv.conf")
        with open(path, "w", encoding="ascii") as stream:
            stream.write("nameserver 127.0.0.1\n")
        os.chmod(path, 0o644)
        bind(path, "/etc/resolv.conf")
    threading.Thread(target=serve_names, args=(server,), daemon=True).start()


def serve_names(server: socket.socket) -> None:
    while True:
        query, client = server.recvfrom(4096)
        reply = name_reply(query)
        if reply:
            server.sendto(reply, client)


def name_reply(query: bytes) -> bytes:
    """Answer a DNS query: 127.0.0.1 for an IPv4 address, nothing for other questions; empty where it is no query."""
    end = query.find(b"\0", 12)
    if len(query) < 17 or end < 0 or len(query) < end + 5:
        return b""
    question = query[12:end + 5]
    wanted = struct.unpack_from("!H", query, end + 1)[0]
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + bytes((127, 0, 0, 1)) if wanted == 1 else b""
    return query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if record else 0, 0, 0) + question + record


def servers_alone(directory: str) -> bool:
    """Tell whether a directory holds sockets of PostgreSQL servers and nothing anybody else would look for."""
    try:
        names = os.listdir(directory)
    except OSError:
        return False
    return all(name.startswith(SOCKET) or name.endswith(_SERVERS_OWN) for name in names)


def cover(request: dict) -> list[str]:
    """Put the Unix sockets that somebody listens on out of reach; return those in whose place the server is to answer.

    A directory of sockets alone is covered whole, by the server's own: one that starts again there makes its socket
    anew, and that takes a cover away.
    """
    named = f"{SOCKET}{request['port']}"
    covered = {os.path.realpath(path) for path in request["covered"]}
    expected = {os.path.realpath(path) for path in request["answering"]}
    whole = {directory for directory in {os.path.dirname(path) for path in covered
                                         if os.path.basename(path).startswith(SOCKET)} | expected
             if servers_alone(directory)}
    for directory in whole:
        try:
            bind(request["sockets"], directory)
        except FileNotFoundError:  # Gone since it was seen, as a socket may be below.
            if os.path.exists(directory):
                raise
    # Also one that this network's list does not show: a container's server may put its socket anywhere.
    covered |= {path for path in (os.path.join(directory, named) for directory in expected - whole)
                if os.path.exists(path)}
    single = [path for path in sorted(covered) if os.path.dirname(path) not in whole]
    for path in single:
        with suppress(FileNotFoundError):
            bind("/dev/null", path)
    return [path for path in single if os.path.basename(path) == named]


def start(argv: list[str], account: list[int] | None, output: int) -> int:
    """Start a program of PostgreSQL's, which refuses to run as root, and return its pid."""
    child = os.fork()
    if child == 0:
        try:
            os.dup2(output, 1)
            os.dup2(output, 2)
            if account:
                become(*account)
            os.execv(argv[0], argv)
        except OSError as error:
            os.write(2, f"{argv[0]}: {error}\n".encode())
        os._exit(127)
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def with_tls(request: dict) -> list[str]:
    """Return the options by which the server speaks TLS, where it can: an application may insist on it."""
    home = request["directory"]
    with open(os.path.join(home, "ssl"), "w+b") as answer:
        status_of(start([*request["postgres"], "-C", "ssl_library"], request["account"], answer.fileno()))
        answer.seek(0)
        able = answer.read().strip() == b"OpenSSL"
    if not able or not request["openssl"]:
        return []
    key, certificate = os.path.join(home, "server.key"), os.path.join(home, "server.crt")
    argv = [request["openssl"], "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "30", "-subj", "/CN=scratch", "-keyout", key, "-out", certificate]
    made = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False)
    if made.returncode:
        return []
    return ["-c", "ssl=on", "-c", f"ssl_key_file={key}", "-c", f"ssl_cert_file={certificate}"]


def allow(request: dict) -> None:
    with open(os.path.join(request["directory"], "data", "pg_hba.conf"), "a", encoding="ascii") as stream:
        stream.writelines(f"{line}\n" for line in request["hba"])


def own_namespaces() -> dict:
    """Return the namespaces this process is in, by their kind."""
    return {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "ipc")}


def require_apart(outside: dict) -> None:
    """Raise RuntimeError unless each namespace is another than outside: what follows would change the machine."""
    shared = sorted(kind for kind, name in own_namespaces().items() if outside.get(kind) in (None, name))
    if shared:
        raise RuntimeError(f"not in a namespace of its own: {', '.join(shared)}")


def hold(request: dict) -> int:
    """Prepare the namespaces, start the server, and stay until it ends; the end of this process is everything's."""
    home, account = request["directory"], request["account"]
    require_apart(request["outside"])

    def mark(name: str, text: str = "") -> None:
        # Whole or not there.
        with open(os.path.join(home, f"{name}.new"), "w", encoding="ascii") as stream:
            stream.write(text)
        os.rename(os.path.join(home, f"{name}.new"), os.path.join(home, name))

    mark("pid", os.readlink("/proc/self"))  # As those see it who mounted /proc.
    make_every_address_ours()
    answering = cover(request)
    # The server needs this too; here it fails with its own words.
    if status_of(start([sys.executable, "-I", "-c", ""], account, 2)):
        return 1
    mark("isolated")
    code = status_of(start(request["initdb"], account, 2))
    if code:
        return code
    allow(request)
    server = start([*request["postgres"], *with_tls(request)], account, 2)
    # A second thread: nothing is forked from here on.
    answer_every_name(home)
    while not is_ready(os.path.join(home, "data")):
        ended, status = os.waitpid(server, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_TICK_S)
    for path in answering:
        bind(os.path.join(request["sockets"], f"{SOCKET}{request['port']}"), path)
    mark("ready")
    while True:
        # The first process of a namespace is every orphan's parent.
        ended, status = os.wait()
        if ended == server:
            return os.waitstatus_to_exitcode(status)


def serve(request: dict) -> int:
    """Be the server."""
    if request["account"]:
        become(*request["account"])
    code = status_of(start(request["initdb"], None, 2))
    if code == 0:
        allow(request)
        os.execv(request["postgres"][0], request["postgres"])
    return code


def is_ready(data: str) -> bool:
    """Tell whether the server takes connections, by the line it writes for that."""
    try:
        with open(os.path.join(data, "postmaster.pid"), encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"


def enter(holder: str, uid: int, gid: int, argv: list[str]) -> int:
    """Run a program in the holder's namespaces, as the account that asks, and end as it does."""
    here, privileged = os.getcwd(), os.geteuid() == 0
    kinds = [*([] if privileged else ["user"]), "net", "mnt", "pid"]
    handles = [os.open(f"/proc/{holder}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds]
    for kind, handle in zip(kinds, handles):
        check(_libc.setns(handle, 0), kind)
    child = os.fork()  # Only a child is in the new namespace of processes.
    if child == 0:
        try:
            os.chdir(here)
            if not privileged:
                become(uid, gid)
            os.execvp(argv[0], argv)
        except OSError as error:
            os.write(2, f"{argv[0]}: {error}\n".encode())
        os._exit(127)
    code = status_of(child)
    if code < 0:
        os.kill(os.getpid(), -code)
    return code


def main() -> int:
    if sys.argv[1] == "enter":
        return enter(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
    with open(sys.argv[2], encoding="utf-8") as asked:
        request = json.load(asked)
    return hold(request) if sys.argv[1] == "hold" else serve(request)


if __name__ == "__main__":
    raise SystemExit(main())
