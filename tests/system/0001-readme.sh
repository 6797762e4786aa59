# SPDX-License-Identifier: BSD-3-Clause
#
# Every command that the README, the other documents and the examples print is run, with stand-ins for programs
# that only a reader has; and what the README says of some of them is looked at.
# quick
. "$DRAGON_SRCDIR/tests/lib/system.sh"
unset CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES ZE_AFFINITY_MASK
examples=$DRAGON_BUILDDIR/examples
mpi=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi
cluster=$DRAGON_TEST_DIR/slurm slurm_why=''
trap 'exit 143' TERM INT HUP

# Printed, but no command to run: an expression for it, and the reason.
declare -A not_run=(
    ['^mpiexec ---']="it is a drawing"
)
# Ends that are no failure although they are not 0.
declare -A good_ends=(
    ['^dragon-info doctor$']="[01]"
)

mapfile -t printed < <(cd "$DRAGON_SRCDIR" && tests/lib/printed-commands ./*.md doc/*.md examples/*.c |
    sed 's,^\./,,' | awk -F'\t' '!seen[$2]++')
plan $((15 + ${#printed[@]}))

# ---- what the README says of them
is "four processes" "$(dragon-pg -n 4 -l hostname | sort | paste -sd' ')" \
    "$(for rank in 0 1 2 3; do echo "$rank: $(hostname)"; done | paste -sd' ')"
# shellcheck disable=SC2016
is "four nodes on one machine" \
    "$(dragon-run --test-hosts 4 dragon-pg -n 8 --map-by node -l sh -c 'echo $DRAGON_NODE' |
        sort | paste -sd' ')" \
    "0: 0 1: 1 2: 2 3: 3 4: 0 5: 1 6: 2 7: 3"
example=$examples/group
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
# c_program NUMBER BEFORE AFTER: that block of C of the README as a program, between these lines
c_program()
{
    printf '#include <dragon/dragon.h>\n#include <stdio.h>\n#include <stdlib.h>\n'
    printf 'static dragon_error_t error;\nstatic void fail(const char *text) { puts(text); exit(1); }\n'
    printf 'int main(void)\n{\n%s\n' "$2"
    awk -v wanted="$1" '/^```/ { inside = /^```c$/ && ++number == wanted; next }
        inside && !/^#include/' "$DRAGON_SRCDIR/README.md"
    printf '%s\n}\n' "$3"
}
c_program 1 '' 'return 0;' >groups.c
c_program 2 'dragon_runtime_t *runtime; if (dragon_runtime_attach(&runtime, &error)) fail(error.text);' \
    'printf("%g\n", sum); dragon_runtime_detach(runtime); return 0;' >channels.c
# CC is a command with options, as configure leaves it.
# shellcheck disable=SC2206
compile=(${CC:-cc} -Wall -Wextra -Werror "-I$DRAGON_SRCDIR/include")
check "its example of groups compiles" "${compile[@]}" -fsyntax-only groups.c
check "its example of channels compiles" "${compile[@]}" -fsyntax-only channels.c
library=$DRAGON_BUILDDIR/.libs
if [ -n "$DRAGON_SANITIZER" ]; then
    skip "and runs" "the library needs a sanitizer"
else
    "${compile[@]}" channels.c "-L$library" "-Wl,-rpath,$library" -ldragon -o channels
    is "and runs" "$(dragon-run ./channels)" 1
fi
is "commands are found in the README" \
    "$("$DRAGON_SRCDIR/tests/lib/printed-commands" "$DRAGON_SRCDIR/README.md" | wc -l)" \
    "$(grep -cE '^    ([A-Z_]+=[^ ]* )*(dragon-|mpiexec|srun)' "$DRAGON_SRCDIR/README.md")"
is "and in each example" "$(printf '%s\n' "${printed[@]}" | grep '^examples/' | cut -d: -f1 | sort -u | wc -l)" \
    "$(find "$DRAGON_SRCDIR/examples" -name '*.c' | wc -l)"
is "nothing is excused that is printed nowhere" \
    "$(for expression in "${!not_run[@]}" "${!good_ends[@]}"; do
        printf '%s\n' "${printed[@]}" | cut -f2 | grep -qE -- "$expression" || echo "$expression"
    done)" ""

# ---- each of them
# A machine of 64 cores with 16 GPUs, to which nothing can be bound.
export HWLOC_SYNTHETIC="numa:2 core:32 pu:1" DRAGON_GPUS=nvidia:16 PBS_NODEFILE=/dev/null
mkdir bin logs
for folder in tests examples; do
    ln -s "$DRAGON_SRCDIR/$folder" $folder
done

# Hosts that are all this one: what places on hosts is left out.
cat >bin/mpiexec <<'TXT'
#!/usr/bin/env bash
args=(--oversubscribe --bind-to none)
while [ $# -gt 0 ]; do
    case $1 in
        --map-by | --hostfile | --bind-to) ;;
        -n) args+=("$1" "$2") ;;
        *) break ;;
    esac
    shift 2
done
exec mpiexec.openmpi "${args[@]}" "$@"
TXT
cat >bin/srun <<TXT
#!/bin/sh
exec '$DRAGON_SRCDIR/tests/lib/slurm-cluster' run '$cluster' '$(command -v srun)' "\$@"
TXT
chmod +x bin/*
PATH=$PWD/bin:$PATH

# At the first srun.
slurm_up()
{
    [ -z "$slurm_why" ] || return
    trap '"$DRAGON_SRCDIR/tests/lib/slurm-cluster" down "$cluster"' EXIT
    timeout -k 5 "$LIMIT" "$DRAGON_SRCDIR/tests/lib/slurm-cluster" up "$cluster" 4 2>slurm.err
    case $? in
        0) slurm_why=none ;;
        77) slurm_why=$(tail -n 1 slurm.err) ;;
        *) slurm_why="the cluster does not come up: $(tail -n 1 slurm.err)" ;;
    esac
}

# Prints why a command cannot be run on this machine.
lacking()
{
    local word kind
    for word in $1; do
        case $word in
            lmp | hpcc | mpiexec.hydra | mpiexec.mpich)
                command -v "$word" >/dev/null || echo "there is no $word" ;;
            mpiexec) command -v mpiexec.openmpi >/dev/null || echo "there is no mpiexec of Open MPI" ;;
            --pmi | ./mpi_*) [ -x "$mpi" ] || echo "there is no compiler of Open MPI" ;;
            --mpi=*)
                kind=${word#--mpi=}
                if [ "$slurm_why" != none ]; then
                    echo "$slurm_why"
                else
                    bin/srun --mpi=list 2>&1 | grep -qw "$kind" || echo "this Slurm has no $kind"
                fi ;;
        esac
    done | head -n 1
}

# Makes the ./programs of a command: an example, an MPI program, a workflow, or any rank.
stand_in()
{
    local word name
    rm -f ./stand_in.*
    for word in $1; do
        name=${word#./}
        [[ $word == ./* && $name != */* ]] || continue
        rm -f "$name"
        if [ -x "$examples/$name" ]; then
            ln -s "$examples/$name" "$name"
        elif [ -x "$examples/$name.openmpi" ]; then
            ln -s "$examples/$name.openmpi" "$name"
        elif [[ $1 == *--pmi* || $name == mpi_* ]]; then
            printf '#!/bin/sh\nexec "%s" hello\n' "$mpi" >"$name"
        elif [ "$name" = workflow ]; then
            printf '#!/bin/sh\nexec dragon-pg -n 4 --map-by node hostname\n' >"$name"
        else
            # shellcheck disable=SC2016
            printf '#!/bin/sh\necho "%s, rank $DRAGON_RANK"\n' "$name" >"$name"
        fi
        [ -L "$name" ] || chmod +x "$name"
    done
}

# What names nodes or fills them, or only looks, is meant for a runtime that is there.
run_printed()
{
    # Nodes of a trial have names that depend on the machine; their numbers are names too.
    sed -E 's/-H node([0-9]+)/-H \1/g' <<<"$1" >command.sh
    if [[ $1 == dragon-info* || $1 == dragon-pg*" -H "* || $1 == dragon-pg*" --ppn "* ]]; then
        timeout -k 5 "$LIMIT" dragon-run --test-hosts 4 bash command.sh
    else
        timeout -k 5 "$LIMIT" bash command.sh
    fi
}
is_as_printed()
{
    local expression code=0 good=0
    run_printed "$1" || code=$?
    for expression in "${!good_ends[@]}"; do
        [[ ! $1 =~ $expression ]] || good=${good_ends[$expression]}
    done
    [[ $code =~ ^$good$ ]] || return "$((code ? code : 1))"
}

for entry in "${printed[@]}"; do
    IFS=$'\t' read -r where command <<<"$entry"
    text="$where ${command//#/\\#}"
    reason=''
    for expression in "${!not_run[@]}"; do
        [[ ! $command =~ $expression ]] || reason=${not_run[$expression]}
    done
    [[ $command != *srun\ * ]] || slurm_up
    reason=${reason:-$(lacking "$command")}
    if [ -n "$reason" ]; then
        skip "$text" "$reason"
    else
        stand_in "$command"
        check "$text" is_as_printed "$command"
    fi
done
[ -z "$slurm_why" ] || "$DRAGON_SRCDIR/tests/lib/slurm-cluster" down "$cluster"
is "files of output are where they were asked for" "$(cat logs/*.out 2>/dev/null | wc -l)" \
    "$(printf '%s\n' "${printed[@]}" | grep -c 'logs/{rank}.out' | awk '{ print 4 * $1 }')"
no_leftovers "nothing is left"
finish
