#!/usr/bin/env bash
# Would the suite notice the mistakes that the field has made? Each page of tests/museum holds one:
# what went wrong, where it was seen, and the lines that put it back. On a scratch copy each is made in
# turn, and the tests named on its page must fail; without it they must pass.
#
#     tests/long/museum.sh [NAME]
set -euo pipefail
source=${GRADUS_SOURCE:-$PWD} build=${GRADUS_BUILD:-$PWD/build/release} cc=${CC:-cc}
only=${1:-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ -f "$build/libgradus.a" ] || { echo "museum: no $build/libgradus.a; build first" >&2; exit 1; }
# shellcheck source=tests/museum/page.sh
source "$source/tests/museum/page.sh"

flags=(-std=c17 -D_DEFAULT_SOURCE -O2 -ffp-contract=fast -w "-DGRADUS_SOURCE_DIR=\"$source\""
	"-DGRADUS_PRIORS_SOURCE_DIR=\"$source/experiments/priors\"" "-DGRADUS_PRIORS_INSTALL_DIR=\"\"")
for layer in tensor autograd nn models inverse experiments; do
	flags+=("-I$source/$layer" "-I$source/$layer/include" "-I$source/$layer/internal")
done
read -ra libraries < <(sed -n 's/^Libs.private: //p' "$build/gradus.pc.in")

# An object of our own comes before the library, so that its own is not taken.
link() { # program executable object...
	local out=$1 executable=$2
	shift 2
	local objects=() folder object path
	for folder in "$executable" test_support; do
		folder=$build/tests/CMakeFiles/$folder.dir
		while read -r object; do # not those of sources that are gone
			path=${object#"$folder/"}
			[ ! -f "$source/tests/${path%.o}" ] || objects+=("$object")
		done < <(find "$folder" -name '*.o' | sort)
	done
	"$cc" -o "$out" "$@" "${objects[@]}" "$build/libgradus.a" "${libraries[@]}" -lcriterion
}

# Whether a program passes the suites.
passes() { # program suite...
	local program=$1
	shift
	for suite in "$@"; do
		timeout 600 "$program" -j2 --filter "$suite" >"$scratch/said" 2>&1 || return 1
		grep -q 'Tested: [1-9]' "$scratch/said" || {
			echo "museum: no test is called $suite" >&2
			exit 1
		}
	done
}

caught=0 missed=0
for page in "$source"/tests/museum/*.txt; do
	name=$(basename "$page" .txt)
	[ -z "$only" ] || [ "$only" = "$name" ] || continue
	read_page "$page"
	read -ra tests <<<"$page_tests"
	executable=${tests[0]} suites=("${tests[@]:1}")
	if [ ! -x "$scratch/$executable" ]; then
		link "$scratch/$executable" "$executable"
	fi
	passes "$scratch/$executable" "${suites[@]}" ||
		{ echo "museum: $name: its tests fail without the mistake" >&2; exit 1; }
	put_back "$source" >"$scratch/changed.c"
	"$cc" "${flags[@]}" "-I$source/$(dirname "$page_file")" -c -o "$scratch/changed.o" \
		"$scratch/changed.c"
	link "$scratch/wrong" "$executable" "$scratch/changed.o"
	if passes "$scratch/wrong" "${suites[@]}"; then
		missed=$((missed + 1))
		echo "museum: MISSED $name: $page_mistake"
	else
		caught=$((caught + 1))
		echo "museum: caught $name: $page_mistake"
	fi
done
echo "museum: $caught caught, $missed missed"
[ $missed = 0 ] && [ $caught -gt 0 ]
