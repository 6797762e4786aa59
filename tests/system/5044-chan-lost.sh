# SPDX-License-Identifier: BSD-3-Clause
#
# Agents that are killed while a process waits for something of their node. The program prints the results of each case.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 11
LIMIT=120

# A runtime of two nodes; its socket and the pids of its agents are in files.
begin_runtime()
{
    rm -f path agent.*
    # shellcheck disable=SC2016
    dragon-run --test-hosts 2 sh -c 'echo "$DRAGON_RUNTIME" >path
        exec dragon-pg --ppn 1 sh -c "echo \$PPID >agent.\$DRAGON_NODE; exec sleep 600"' >/dev/null 2>&1 &
    runtime_pid=$!
    wait_until 30 eval '[ -s path ] && [ -s agent.0 ] && [ -s agent.1 ]'
}

lost_case() # HOW NODE
{
    begin_runtime || return 1
    local code=0
    DRAGON_RUNTIME=$(cat path) "$DRAGON_BUILDDIR/tests/api/chan_lost" "$1" "$2" "$(cat "agent.$2")" ||
        code=$?
    kill "$runtime_pid" 2>/dev/null
    wait "$runtime_pid"
    return $code
}

for how in receive poll lock set send stream; do
    check "$how, of another node" lost_case $how 1
done
for how in receive set send lock; do
    check "$how, of this node" lost_case $how 0
done
no_leftovers "nothing is left"
finish
