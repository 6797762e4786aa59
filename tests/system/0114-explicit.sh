# SPDX-License-Identifier: BSD-3-Clause
#
# Without a launcher: rank, size, address and secret are given to each dragon-run.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 27
(umask 077; head -c 32 /dev/urandom >secret; head -c 32 /dev/urandom >other)
port=$((20000 + RANDOM % 10000))
next_port()
{
    port=$((port + 1))
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        port=$((port + 1))
    done
}
# by_hand RANK SIZE ARG...
by_hand()
{
    local rank=$1 size=$2
    shift 2
    timeout -k 5 "$LIMIT" dragon-run --rank="$rank" --size="$size" --address="127.0.0.1:$port" \
        --secret-file="$PWD/secret" "$@"
}

next_port
pair()
{
    by_hand 1 2 >other.out 2>&1 &
    local other=$! code=0
    by_hand 0 2 "$@" || code=$?
    wait "$other"
    other_code=$?
    return "$code"
}
check "two nodes by hand" pair dragon-pg -n 2 --ppn 1 sh -c 'echo "node $DRAGON_NODE"'
is "each with a rank" "$(sort "$out" | paste -sd' ')" "node 0 node 1"
is "the other dragon-run returns 0" "$other_code" 0
is "and says nothing" "$(cat other.out)" ""
check_status 7 "the exit code is the head's" pair sh -c 'exit 7'
is "and only of the first node" "$other_code" 0
next_port
late()
{
    by_hand 0 2 dragon-pg -n 2 --ppn 1 true &
    local first=$!
    wait_until 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" || return 1
    by_hand 1 2 || return 2
    wait "$first"
}
check "the first one may wait for the second" late
check "a runtime of one" by_hand 0 1 dragon-pg -n 1 true

# --- what can go wrong
next_port
check_failure 'rank 1 of 2 did not come within.*dragon-run' "a rank that does not come" \
    by_hand 0 2 --up-timeout 2s true
missing_of_three()
{
    by_hand 1 3 --up-timeout 3s true >two.out 2>&1 &
    local other=$! code=0
    by_hand 0 3 --up-timeout 2s true || code=$?
    wait "$other"
    other_code=$?
    return "$code"
}
check_failure 'rank 2 of 3 did not come' "the last of three" missing_of_three
is "the one that came returns 125" "$other_code" 125
is "and leaves the word to the first" "$(cat two.out)" ""
next_port
check_failure "could not reach rank 0 at 127.0.0.1:$port.*refused" "nobody is at the address" \
    by_hand 1 2 --up-timeout 2s
check_failure 'cannot find the host.*no\.such\.host\.invalid' "no such host" \
    dragon-run --rank=1 --size=2 --address=no.such.host.invalid:7 --secret-file=secret --up-timeout 5s
check_failure 'cannot listen at 192\.0\.2\.1:7' "an address of somebody else" \
    dragon-run --rank=0 --size=2 --address=192.0.2.1:7 --secret-file=secret true
wrong_secret()
{
    timeout -k 5 "$LIMIT" dragon-run --rank=0 --size=2 --address="127.0.0.1:$port" \
        --secret-file=other --up-timeout 3s true >first.out 2>&1 &
    local first=$! code=0
    by_hand 1 2 --up-timeout 10s || code=$?
    wait "$first"
    first_code=$?
    return "$code"
}
check_failure "127.0.0.1:$port does not know the secret" "another secret: the one that calls" wrong_secret
is "and the one that is called returns 125" "$first_code" 125
like "in one line" '^dragon-run: error: rank 1 of 2 did not come within .*; 1 connection was refused' \
    "$(cat first.out)"
next_port
same_rank()
{
    by_hand 0 3 --up-timeout 4s true >first.out 2>&1 &
    local first=$!
    by_hand 1 3 --up-timeout 30s >one.out 2>&1 &
    local one=$!
    by_hand 1 3 --up-timeout 30s >two.out 2>&1 &
    local two=$!
    wait "$one" "$two" "$first"
}
run same_rank
like "two that are the same rank: one is refused" '^dragon-run: error: .*rank 1' "$(cat one.out two.out)"
is "in one line" "$(cat one.out two.out | wc -l)" 1
sizes_differ()
{
    by_hand 0 2 --up-timeout 3s true >first.out 2>&1 &
    local first=$! code=0
    by_hand 1 3 --up-timeout 10s || code=$?
    wait "$first"
    return "$code"
}
check_failure 'size|of 3|of 2' "sizes that differ" sizes_differ

for what in "is not there" "is too short" "can be read by others" "is a directory"; do
    case $what in
        "is not there") file=nothing ;;
        "is too short") file=short && (umask 077; echo x >short) ;;
        "can be read by others") file=open && head -c 32 /dev/urandom >open && chmod 644 open ;;
        *) file=. ;;
    esac
    check_failure "secret file $file" "a secret file that $what" \
        dragon-run --rank=1 --size=2 --address="127.0.0.1:$port" --secret-file="$file"
done
is "the secret is not printed" \
    "$(cat ./*.out "$err" | grep -cF "$(head -c 8 secret | od -An -tx1 | tr -d ' \n')")" 0
no_leftovers "nothing is left"
finish
