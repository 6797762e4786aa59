# SPDX-License-Identifier: BSD-3-Clause
#
# A reader that is stuck for longer than any step of a stop: the group's code and cause are still its own.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 4

mkfifo pipe
# Longer than the 5 seconds after which a process that was killed counts as stuck in the kernel.
(exec 8<pipe; sleep 7; cat <&8 >/dev/null) &
reader=$!
dragon-run dragon-pg -n 2 --timeout 300ms --grace 300ms yes >pipe 2>limit.err
is "the group's code is that of the time limit" "$?" 124
like "and so is its cause" '^dragon-pg: error: the time limit of 0.3 s is over$' "$(cat limit.err)"
wait "$reader"

# A client that is gone: nobody will ever take the output, so its group is over when its ranks are.
check "a client that was killed with output under way does not keep the runtime" dragon-run sh -c '
    mkfifo held; sleep 600 <held & dragon-pg -n 2 sh -c "echo \$\$ >pid.\$DRAGON_RANK; exec yes" >held 2>/dev/null &
    until [ -s pid.0 ] && [ -s pid.1 ]; do sleep 0.05; done
    kill -KILL $!; while kill -0 $(cat pid.0) 2>/dev/null || kill -0 $(cat pid.1) 2>/dev/null; do sleep 0.05; done'
no_leftovers "nothing is left"
finish
