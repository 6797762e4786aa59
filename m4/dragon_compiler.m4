# SPDX-License-Identifier: BSD-3-Clause

# DRAGON_C17
# Adds -std=gnu17 to CC, or stops.
AC_DEFUN([DRAGON_C17], [
    AC_MSG_CHECKING([whether $CC takes -std=gnu17])
    dragon_saved_CC=$CC
    CC="$CC -std=gnu17"
    AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#if __STDC_VERSION__ < 201710L
#error "older than C17"
#endif
        ]])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         CC=$dragon_saved_CC
         AC_MSG_ERROR([a C17 compiler is needed: install gcc])])
])

# DRAGON_TRY_FLAGS(FLAGS, ERROR-TEXT)
# Stops with the text unless a program compiles and links with the flags.
AC_DEFUN([DRAGON_TRY_FLAGS], [
    AC_MSG_CHECKING([whether $CC takes $1])
    dragon_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $1"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([$2])])
    CFLAGS=$dragon_saved_CFLAGS
])
