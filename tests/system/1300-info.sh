# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# What dragon-info shows of a runtime of three nodes with GPUs, in which groups run.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/info.sh"
plan 61

# The head has two groups: one with a GPU on each node, and one that waits for GPUs that are in use.
cat >head.sh <<'END'
echo "$DRAGON_RUNTIME" >socket
dragon-info >inside.out 2>&1
echo $? >inside.code
dragon-pg -n 3 --ppn 1 -g 1 --name holders sh -c 'echo $$ >pid.$DRAGON_RANK; exec sleep 600' &
holders=$!
until [ -s pid.0 ] && [ -s pid.1 ] && [ -s pid.2 ]; do
    kill -0 "$holders" || exit 1
    sleep 0.05
done
dragon-pg -n 3 -g 1 --on-full wait --name waiters sleep 600 2>/dev/null &
waiters=$!
echo "$holders" >holders.new && mv holders.new holders
read -r _ <go
kill -TERM "$waiters" "$holders"
wait
END
mkfifo go
export DRAGON_GPUS=nvidia:3
dragon-run --test-hosts 3 sh ./head.sh &
runtime=$!
unset DRAGON_GPUS
check "the runtime comes up, with a group" wait_until 60 test -s holders -o ! -d "/proc/$runtime"
[ -s holders ] || finish # it has said why
export DRAGON_RUNTIME
DRAGON_RUNTIME=$(cat socket)
is_queued()
{
    dragon-info --json groups >queued.json &&
        [ "$(json_value queued.json '[g["state"] for g in it["groups"]]')" = "['running', 'queued']" ]
}
check "and one that waits" wait_until 30 is_queued

check_json dragon-info-nodes "nodes as JSON" dragon-info --json nodes
cp "$out" nodes.json
json_is "three of them, by number" '[n["number"] for n in it["nodes"]]' "[0, 1, 2]"
json_is "whose names differ" 'len(set(n["name"] for n in it["nodes"]))' 3
json_is "on one host" 'len(set(n["host"] for n in it["nodes"]))' 1
json_is "each has what it counts" \
    'all(len(n["core"]) == n["cores"] > 0 and len(n["gpu"]) == n["gpus"] for n in it["nodes"])' True
json_is "a core is free when it has no users" \
    'all(n["free_cores"] == sum(c["users"] == 0 for c in n["core"]) for n in it["nodes"])' True
json_is "users are those who use it" \
    'all(c["users"] == len(c["used_by"]) for n in it["nodes"] for c in n["core"] + n["gpu"])' True
json_is "threads are those of the cores" \
    'all(n["threads"] == sum(len(c["threads"].split(",")) for c in n["core"]) for n in it["nodes"])' True
json_is "there is memory" 'all(n["memory_bytes"] > 1 << 20 for n in it["nodes"])' True
json_is "sockets, NUMA nodes and caches are counted" \
    'all(n["sockets"] > 0 and n["numa"] > 0 and n["l3"] > 0 for n in it["nodes"])' True
json_is "cores name theirs" 'all(c["socket"] < n["sockets"] and c["numa"] < n["numa"] and c["l3"] < n["l3"]
    for n in it["nodes"] for c in n["core"])' True
json_is "a GPU on each node" '[n["gpus"] for n in it["nodes"]]' "[1, 1, 1]"
json_is "none of them free" '[n["free_gpus"] for n in it["nodes"]]' "[0, 0, 0]"

check_json dragon-info-gpus "GPUs as JSON" dragon-info gpus --json
json_is "three of them" '[(g["node"], g["gpu"]) for g in it["gpus"]]' "[(0, 0), (1, 0), (2, 0)]"
json_is "of the vendor that was declared" 'set(g["vendor"] for g in it["gpus"])' "{'nvidia'}"
json_is "which a variable shows" 'set(g["variable"] for g in it["gpus"])' "{'CUDA_VISIBLE_DEVICES'}"
json_is "each by another value" 'len(set(g["visible"] for g in it["gpus"]))' 3
json_is "each is in use" 'sorted(g["node"] for g in it["gpus"] if g["users"])' "[0, 1, 2]"
json_is "by the ranks of one group" \
    'sorted(u["rank"] for g in it["gpus"] for u in g["used_by"]), len(set(u["group"] for g in it["gpus"] for u in g["used_by"]))' \
    "([0, 1, 2], 1)"

check_json dragon-info-groups "groups as JSON" dragon-info groups --json
cp "$out" groups.json
json_is "names" '[g["name"] for g in it["groups"]]' "['holders', 'waiters']"
json_is "states" '[g["state"] for g in it["groups"]]' "['running', 'queued']"
json_is "ranks" '[(g["running"], g["ranks"]) for g in it["groups"]][0]' "(3, 3)"
json_is "nodes" '[g["nodes"] for g in it["groups"]]' "[[0, 1, 2], []]"
json_is "the owner" '(it["groups"][0]["owner_node"], it["groups"][0]["owner_pid"])' "(0, $(cat holders))"
json_is "what a group waits for" '[bool(g["waits_for"]) for g in it["groups"]]' "[False, True]"
json_is "not MPI, not detached" 'set((g["mpi"], g["detached"]) for g in it["groups"])' "{(False, False)}"
json_is "its ranks with one core and one GPU each" \
    '[(len(r["cores"]), len(r["gpus"])) for r in it["groups"][0]["rank"]]' "[(1, 1), (1, 1), (1, 1)]"
json_is "a queued one has no ranks yet" 'it["groups"][1]["rank"]' "[]"
id=$(json_value groups.json 'it["groups"][0]["id"]')

check_json dragon-info-ranks "ranks as JSON" dragon-info ranks --json holders
json_is "numbers and nodes" '[(r["rank"], r["node"]) for r in it["ranks"]]' "[(0, 0), (1, 1), (2, 2)]"
json_is "processes" '[r["pid"] for r in it["ranks"]]' "[$(cat pid.0), $(cat pid.1), $(cat pid.2)]"
json_is "states" 'set((r["state"], r["ended"], r["exit_code"], r["restarts"]) for r in it["ranks"])' \
    "{('running', False, None, 0)}"
check_json dragon-info-ranks "the same by number" dragon-info --json ranks "$id"
json_is "has the same ranks" '[(r["group"], r["rank"]) for r in it["ranks"]]' "[($id, 0), ($id, 1), ($id, 2)]"
check_status 1 "a group that is not there" dragon-info ranks no-such-group
like "is named" '^dragon-info: .*"no-such-group"' "$(cat "$err")"
is "and nothing is printed" "$(cat "$out")" ""

check_json dragon-info "the overview as JSON" dragon-info --json
json_is "has nodes and groups" '(len(it["nodes"]), len(it["groups"]), it["node"])' "(3, 2, 0)"
is "with the nodes as they are" "$(json_value "$out" 'it["nodes"][0]["free_gpus"]')" 0

check "the overview" dragon-info
like "names the socket" "^runtime +$(cat socket)\$" "$(cat "$out")"
like "adds up GPUs" '^GPUs +0 of 3 free$' "$(cat "$out")"
like "has groups" "^ *$id +running +holders +3/3 +0-2 +0:$(cat holders) " "$(cat "$out")"
like "and who waits" '^ *[0-9]+ +queued +waiters +0/[0-9]+ +- ' "$(cat "$out")"
check "nodes" dragon-info nodes
is "a heading and a line for each" "$(wc -l <"$out")" 4
check "nodes -v" dragon-info nodes -v
like "has users of cores" " $id:[0-2]" "$(cat "$out")"
check "ranks" dragon-info ranks
is "a line for each that has a place" "$(wc -l <"$out")" 4
is "no line ends in blanks" "$(grep -c ' $' "$out")" 0
check_status 125 "a full disk is an error" sh -c 'dragon-info >/dev/full'

is "inside the runtime it was found by itself" "$(cat inside.code)" 0
like "and showed it before there were groups" '^groups +0$' "$(cat inside.out)"
unset DRAGON_RUNTIME
echo >go
wait "$runtime"
is "the runtime ends" "$?" 0
no_leftovers "nothing is left"
finish
