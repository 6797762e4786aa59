# SPDX-License-Identifier: BSD-3-Clause
#
# The C API: pictures of the system, with made-up cores and GPUs.
export HWLOC_SYNTHETIC='numa:2 core:4 pu:1' DRAGON_GPUS='amd:2'
unset ROCR_VISIBLE_DEVICES HIP_VISIBLE_DEVICES GPU_DEVICE_ORDINAL
exec dragon-run --test-hosts 2 "$DRAGON_BUILDDIR/tests/api/system_look"
