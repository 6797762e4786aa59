# SPDX-License-Identifier: BSD-3-Clause
#
# With --node-failure=continue, objects of a node that is lost: who waits for one is told at once, while the runtime and what
# other nodes have go on.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 9
LIMIT=120

# A runtime of three nodes; its socket and the pids of its agents are in files.
begin_runtime()
{
    rm -f path agent.* go
    # shellcheck disable=SC2016
    dragon-run --test-hosts 3 --node-failure=continue sh -c 'echo "$DRAGON_RUNTIME" >path
        dragon-pg --ppn 1 --on-failure=continue sh -c "echo \$PPID >agent.\$DRAGON_NODE; exec sleep 600" &
        until [ -e go ]; do sleep 0.05; done
        exit 7' >run.out 2>run.err &
    runtime_pid=$!
    wait_until 30 eval '[ -s path ] && [ -s agent.0 ] && [ -s agent.1 ] && [ -s agent.2 ]'
}

end_runtime()
{
    local code=0
    : >go
    wait "$runtime_pid" || code=$?
    [ "$code" = 7 ] || { echo "the runtime ended with $code"; cat run.err; return 1; }
}

lost_case() # HOW
{
    local code=0
    begin_runtime || return 1
    DRAGON_RUNTIME=$(cat path) "$DRAGON_BUILDDIR/tests/api/chan_lost" "$1" 1 "$(cat agent.1)" || code=$?
    end_runtime && return $code
}

for how in receive poll lock set send stream; do
    check "$how, of the lost node" lost_case $how
done

# chan_to NODE WORD...: dragon-chan as a rank of that node.
chan_to()
{
    DRAGON_RUNTIME=$(cat path) dragon-pg --hosts "$1" "${@:2}"
}

names()
{
    begin_runtime || return 1
    chan_to 1 sh -c 'dragon-chan create there' && chan_to 2 dragon-chan create here || return 1
    echo first | DRAGON_RUNTIME=$(cat path) dragon-chan send --lines here || return 1
    kill -KILL "$(cat agent.1)"
    wait_until 10 grep -q 'goes on with the 2 nodes left' run.err || return 1
    # The name went with its object, and may be given to another one; the other node's is there.
    DRAGON_RUNTIME=$(cat path) dragon-chan stat there 2>gone.err && return 1
    cat gone.err
    chan_to 2 dragon-chan create there || return 1
    echo again | DRAGON_RUNTIME=$(cat path) dragon-chan send --lines there || return 1
    [ "$(DRAGON_RUNTIME=$(cat path) dragon-chan recv -n 1 there)" = again ] || return 1
    [ "$(DRAGON_RUNTIME=$(cat path) dragon-chan recv -n 1 here)" = first ] || return 1
    end_runtime
}
check "names and channels" names
check_output 'lost' "a new object there is refused" sh -c '
    exec dragon-run --test-hosts 2 --node-failure=continue sh -c "
        dragon-pg --hosts 1 sh -c \"kill -9 \\\$PPID\" 2>/dev/null
        dragon-chan create x --node 1 && exit 1
        exit 0" 2>&1'
no_leftovers "nothing is left"
finish
