#!/bin/bash
# Story: a user installs the library somewhere, and builds a program with what pkg-config says, shared and static.
set -u

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

# check PROMISE COMMAND...: what the command said is shown when it fails.
check () {
    local promise=$1
    shift
    n=$((n + 1))
    if "$@" > "$dir/log" 2>&1; then
        echo "ok $n - $promise"
    else
        echo "not ok $n - $promise"
        sed 's/^/# /' "$dir/log"
    fi
}

cat > "$dir/user.c" <<'END'
#include <mplaunch.h>
#include <stdio.h>

static const mpl_task_t tasks[] = { { 0 } };

int main (int argc, char **argv)
{
    if (mpl_init (&argc, &argv, tasks) < 0) {
        fprintf (stderr, "%s\n", mpl_error ());
        return 1;
    }
    return mpl_is_main () ? 0 : 2;
}
END

# An instrumented library asks the same of its users.
read -r -a flags <<< "$(sed -n 's/^PROJECT_LDFLAGS = //p' "$MPL_BUILD/Makefile" | tr ' ' '\n' |
    grep -E '^(-fsanitize=.*|--coverage)$' | tr '\n' ' ')"

# DESTDIR, as packagers do it: libtool may then not look for the library where it will be.
check make_install_works_below_another_root make -C "$MPL_BUILD" -s install DESTDIR="$dir/root"
pc=$(find "$dir/root" -name mplaunch.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
lib=$(find "$dir/root" -name 'libmplaunch.*' ! -name '*.la' -printf '%h\n' -quit)
export PKG_CONFIG_PATH=${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}

check the_programs_are_installed test -x "$dir/root$prefix/bin/mplaunch" -a -x "$dir/root$prefix/bin/mpworker" \
    -a -x "$dir/root$prefix/bin/mpbroker" -a -x "$dir/root$prefix/bin/mpjoin" -a -x "$dir/root$prefix/bin/mpattach"

# ours OPTION: what pkg-config says of us, with our own paths moved below the other root.
ours () {
    pkg-config --define-variable=prefix="$dir/root$prefix" "$@" mplaunch
}

build_shared () {
    ${CC:-cc} "${flags[@]}" "$dir/user.c" -o "$dir/user-shared" $(ours --cflags --libs)
}

# Only ours is linked statically. `pkg-config --static` would ask for the static form of all that libzmq uses, and
# Debian does not have all of that.
build_static () {
    ${CC:-cc} "${flags[@]}" "$dir/user.c" -o "$dir/user-static" $(ours --cflags) "$lib/libmplaunch.a" \
        $(pkg-config --libs libzmq) -pthread
}

if [ -e "$lib/libmplaunch.so" ]; then
    check a_program_links_with_the_shared_library build_shared
    check and_runs env LD_LIBRARY_PATH="$lib" "$dir/user-shared"
else
    echo "ok $((n += 1)) - a_program_links_with_the_shared_library # SKIP built without it"
    echo "ok $((n += 1)) - and_runs # SKIP built without it"
fi
if [ -e "$lib/libmplaunch.a" ]; then
    check a_program_links_with_the_static_library build_static
    check and_runs_without_ours_beside_it "$dir/user-static"
else
    echo "ok $((n += 1)) - a_program_links_with_the_static_library # SKIP built without it"
    echo "ok $((n += 1)) - and_runs_without_ours_beside_it # SKIP built without it"
fi
check make_uninstall_leaves_nothing bash -c 'make -C "$MPL_BUILD" -s uninstall DESTDIR="$1" && [ -z "$(find "$1" ! -type d)" ]' \
    - "$dir/root"
echo "1..$n"
