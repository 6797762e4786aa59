# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-run on a terminal: tests/lib/terminal.py types at it and reads along.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v python3 >/dev/null || skip_all "there is no python3"
plan 11

terminal()
{
    timeout -k 5 "$LIMIT" python3 "$DRAGON_SRCDIR/tests/lib/terminal.py" "$@"
}

# The words of a terminal's play: "expect TEXT", "type TEXT", "key C", and at the end "code N".
check "without a program it is a shell inside the runtime" terminal \
    "expect this is a shell" "type echo in-\${DRAGON_RUNTIME:+side}" "expect in-side" \
    "type exit 7" "code 7" -- env SHELL=/bin/sh PS1=prompt dragon-run
check "also when SHELL is not set" terminal \
    "expect this is a shell" "type exit 8" "code 8" -- env -u SHELL dragon-run
check "the head has the terminal" terminal "code 0" -- dragon-run sh -c 'test -t 0 && test -t 1 && test -t 2'
check "and reads what is typed" terminal "expect name?" "type you" "expect hello you" "code 0" -- \
    dragon-run sh -c 'echo name?; read -r name; echo hello $name'
# Not by a trap of bash, which would wait in its read for a signal that came just before.
cat >counter <<'PY'
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("ready", flush=True)
signal.sigwait([signal.SIGINT])
print("INT 1", flush=True)
line = sys.stdin.readline().strip()
print("got", line, "INT" if signal.SIGINT in signal.sigpending() else "after 1")
sys.exit(9)
PY
check "Ctrl-C reaches the head, once" terminal \
    "expect ready" "key C" "expect INT 1" "type more" "expect got more after 1" "code 9" -- \
    dragon-run python3 counter
check "Ctrl-C ends a head that does not care" terminal "expect ready" "key C" "code 130" -- \
    dragon-run sh -c 'echo ready; exec sleep 100'
check "Ctrl-\\ too" terminal "expect ready" "key \\" "code 131" -- \
    dragon-run sh -c 'ulimit -c 0; echo ready; exec sleep 100'
check "Ctrl-C ends a group" terminal "expect ready" "key C" "code 130" -- \
    dragon-run dragon-pg -n 2 sh -c 'echo ready; exec sleep 100'
# Nothing is typed before somebody is seen to read: a shell that changes the terminal's mode loses it.
printf '#!/bin/sh\nPS1="prompt:" exec bash --norc --noprofile -i\n' >shell
chmod +x shell
printf '#!/bin/bash\ntrap "echo awake" CONT\necho ready\nwhile read -r word; do echo "got $word"; done\n' >head
chmod +x head
check "the shell has job control" terminal \
    "expect prompt:" "type ./head" "expect ready" "key Z" "expect Stopped" "expect prompt:" "insist fg=>awake" \
    "type two" "expect got two" "key D" "expect prompt:" "type exit 6" "code 6" -- \
    env SHELL="$PWD/shell" dragon-run
check "dragon-run can be stopped and continued from an outer shell" terminal \
    "expect prompt:" "type dragon-run ./head" "expect ready" "type one" "expect got one" "key Z" \
    "expect Stopped" "expect prompt:" "insist fg=>awake" "type two" "expect got two" "key D" \
    "expect prompt:" "type exit 5" "code 5" -- ./shell
no_leftovers "nothing is left"
finish
