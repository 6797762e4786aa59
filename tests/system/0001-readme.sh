# SPDX-License-Identifier: BSD-3-Clause
#
# What the README tells to type on a laptop, and the example it shows.
# quick
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 8
mpi=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi

is "four processes" "$(dragon-pg -n 4 -l hostname | sort | paste -sd' ')" \
    "$(for rank in 0 1 2 3; do echo "$rank: $(hostname)"; done | paste -sd' ')"
# shellcheck disable=SC2016
is "four nodes on one machine" \
    "$(dragon-run --test-hosts 4 dragon-pg -n 8 --map-by node -l sh -c 'echo $DRAGON_NODE' |
        sort | paste -sd' ')" \
    "0: 0 1: 1 2: 2 3: 3 4: 0 5: 1 6: 2 7: 3"
example=$DRAGON_BUILDDIR/examples/group
is "the example" "$(dragon-run "$example" 3 true)" "3 ranks on 1 nodes ended with code 0 "
check_status 7 "its exit code is the group's" dragon-run "$example" 2 sh -c 'exit 7'
check_status 2 "it says how it is called" dragon-run "$example"
check_status 1 "outside a runtime it says so" "$example" 2 true
if [ -x "$mpi" ]; then
    is "the example with an MPI program" \
        "$(dragon-run "$example" --pmi 2 "$mpi" | tail -n 1)" "2 ranks on 1 nodes ended with code 0 "
else
    skip "the example with an MPI program" "there is no compiler of Open MPI"
fi
no_leftovers "nothing is left"
finish
