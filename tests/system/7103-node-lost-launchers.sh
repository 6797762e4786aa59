# SPDX-License-Identifier: BSD-3-Clause
#
# With --node-failure=continue under launchers, which end a job when one of its processes fails: dragon-run of a lost node ends
# with 0.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 5
cat >head.sh <<'END'
dragon-pg --ppn 1 --on-failure=continue sh -c '[ $DRAGON_NODE = 1 ] && exec sleep 600
    until [ -e go ]; do sleep 0.05; done; echo done $DRAGON_NODE' &
pg=$!
dragon-pg --hosts 1 sh -c 'ps -o ppid= -p $PPID >run; kill -KILL $PPID'
while ps -o stat= -p $(cat run) | grep -q "^[^Z]"; do sleep 0.05; done
for i in 1 2 3 4 5; do dragon-pg --ppn 1 true; done # a launcher that ends the job has the time to do so
dragon-pg --ppn 1 sh -c 'echo again $DRAGON_NODE'
: >go
wait $pg
exit 0
END
for launcher in openmpi hydra; do
    if ! command -v mpiexec.$launcher >/dev/null; then
        skip "mpiexec.$launcher: the runtime goes on, and ends well" "it is not there"
        skip "mpiexec.$launcher: with the nodes left" "it is not there"
        continue
    fi
    rm -f go run
    options=()
    [ $launcher = hydra ] || options=(--oversubscribe)
    check "mpiexec.$launcher: the runtime goes on, and ends well" env OMPI_ALLOW_RUN_AS_ROOT=1 \
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpiexec.$launcher "${options[@]}" -n 3 dragon-run --node-failure=continue sh ./head.sh
    is "mpiexec.$launcher: with the nodes left" "$(sort "$out" | paste -sd' ')" "again 0 again 2 done 0 done 2"
done
no_leftovers "nothing is left"
finish
