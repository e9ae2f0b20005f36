#!/usr/bin/env bash
# Each installed header compiles alone, as C17 and as C++, with every warning an error.
set -euo pipefail
cd "$GRADUS_SOURCE"

case $(basename "$CC") in
clang*) cxx=${CXX:-clang++} ;;
*) cxx=${CXX:-c++} ;;
esac
flags=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only)
for layer in tensor autograd nn models inverse experiments; do
	flags+=("-I$layer/include")
done

failed=0
count=0
for header in $(find -- */include -name '*.h' | sort); do
	name=${header#*/include/}
	count=$((count + 1))
	echo "#include \"$name\"" | "$CC" -std=c17 "${flags[@]}" -x c - || failed=1
	echo "#include \"$name\"" | "$cxx" -std=c++17 "${flags[@]}" -x c++ - || failed=1
done
echo "headers: $count compiled alone in C and C++"
[ $count -gt 0 ] && exit $failed
