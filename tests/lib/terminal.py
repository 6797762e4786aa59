#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# terminal.py STEP... -- CMD...: runs CMD on a terminal of its own and plays the steps:
#     expect TEXT   wait until it has printed that (after what was expected before)
#     type TEXT     type that and the return key
#     insist TEXT=>ANSWER   type TEXT, again every second until it has printed ANSWER: a shell that has just
#                   got the terminal back may lose what is typed first
#     keys TEXT     type that alone
#     key C         press Ctrl-C
#     until CMD     wait until this command of the shell succeeds
#     code N        wait for its end; the exit code is to be N
# A step that does not come true in time prints what there was on the terminal, and fails.
import os, pty, select, subprocess, sys, time

LIMIT = float(os.environ.get("TERMINAL_LIMIT", "20"))


def code_of(status):
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


class Terminal:
    def __init__(self, command):
        self.text = b""
        self.seen = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def read(self, seconds):
        """Takes what comes within the time; False: nothing came, or it is closed."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            more = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += more
        return bool(more)

    def find(self, text, seconds):
        """Whether the text comes within the time, after what was found before."""
        deadline = time.monotonic() + seconds
        while True:
            at = self.text.find(text, self.seen)
            if at >= 0:
                self.seen = at + len(text)
                return True
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left):
                return False

    def expect(self, text):
        if not self.find(text, LIMIT):
            self.fail("did not print %r" % text)

    def type(self, text):
        os.write(self.fd, text + b"\n")

    def insist(self, text, answer):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            self.type(text)
            if self.find(answer, 1):
                return
        self.fail("typed %r, and it did not print %r" % (text, answer))

    def until(self, command):
        deadline = time.monotonic() + LIMIT
        while subprocess.run(command, shell=True, capture_output=True).returncode != 0:
            if time.monotonic() > deadline:
                self.fail("%r did not succeed" % command)
            self.read(0.05)

    def end(self):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return code_of(status)
        self.fail("does not end")

    def fail(self, why):
        print(why)
        print("on the terminal: %r" % self.text)
        os.close(self.fd)  # hangs up
        sys.exit(1)


def main():
    words = sys.argv[1:]
    at = words.index("--")
    terminal = Terminal(words[at + 1 :])
    for step in words[:at]:
        verb, _, text = step.partition(" ")
        if verb == "expect":
            terminal.expect(text.encode())
        elif verb == "type":
            terminal.type(text.encode())
        elif verb == "insist":
            terminal.insist(*text.encode().split(b"=>"))
        elif verb == "until":
            terminal.until(text)
        elif verb == "keys":
            os.write(terminal.fd, text.encode())
        elif verb == "key":
            os.write(terminal.fd, bytes([ord(text) & 31]))
        elif verb == "code":
            code = terminal.end()
            if code != int(text):
                terminal.fail("code %d in place of %s" % (code, text))


main()
