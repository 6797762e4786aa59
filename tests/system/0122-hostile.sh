# SPDX-License-Identifier: BSD-3-Clause
#
# Strangers at every door, while a runtime comes up and while it runs: they cost it nothing but
# their connections.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v python3 >/dev/null || skip_all "there is no python3"
plan 19
hostile=$DRAGON_SRCDIR/tests/lib/hostile.py
(umask 077; head -c 32 /dev/urandom >secret)
port=$((20000 + RANDOM % 10000))

# begin_attack TARGET...: returns when all connections are made; end_attack lets go of them.
begin_attack()
{
    rm -f attack.out
    mkfifo hold
    [ "$1" = brief ] || set -- attack "$@"
    python3 "$hostile" "$@" <hold >attack.out 2>attack.err &
    attacker=$!
    exec 8>hold
    wait_until 60 grep -q ready attack.out
}
end_attack()
{
    exec 8>&-
    wait "$attacker"
    rm -f hold
    comment "connections held: $(tail -n 1 attack.out)"
}
agents_of()
{
    runtime_processes | awk -v name="$1" '$3 == name { print $2 }'
}

# --- coming up: rank 0 waits for rank 1
by_hand()
{
    timeout -k 5 "$LIMIT" dragon-run --rank="$1" --size=2 --address="127.0.0.1:$port" \
        --secret-file="$PWD/secret" --up-timeout 50s "${@:2}"
}
by_hand 0 dragon-pg -n 2 --ppn 1 sh -c 'echo "node $DRAGON_NODE"' >first.out 2>first.err &
first=$!
check "rank 0 listens" wait_until 20 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
two_doors()
{
    doors=$(python3 "$hostile" ports $(agents_of dragon-run) $(agents_of dragon-agent))
    [ "$(wc -l <<<"$doors")" -ge 2 ]
}
check "and so does its agent" wait_until 20 two_doors
# shellcheck disable=SC2086
check "200 connections to each" begin_attack $doors
check "rank 1 comes up among them" by_hand 1
wait "$first"
is "as does rank 0" $? 0
end_attack
is "all is well" "$(sort first.out | paste -sd' ')" "node 0 node 1"
is "and nobody is troubled with it" "$(grep -v 'runtime ranks were started on' first.err)" ""

# --- running
mkfifo go
mpi=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi
# shellcheck disable=SC2016
timeout -k 5 200 dragon-run --test-hosts 2 sh -c '
    echo "$DRAGON_RUNTIME" >socket.tmp; mv socket.tmp socket
    read -r _ <go; dragon-pg -n 2 --ppn 1 echo rank' >second.out 2>second.err &
second=$!
check "another runtime comes up" wait_until 30 test -s socket
is "nothing of it listens on the network" \
    "$(python3 "$hostile" ports $(agents_of dragon-run) $(agents_of dragon-agent))" ""
check "200 connections to the agent's socket" begin_attack "unix:$(cat socket)"
check "a client that came later is served" env DRAGON_RUNTIME="$(cat socket)" dragon-pg -n 2 true
echo >go
wait "$second"
is "the runtime ends as it should" "$? $(paste -sd' ' second.out)" "0 rank rank"
is "and nobody is troubled with it" "$(cat second.err)" ""
end_attack

# --- the doors that libpmix opens for MPI programs, on loopback. It says on standard error what it thinks
# of strangers; and one that sends a part of a message and waits would hold it up, which is not done here.
mkfifo again
pmix_listens()
{
    doors=$(python3 "$hostile" ports $(agents_of dragon-pmix))
    [ -n "$doors" ]
}
if [ -x "$mpi" ]; then
    # shellcheck disable=SC2016
    timeout -k 5 200 dragon-run sh -c '"$0" --pmi -n 2 "$1" hello; read -r _ <again
        "$0" --pmi -n 2 "$1" hello' dragon-pg "$mpi" >third.out 2>third.err &
    third=$!
    check "an MPI program has run" wait_until 60 bash -c "test \"\$(grep -c 'of 2 on' third.out)\" = 2"
    check "the PMIx service listens" wait_until 20 pmix_listens
    # shellcheck disable=SC2086
    check "200 connections to it" begin_attack brief attack $doors
    echo >again
    wait "$third"
    is "the next MPI program runs among them" "$? $(grep -c 'of 2 on' third.out)" "0 4"
    is "without a complaint of ours" "$(grep '^dragon-' third.err)" ""
    end_attack
else
    for text in "an MPI program has run" "the PMIx service listens" "200 connections to it" \
        "the next MPI program runs among them" "without a complaint of ours"; do
        skip "$text" "there is no compiler of Open MPI"
    done
fi

no_leftovers "nothing is left"
finish
