# SPDX-License-Identifier: BSD-3-Clause

# DRAGON_FIND_LIBRARY(VARIABLE, NAME, MODULE, VERSION, LINK, WORDS)
#
# Looks for one outside library and sets VARIABLE_CFLAGS and VARIABLE_LIBS:
#   1. what the user set in these two variables;
#   2. pkg-config MODULE >= VERSION, with --with-NAME=DIR looking in DIR first;
#   3. with --with-NAME=DIR and no .pc file there: DIR/include, DIR/lib and LINK.
# Stops with the sentence WORDS ("libuv 1.40 or later is needed: install libuv1-dev"). Headers are
# given as system headers: their warnings are not ours. DIR stays in dragon_dir, the words for the
# summary in dragon_NAME_found.
AC_DEFUN([DRAGON_FIND_LIBRARY], [
    AC_ARG_WITH([$2], [AS_HELP_STRING([--with-$2=DIR], [use the $2 that is installed in DIR])])
    dragon_dir=$with_$2
    AS_CASE([$dragon_dir], [yes|no|/usr], [dragon_dir=])
    AC_MSG_CHECKING([for $3 >= $4])
    dragon_path=$PKG_CONFIG_PATH
    AS_IF([test -n "$dragon_dir"], [
        dragon_path=$dragon_dir/lib/pkgconfig:$dragon_dir/lib64/pkgconfig:$dragon_path])
    dragon_$2_found=
    AS_IF([test -n "$$1_CFLAGS$$1_LIBS"],
        [dragon_$2_found="$$1_LIBS"],
    [test -n "$dragon_dir" && test ! -e "$dragon_dir/lib/pkgconfig/$3.pc" &&
         test ! -e "$dragon_dir/lib64/pkgconfig/$3.pc"],
        [AS_IF([test -d "$dragon_dir/include"], [
            dragon_$2_found="in $dragon_dir"
            $1_CFLAGS="-isystem $dragon_dir/include"
            $1_LIBS="-L$dragon_dir/lib -Wl,-rpath,$dragon_dir/lib $5"])],
    [PKG_CONFIG_PATH=$dragon_path $PKG_CONFIG --exists "$3 >= $4"],
        [dragon_$2_found=`PKG_CONFIG_PATH=$dragon_path $PKG_CONFIG --modversion "$3"`
         $1_CFLAGS=`PKG_CONFIG_PATH=$dragon_path $PKG_CONFIG --cflags "$3" | sed 's/-I */-isystem /g'`
         $1_LIBS=`PKG_CONFIG_PATH=$dragon_path $PKG_CONFIG --libs "$3"`
         AS_IF([test -n "$dragon_dir"], [$1_LIBS="$$1_LIBS -Wl,-rpath,$dragon_dir/lib"])])
    AC_MSG_RESULT([${dragon_$2_found:-no}])
    AS_IF([test -z "$dragon_$2_found"], [AC_MSG_ERROR([$6])])
    AC_SUBST([$1_CFLAGS])
    AC_SUBST([$1_LIBS])
])

# DRAGON_TRY_LIBRARY(VARIABLE, HEADER, CALL, IF-NOT)
# Runs IF-NOT unless a program with CALL compiles and links: what was found must also work.
AC_DEFUN([DRAGON_TRY_LIBRARY], [
    AC_MSG_CHECKING([whether a program with $2 links])
    dragon_saved_CFLAGS=$CFLAGS
    dragon_saved_LIBS=$LIBS
    CFLAGS="$CFLAGS $$1_CFLAGS"
    LIBS="$$1_LIBS $LIBS"
    dragon_links=no
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <$2>]], [[$3;]])], [dragon_links=yes])
    CFLAGS=$dragon_saved_CFLAGS
    LIBS=$dragon_saved_LIBS
    AC_MSG_RESULT([$dragon_links])
    AS_IF([test $dragon_links = no], [$4])
])
