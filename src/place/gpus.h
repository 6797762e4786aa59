// SPDX-License-Identifier: BSD-3-Clause
//
// The GPUs of a host, as the kernel's drivers show them in sysfs and procfs, or as they were declared. They come
// in the order of their PCI addresses, which is the order that the vendors' variables count in (for NVIDIA with
// CUDA_DEVICE_ORDER=PCI_BUS_ID, which is set with it). A visibility mask in force in the environment is
// respected: what it hides is not there, and what it shows keeps its name.
#ifndef PLACE_GPUS_H
#define PLACE_GPUS_H

#include "place/machine.h"

struct gpu_found {
    struct machine_gpu gpu; // numa: MACHINE_NO_NUMA, see below
    int system_numa;        // the system's number of its NUMA node; -1: not known
};

// Looks below `root` ("" in life). *found_out is the caller's to free, also when there are none.
dragon_err_t gpus_find(const char *root, char *const *env, struct gpu_found **found_out,
                       size_t *count_out, dragon_error_t *error);

// "none", or VENDOR:COUNT[.TILES][@NUMA,NUMA...] joined by ";", "nvidia:4@1,1,0,0" say, "intel:6.2".
// Without @ they are spread evenly over `numas`, the system's numbers of the host's NUMA nodes, in their order.
// Those named after @ must be among them. Without any (`numa_count` 0) only the form is looked at.
// Masks in force are respected here too.
dragon_err_t gpus_declare(const char *text, char *const *env, const int *numas, size_t numa_count,
                          struct gpu_found **found_out, size_t *count_out, dragon_error_t *error);

#endif
