# SPDX-License-Identifier: BSD-3-Clause
AC_DEFUN([DRAGON_CHECK_HWLOC], [
    m4_pushdef([words], [hwloc 2.4 or later is needed: install libhwloc-dev])
    DRAGON_FIND_LIBRARY([HWLOC], [hwloc], [hwloc], [2.4], [-lhwloc], m4_defn([words]))
    DRAGON_TRY_LIBRARY([HWLOC], [hwloc.h], [hwloc_topology_t t; return hwloc_topology_init(&t)], [AC_MSG_ERROR(m4_defn([words]))])
    m4_popdef([words])
])
