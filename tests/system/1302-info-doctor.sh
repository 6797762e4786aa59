# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# dragon-info doctor: it says what it found, and does not hang on what others do.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 17
unset DRAGON_GPUS DRAGON_NETWORK SLURM_JOB_ID PBS_JOBID LSB_JOBID
tools=$DRAGON_TEST_DIR/tools
mkdir "$tools"

# make_tool NAME: a program of that name, from standard input, that is found before others.
make_tool()
{
    { echo '#!/bin/sh'; cat; } >"$tools/$1"
    chmod +x "$tools/$1"
}

# The lines of checks of this name.
found_of()
{
    grep -E "^(ok|warn|FAIL) +$1 " "$out"
}

PATH=$tools:$PATH
for name in mpirun mpiexec.hydra srun prterun aprun jsrun; do
    make_tool "$name" <<<'echo "fake 1.0"'
done
make_tool mpiexec <<<'echo "mpiexec (OpenRTE) 4.1.4"'
make_tool ucx_info <<'END'
[ "$1" = -v ] && exec echo "# Library version: 1.13.1"
for device in tcp:lo tcp:eth7 $UCX_FAKE; do
    echo "#      Transport: ${device%%:*}"
    echo "#         Device: ${device#*:}"
done
END

check "all is well enough" dragon-info doctor
is "each line is a check" "$(grep -cvE '^(ok|warn)  +[A-Za-z][A-Za-z. -]*  ' "$out")" 0
like "the release" "dragon [0-9]" "$(found_of release)"
like "a launcher and its version" 'Open MPI 4\.1\.4' "$(found_of mpiexec)"
like "only TCP is worth a warning" '^warn .*1\.13\.1, would use TCP only, eth7' "$(found_of UCX)"
is "no colour in a file" "$(grep -c "$(printf '\033')" "$out")" 0

UCX_FAKE='rc_mlx5:mlx5_0:1' run dragon-info doctor
like "a fast network" '^ok .*mlx5_0:1 \(rc_mlx5\)' "$(found_of UCX)"

printf 'n1\nn1\nn2\n' >"$DRAGON_TEST_DIR/hosts"
PBS_JOBID=7.server PBS_NODEFILE=$DRAGON_TEST_DIR/hosts run dragon-info doctor
like "a PBS job" '^ok .*PBS job 7\.server, 2 hosts' "$(found_of allocation)"
PBS_JOBID=7.server PBS_NODEFILE=/nowhere run dragon-info doctor
like "one whose hosts are not there" '^warn ' "$(found_of allocation)"

DRAGON_GPUS='nvidia:2' CUDA_VISIBLE_DEVICES=1 run dragon-info doctor
like "GPUs" 'nvidia declared-1, shown by CUDA_VISIBLE_DEVICES=1' "$(found_of GPU)"
DRAGON_GPUS=wrong run dragon-info doctor
is "a check that failed" "$status $(grep -c ^FAIL "$out")" "1 1"
DRAGON_NETWORK=none0 run dragon-info doctor
like "a network that is not there" '^FAIL .*none0' "$(found_of network)"

make_tool mpiexec <<<'sleep 312.5 & sleep 312.5'
LIMIT=20 run dragon-info doctor
like "a launcher that hangs" '^warn .*within 5 s' "$(found_of mpiexec)"
is "and is not left" "$(pgrep -cfx 'sleep 312.5')" 0
make_tool mpiexec <<<'echo "libmpi.so: no such file" >&2; exit 127'
run dragon-info doctor --json
is "as JSON" "$(tr -d '\n' <"$out" | grep -oE '"schema": "dragon-info-doctor", *"version": 1')" \
    '"schema": "dragon-info-doctor",  "version": 1'
like "with what a launcher said" 'libmpi\.so: no such file' "$(cat "$out")"
no_leftovers "nothing is left"
finish
