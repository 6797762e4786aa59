# SPDX-License-Identifier: BSD-3-Clause
# The headers only: the library is loaded when a program first talks to another node (src/net/data_load.c).
AC_DEFUN([DRAGON_CHECK_UCX], [
    m4_pushdef([words], [UCX 1.12 or later is needed: install libucx-dev])
    DRAGON_FIND_LIBRARY([UCX], [ucx], [ucx], [1.12], [-lucp -lucs], m4_defn([words]))
    DRAGON_TRY_LIBRARY([UCX], [ucp/api/ucp.h], [return !ucp_get_version_string()],
                       [AC_MSG_ERROR(m4_defn([words]))])
    m4_popdef([words])
])
