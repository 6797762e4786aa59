# SPDX-License-Identifier: BSD-3-Clause
AC_DEFUN([DRAGON_CHECK_LIBUV], [
    m4_pushdef([words], [libuv 1.40 or later is needed: install libuv1-dev])
    DRAGON_FIND_LIBRARY([LIBUV], [libuv], [libuv], [1.40], [-luv], m4_defn([words]))
    DRAGON_TRY_LIBRARY([LIBUV], [uv.h], [return !uv_default_loop()], [AC_MSG_ERROR(m4_defn([words]))])
    m4_popdef([words])
])
