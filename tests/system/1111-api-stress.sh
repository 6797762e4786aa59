# SPDX-License-Identifier: BSD-3-Clause
#
# The C API: a storm of clients that do everything at random and are killed, after which nothing may be left. A new
# seed each time, which the first line tells; DRAGON_STRESS_SEED repeats one.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
export HWLOC_SYNTHETIC='numa:4 core:4 pu:1' DRAGON_GPUS='amd:4'
unset ROCR_VISIBLE_DEVICES HIP_VISIBLE_DEVICES GPU_DEVICE_ORDINAL
[ -z "$DRAGON_SANITIZER" ] || export DRAGON_STRESS_ANY_MEMORY=1 # it keeps what was freed
mkdir out
seed=${DRAGON_STRESS_SEED:-$RANDOM$RANDOM}
comment "seed $seed"
exec dragon-run --test-hosts 4 "$DRAGON_BUILDDIR/tests/api/group_stress" "$seed" \
    "${DRAGON_STRESS_SECONDS:-6}"
