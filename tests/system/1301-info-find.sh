# SPDX-License-Identifier: BSD-3-Clause
#
# How dragon-info finds the runtimes of its user, and what it takes for one.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/info.sh"
no_other_runtime >/dev/null || wait_until 20 no_other_runtime || skip_all "there are runtimes in /tmp"
plan 45

# make_socket DIRECTORY: one that nobody listens at
make_socket()
{
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$1/agent.sock"
}

# start_runtime NAME NODES: its socket's path is then in the file NAME; it ends when NAME.end is there
start_runtime()
{
    # shellcheck disable=SC2016
    dragon-run --test-hosts "$2" sh -c 'echo "$DRAGON_RUNTIME" >$0.new; mv $0.new $0
        until [ -e $0.end ]; do sleep 0.05; done' "$1" &
    wait_until 30 test -s "$1"
}

check_status 1 "without a runtime the code is 1" run_alone dragon-info
like "and it is said" '^dragon-info: .*no runtime of this user runs on this host' "$(cat "$err")"
like "and where it was looked for" "$TMPDIR and /tmp" "$(cat "$err")"
is "in one line" "$(wc -l <"$err")" 1
check_status 1 "the same of nodes" run_alone dragon-info --json nodes
is "with nothing on standard output" "$(cat "$out")" ""
check_status 1 "and of runtimes" run_alone dragon-info runtimes
check_status 1 "as JSON too" run_alone dragon-info --json runtimes
json_is "which is an empty list" '(it["schema"], it["runtimes"])' "('dragon-info-runtimes', [])"

# What others may have put there, or what was left.
make_dead()
{
    mkdir -m 700 "$1" && make_socket "$1"
}
make_dead "$TMPDIR/dragon-deadxx"
make_dead "$TMPDIR/elsewhere"
ln -s "$TMPDIR/elsewhere" "$TMPDIR/dragon-linkxx"
make_dead "$TMPDIR/dragon-openxx" && chmod 755 "$TMPDIR/dragon-openxx"
mkdir -m 700 "$TMPDIR/dragon-emptyx" "$TMPDIR/dragon-filexx" "$TMPDIR/dragon-sockxx"
: >"$TMPDIR/dragon-filexx/agent.sock"
ln -s "$TMPDIR/elsewhere/agent.sock" "$TMPDIR/dragon-sockxx/agent.sock"
make_dead "$TMPDIR/dragon-much-longer"
check_status 1 "what nobody listens at is no runtime" run_alone dragon-info
like "a dead one is named" "$TMPDIR/dragon-deadxx.*rm -r" "$(cat "$err")"
is "and it alone" "$(grep -c 'rm -r' "$err")" 1
check_status 1 "runtimes lists it" run_alone dragon-info runtimes
is "and it alone" "$(grep -c "^$TMPDIR" "$out")" 1
like "as dead" "^$TMPDIR/dragon-deadxx +dead " "$(cat "$out")"

start_runtime one 2
check "with one that lives it is found" run_alone dragon-info
like "whatever lies beside it" "^runtime +$(cat one)\$" "$(cat "$out")"
run_alone dragon-info --json runtimes >runtimes.json 2>/dev/null
is "runtimes has both" "$(json_value runtimes.json 'sorted(r["state"] for r in it["runtimes"])')" "['dead', 'up']"
is "and the nodes of the one that lives" \
    "$(json_value runtimes.json '[(r["nodes"], r["node"]) for r in it["runtimes"] if r["state"] == "up"]')" "[(2, 0)]"
is "is it found by a relative TMPDIR? no" "$(TMPDIR=. run_alone dragon-info 2>/dev/null; echo $?)" 1
check "by its directory" dragon-info --runtime "$(dirname "$(cat one)")" nodes
check "by its socket" dragon-info --runtime="$(cat one)" nodes
check "by DRAGON_RUNTIME" env DRAGON_RUNTIME="$(cat one)" TMPDIR=/nowhere dragon-info nodes
check_failure 'no/such' "--runtime that is not there" dragon-info --runtime no/such nodes
check_failure 'no runtime at /: No such file' "--runtime without one in it" dragon-info --runtime /
check_failure 'no runtime at /etc/passwd: it is no socket' "--runtime that is something else" \
    dragon-info --runtime /etc/passwd
check_failure 'no runtime|ended' "--runtime that is dead" dragon-info --runtime "$TMPDIR/dragon-deadxx" nodes
check_failure 'ended' "DRAGON_RUNTIME that is dead" \
    env DRAGON_RUNTIME="$TMPDIR/dragon-deadxx/agent.sock" dragon-info nodes
check "--runtime wins over it" \
    env DRAGON_RUNTIME="$TMPDIR/dragon-deadxx/agent.sock" dragon-info --runtime "$(cat one)" nodes

start_runtime two 1
check_status 125 "with two that live none is taken" run_alone dragon-info
like "and it is said what to type" "^  dragon-info --runtime $(dirname "$(cat one)") .*2 nodes" "$(cat "$err")"
like "for both" "^  dragon-info --runtime $(dirname "$(cat two)") .*1 node" "$(cat "$err")"
is "and nothing printed" "$(cat "$out")" ""
check "runtimes lists them" run_alone dragon-info runtimes
is "as up" "$(grep -c " up " "$out")" 2
: >one.end
: >two.end
wait

# Two nodes of one runtime on one host, which do not know of each other's directory.
(umask 077; head -c 32 /dev/urandom >secret)
port=$((30000 + RANDOM % 2000))
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
by_hand()
{
    timeout -k 5 "$LIMIT" dragon-run --rank="$1" --size=2 --address="127.0.0.1:$port" \
        --secret-file="$PWD/secret" sh -c 'echo "$DRAGON_RUNTIME" >pair.new; mv pair.new pair
            until [ -e pair.end ]; do sleep 0.05; done'
}
by_hand 1 &
by_hand 0 &
check "a runtime of two dragon-runs" wait_until 30 test -s pair
check "is one runtime" run_alone dragon-info
like "seen from its first node" "^runtime +$(cat pair)\$" "$(cat "$out")"
: >pair.end
wait

check_status 125 "a word that is not known" dragon-info nods
like "is guessed" 'nodes' "$(cat "$err")"
check_status 125 "too many words" dragon-info ranks one two
check_status 125 "nodes take no word" dragon-info nodes one
check_status 125 "an option that is not known" dragon-info --no-such
check_output 'usage: dragon-info' "--help needs no runtime" dragon-info --help
rm -r "$TMPDIR"/dragon-* "$TMPDIR/elsewhere"
no_leftovers "nothing is left"
finish
