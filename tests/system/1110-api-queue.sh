# SPDX-License-Identifier: BSD-3-Clause
#
# The C API: what happens when the cores are in use, with made-up cores.
export HWLOC_SYNTHETIC='numa:2 core:4 pu:1' DRAGON_GPUS='amd:2'
unset ROCR_VISIBLE_DEVICES HIP_VISIBLE_DEVICES GPU_DEVICE_ORDINAL
exec dragon-run --test-hosts 2 "$DRAGON_BUILDDIR/tests/api/group_queue"
