# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# Where ranks would go (--dry-run) and where they are (--display), as a table and as JSON.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v python3 >/dev/null || skip_all "there is no python3"
plan 37

host=$(hostname)
cores=$(nproc)

# field NAME FILE: of each rank, in their order.
field()
{
    python3 -c 'import json, sys
plan = json.load(open(sys.argv[2]))
assert plan["schema"] == "dragon-pg-plan" and plan["version"] == 1
assert [rank["rank"] for rank in plan["ranks"]] == list(range(len(plan["ranks"])))
for rank in plan["ranks"]:
    value = rank[sys.argv[1]]
    print(",".join(map(str, value)) if isinstance(value, list) else value, end=" ")' "$1" "$2" | sed 's/ $//'
}

# plan_of RUNTIME-ARGS -- PG-ARGS: into the file "plan".
plan_of()
{
    local run=()
    while [ "$1" != -- ]; do
        run+=("$1")
        shift
    done
    shift
    dragon-run "${run[@]}" dragon-pg --dry-run --json "$@" touch ran >plan 2>plan.err
}

check "a dry run" dragon-run --test-hosts 2 dragon-pg --dry-run -n 4 --map-by node touch ran
is "says where each rank would go" "$(awk '{ print $1, $2, $3 }' "$out" | tail -n +2 | tr '\n' ' ')" \
    "0 0 $host-0 1 1 $host-1 2 0 $host-0 3 1 $host-1 "
like "with a heading" '^rank  node  name +cores +bound to +GPUs +program$' "$(head -n 1 "$out")"
is "and nothing else" "$(cat "$err")" ""
check "the same as JSON" plan_of --test-hosts 2 -- -n 4 --map-by node
is "nodes" "$(field node plan)" "0 1 0 1"
is "names" "$(field name plan)" "$host-0 $host-1 $host-0 $host-1"
is "hosts" "$(field host plan)" "$host $host $host $host"
is "programs" "$(field program plan)" "touch touch touch touch"
cp plan first
plan_of --test-hosts 2 -- -n 4 --map-by node
check "the same input gives the same plan" cmp plan first
plan_of --test-hosts 2 -- -n 2 --ppn 1
is "--ppn" "$(field node plan)" "0 1"
plan_of --test-hosts 3 -- --ppn 2 -H 2,0
is "--hosts, in their order" "$(field node plan)" "2 2 0 0"
plan_of --test-hosts 2 -- -n 1 -H "$host-1"
is "--hosts by name" "$(field node plan)" 1
plan_of -- -n 1 -c "$cores"
is "all cores of a node" "$(field bind plan)" core
is "by their numbers" "$(field cores plan)" "$(seq -s , 0 $((cores - 1)))"
plan_of -- -n 1 --bind numa
is "--bind" "$(field bind plan)" numa
export DRAGON_GPUS=nvidia:2
plan_of -- -n 2 -g 1
is "a GPU each" "$(field gpus plan | tr ' ' '\n' | sort | tr '\n' ' ')" "0 1 "
plan_of -- -n 1 --gpu-list 1
is "this GPU" "$(field gpus plan)" 1
plan_of -- -n 1
is "no GPU" "$(field gpus plan)" ""
is "cores and GPUs are lists, as those of dragon-info" "$(grep -cE '"(cores|gpus)": \[' plan)" 2
check_status 125 "more GPUs than there are" dragon-run dragon-pg --dry-run -n 3 -g 1 true
unset DRAGON_GPUS
check_failure . "more cores than there are" dragon-run dragon-pg --dry-run -c 100000 true
check_failure 'nosuch' "a node that is not there" dragon-run dragon-pg --dry-run -H nosuch true
is "no rank ran in all this" "$(ls ran 2>/dev/null)" ""
check_output '^ +0 +0 ' "outside a runtime" dragon-pg --dry-run true

check "--display" dragon-run dragon-pg --display map,bind -n 2 echo hello
is "the ranks run" "$(cat "$out")" "hello
hello"
is "and the table is on standard error" "$(grep -cE "^ +[01] +0 +$host " "$err")" 2
dragon-run dragon-pg --display map true 2>map
is "--display map has no cores" "$(grep -c cores map)" 0
dragon-run dragon-pg --display bind --json -n 2 echo hello 2>plan >hellos
is "--display --json" "$(field node plan)" "0 0"
dragon-run dragon-pg -c 1 --on-full share -n $((cores + 1)) true 2>shared
is "cores that are shared though they were asked for are one notice" \
    "$(grep -c 'share.*without --on-full share the group waits' shared)" 1
dragon-run dragon-pg --cores 0 -n 2 true 2>shared
like "where lists say so nothing is advised" '2 ranks share 1 core with others, as its lists say$' "$(cat shared)"
dragon-run dragon-pg --dry-run --detach true >dry 2>&1
is "whatever else was said, a dry run shows the plan" "$? $(wc -l <dry)" "0 2"
dragon-run dragon-pg --dry-run --status-file status -c 100000 true 2>dry
is "and is no end of a group" "$(ls status 2>/dev/null)" ""
dragon-run --gpus nvidia:2 dragon-pg --dry-run -H "$(printf 'a\nb')" true 2>odd
is "an odd name does not make two lines" "$(wc -l <odd)" 1
dragon-run dragon-pg -n $((cores + 1)) true 2>shared
is "nobody minds where none were asked for" "$(cat shared)" ""
no_leftovers "nothing is left"
finish
