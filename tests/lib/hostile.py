#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# hostile.py ports PID...      prints what these processes listen at: "tcp:ADDRESS:PORT", one a line
# hostile.py [brief] attack TARGET...
#                              makes 200 connections to each ("tcp:ADDRESS:PORT", "unix:PATH"): some
#                              send bytes without sense, some lengths beyond any limit, some a part of
#                              something and then nothing, some just close. Prints "ready" when all are
#                              made, and holds those that the other end has not closed until its
#                              standard input ends; then prints how many that were. A brief one
#                              holds none.
import os, random, re, socket, struct, sys

CONNECTIONS = 200
random.seed(2)  # the same every time


def address_of(text, family):
    raw = bytes.fromhex(text)
    words = struct.unpack("=%dI" % (len(raw) // 4), raw)
    return socket.inet_ntop(family, struct.pack(">%dI" % len(words), *words))


def listening():
    found = {}
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        try:
            lines = open("/proc/net/" + name).readlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == "0A":
                address, port = fields[1].split(":")
                address = address_of(address, family)
                address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
                found[fields[9]] = "tcp:%s:%d" % (address, int(port, 16))
    return found


def ports(pids):
    found = listening()
    seen = set()
    for pid in pids:
        try:
            names = os.listdir("/proc/%s/fd" % pid)
        except OSError:
            continue
        for name in names:
            try:
                link = os.readlink("/proc/%s/fd/%s" % (pid, name))
            except OSError:
                continue
            inode = re.match(r"socket:\[(\d+)\]", link)
            if inode and inode.group(1) in found:
                seen.add(found[inode.group(1)])
    print("\n".join(sorted(seen)), end="\n" if seen else "")


def connect(target):
    kind, _, place = target.partition(":")
    if kind == "unix":
        s = socket.socket(socket.AF_UNIX)
        place = place
    else:
        address, _, port = place.rpartition(":")
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        place = (address, int(port))
    s.settimeout(10)
    s.connect(place)
    s.setblocking(False)
    return s


def annoy(s, number):
    """True: the connection is to be held."""
    kind = number % 5
    try:
        if kind == 0:
            s.send(random.randbytes(random.randrange(1, 4000)))
        elif kind == 1:
            s.send(b"\xff" * 64)
        elif kind == 2:
            s.send(struct.pack("<IIQ", 0x7FFFFFFF, 1, 1 << 40) + b"\0" * 40)
        elif kind == 3:
            s.send(b"\0")
    except OSError:
        pass
    return kind != 4 or number % 2 == 0


def attack(targets, brief):
    held = []
    for target in targets:
        for number in range(CONNECTIONS):
            try:
                s = connect(target)
            except OSError:
                continue  # it accepts no more: it protects itself
            if annoy(s, number) and not brief:
                held.append(s)
            else:
                s.close()
    print("ready", flush=True)
    sys.stdin.read()
    print(len(held))


words = sys.argv[1:]
if words[0] == "ports":
    ports(words[1:])
else:
    brief = words[0] == "brief"
    attack(words[2 if brief else 1 :], brief)
