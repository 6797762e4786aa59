#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# Lines that can be recognised, for tests of output and input.
#     lines.py write LINES MOST   as rank DRAGON_RANK: LINES lines of 1 to MOST bytes
#     lines.py check RANKS LINES  reads them: every line whole, each rank's in order, none missing
#     lines.py bytes COUNT        COUNT bytes that do not repeat
# A line is "RANK NUMBER LENGTH SUM filler", where LENGTH is its whole length.
import os, random, sys, zlib

FILLER = bytes(32 + i * 7 % 95 for i in range(70000))


def line_of(rank, number, most):
    # Short ones, and now and then one of any length.
    chance = random.Random(rank * 1000003 + number)
    length = chance.randint(1, most) if chance.random() < 0.02 else chance.randint(1, 120)
    head = b"%d %d %d " % (rank, number, length)
    start = chance.randrange(90)
    filler = FILLER[start : start + max(0, length - len(head) - 9)]
    return b"%s%08x %s\n" % (head, zlib.crc32(head + filler), filler)


def write(lines, most):
    rank = int(os.environ["DRAGON_RANK"])
    for number in range(lines):
        sys.stdout.buffer.write(line_of(rank, number, most))
        if number % 97 == 0:
            sys.stdout.buffer.flush()


def check(ranks, lines):
    following = [0] * ranks
    for line in sys.stdin.buffer:
        words = line.split(b" ", 4)
        try:
            rank, number = int(words[0]), int(words[1])
            head = b"%d %d %d " % (rank, number, int(words[2]))
            whole = int(words[3], 16) == zlib.crc32(head + words[4][:-1]) and line.endswith(b"\n")
        except (ValueError, IndexError):
            whole = False
        if not whole:
            sys.exit("a broken line: %r" % line[:200])
        if number != following[rank]:
            sys.exit("rank %d: line %d in place of %d" % (rank, number, following[rank]))
        following[rank] += 1
    if following != [lines] * ranks:
        sys.exit("lines of each rank: %r" % following)


def write_bytes(count):
    chance = random.Random(1)
    while count > 0:
        block = chance.randbytes(min(count, 1 << 16))
        sys.stdout.buffer.write(block)
        count -= len(block)


verb, numbers = sys.argv[1], [int(word) for word in sys.argv[2:]]
{"write": write, "check": check, "bytes": write_bytes}[verb](*numbers)
