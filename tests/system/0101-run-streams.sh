# SPDX-License-Identifier: BSD-3-Clause
#
# What the head program finds: the streams, directory and environment of the caller.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 18

# --- standard streams
head -c 3000000 /dev/urandom >data
copy_through()
{
    timeout -k 5 "$LIMIT" dragon-run cat <data >copy && cmp data copy
}
check "standard input and output pass 3 MB unchanged" copy_through
copy_pipe()
{
    timeout -k 5 "$LIMIT" dragon-run cat < <(cat data) | cmp data -
}
check "also through pipes" copy_pipe
run dragon-run sh -c 'echo to out; echo to err >&2'
is "standard output stays apart" "$(cat "$out")" "to out"
is "from standard error" "$(cat "$err")" "to err"
reader_ends()
{
    timeout -k 5 "$LIMIT" dragon-run yes | head -n 1000 >/dev/null
    is_pipe="${PIPESTATUS[*]}"
    echo "$is_pipe"
    [ "${is_pipe% *}" = 141 ] || [ "${is_pipe% *}" = 1 ]
}
check "a reader that leaves ends the head, as anywhere" reader_ends

closed_streams()
{
    timeout -k 5 "$LIMIT" dragon-run sh -c 'exit 4' <&- >&- 2>&-
}
check_status 4 "all three streams closed" closed_streams
closed_input()
{
    timeout -k 5 "$LIMIT" dragon-run sh -c 'echo fine; read -r line; exit 5' <&-
}
check_status 5 "standard input closed" closed_input
is "and what is written arrives" "$(cat "$out")" fine
closed_group()
{
    timeout -k 5 "$LIMIT" dragon-run dragon-pg -n 2 sh -c 'exit 6' <&- >&- 2>&-
}
check_status 6 "a group, with all streams closed" closed_group
closed_client()
{
    # shellcheck disable=SC2016
    timeout -k 5 "$LIMIT" dragon-run sh -c 'dragon-pg -n 2 sh -c "exit 7" <&- >&- 2>&-'
}
check_status 7 "a group whose dragon-pg has all streams closed" closed_client

# --- directory and environment
mkdir deep
# shellcheck disable=SC2016
check_output "^$PWD/deep\$" "the head runs in the caller's directory" \
    bash -c 'cd deep && dragon-run sh -c "pwd -P"'
check_output '^a b  c$' "the environment arrives as it is" env "ODD=a b  c" \
    dragon-run sh -c 'echo "$ODD"'
check_output '^line 1/line 2$' "newlines in it too" env $'ODD=line 1\nline 2' \
    dragon-run sh -c 'echo "$ODD" | paste -sd/'
check_output '^1 2  3\|$' "arguments arrive as they are" \
    dragon-run sh -c 'printf "%s|%s\n" "$1" "$2"' sh "1 2  3" ""
launcher_variables()
{
    env PMIX_ID=x OMPI_MCA_orte_hnp_uri=x OMPI_COMM_WORLD_RANK=0 PMI_RANK=0 PMI_SIZE=1 PMIX_GDS_MODULE=x \
        SLURM_PROCID=0 SLURM_STEP_ID=0 HYDI_CONTROL_FD=9 OMPI_MCA_btl=self PALS_RANKID=0 \
        timeout -k 5 "$LIMIT" dragon-run "$@"
}
check_output '^OMPI_MCA_btl=self$' "the user's own settings for Open MPI arrive" launcher_variables env
is "the outer launcher's variables do not" \
    "$(grep -E '^(PMI|OMPI_COMM|OMPI_MCA_orte|HYDI|PALS_RANK)' "$out")" ""
launcher_variables dragon-pg -n 1 env >group.env
is "neither do they reach a group" \
    "$(grep -E '^(PMI|OMPI_COMM|OMPI_MCA_orte|HYDI|PALS_RANK)' group.env)" ""
no_leftovers "nothing is left"
finish
