# SPDX-License-Identifier: BSD-3-Clause
AC_DEFUN([DRAGON_CHECK_JANSSON], [
    m4_pushdef([words], [jansson 2.13 or later is needed: install libjansson-dev])
    DRAGON_FIND_LIBRARY([JANSSON], [jansson], [jansson], [2.13], [-ljansson], m4_defn([words]))
    DRAGON_TRY_LIBRARY([JANSSON], [jansson.h], [return !json_object()], [AC_MSG_ERROR(m4_defn([words]))])
    m4_popdef([words])
])
