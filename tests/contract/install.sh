#!/usr/bin/env bash
# What is installed can be used: find_package(Gradus) and pkg-config, shared and static, by a
# program outside the tree (install/user.c).
set -euo pipefail

if grep -qE '^GRADUS_SANITIZE:STRING=.+' "$GRADUS_BUILD/CMakeCache.txt"; then
	exit 77 # a user would have to repeat the sanitizer's flags
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
user=$GRADUS_SOURCE/tests/contract/install

cmake --install "$GRADUS_BUILD" --prefix "$prefix" >/dev/null
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$GRADUS_BUILD/CMakeCache.txt")
if find "$prefix" -path '*internal*' -o -name '*_priv.h' | grep .; then
	echo "install: a private header was installed" >&2
	exit 1
fi

check() { # name command...
	local name=$1 said
	shift
	said=$("$@")
	if [ "$said" != "$version" ]; then
		echo "install: $name says version '$said', expected '$version'" >&2
		exit 1
	fi
	if ldd "$1" | grep -E 'libgomp|not found'; then
		echo "install: $name links the wrong libraries" >&2
		exit 1
	fi
	echo "install: $name works"
}

cmake -S "$user" -B "$work/cmake" -DCMAKE_C_COMPILER="$CC" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/cmake" >/dev/null
check "find_package, shared" "$work/cmake/user_shared"
check "find_package, static" "$work/cmake/user_static"

export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name gradus.pc)")
libdir=$(pkg-config --variable=libdir gradus)
"$CC" -std=c17 "$user/user.c" -o "$work/user_shared" $(pkg-config --cflags --libs gradus) \
	-Wl,-rpath,"$libdir"
check "pkg-config, shared" "$work/user_shared"
static=$(pkg-config --static --libs gradus)
"$CC" -std=c17 "$user/user.c" -o "$work/user_static" $(pkg-config --cflags gradus) \
	${static/-lgradus/-l:libgradus.a}
check "pkg-config, static" "$work/user_static"

# A table of a user's own, by the installed library and its prior.
"$CC" -std=c17 "$GRADUS_SOURCE/docs/examples/my_table.c" -o "$work/my_table" \
	$(pkg-config --cflags --libs gradus) -Wl,-rpath,"$libdir"
"$work/my_table" smoke "$work/table" 2>"$work/said" || {
	cat "$work/said" >&2
	exit 1
}
grep -q '^| box | DPS @1 - DPS @0.5 | ' "$work/table/table.md"
grep -q '<polyline' "$work/table/curve.svg"
echo "install: a table outside the tree works"

if [ -x "$prefix/bin/gradus" ]; then
	"$prefix/bin/gradus" --help >/dev/null
fi
