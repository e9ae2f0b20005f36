#!/usr/bin/env bash
# Does the suite notice a wrong gradient rule? On a scratch copy, tests/mutation/mutate.c flips a
# sign, drops a factor or a term, or swaps operands, in every rule of autograd/ops in turn, and each
# change must make a test fail: first the generated checks of the ops concerned, then, for those
# that survive, all other tests of test_autograd. tests/mutation/equivalent lists the changes that alter
# no result, each with the reason. With a name, only changes in functions of that name.
#
#     tests/long/mutation.sh [FUNCTION]
set -euo pipefail
source=${GRADUS_SOURCE:-$PWD} build=${GRADUS_BUILD:-$PWD/build/release} cc=${CC:-cc}
only=${1:-} tool=$source/tests/mutation
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ -f "$build/libgradus.a" ] || { echo "mutation: no $build/libgradus.a; build first" >&2; exit 1; }

flags=(-std=c17 -D_DEFAULT_SOURCE -O1 -ffp-contract=fast -w
	-Werror=incompatible-pointer-types -Werror=int-conversion -Werror=implicit-function-declaration
	"-DGRADUS_SOURCE_DIR=\"$source\"" "-I$source/tests" "-I$source/tests/support"
	"-I$source/autograd/ops")
for layer in tensor autograd nn models inverse experiments; do
	flags+=("-I$source/$layer" "-I$source/$layer/include" "-I$source/$layer/internal")
done
read -ra libraries < <(sed -n 's/^Libs.private: //p' "$build/gradus.pc.in")
compile() { # object source
	"$cc" "${flags[@]}" -c -o "$1" "$2"
}

# --- one build of all mutants --------------------------------------------------------------------
# A change that is no C is known by the compiler's error, "mutant:17003:5: error" for number 17, and
# left out of the next round.
mkdir "$scratch"/{new,ops,objects,tests}
touch "$scratch/skip"
"$cc" -std=c17 -O1 -o "$scratch/mutate" "$tool"/{mutate,source,operators}.c
for round in {1..8}; do
	summary=$("$scratch/mutate" "$scratch/new" "$scratch/skip" "$source"/autograd/ops/*.c)
	refused=0
	for file in "$scratch"/new/*.c; do
		name=$(basename "$file" .c)
		cmp -s "$file" "$scratch/ops/$name.c" && continue
		cp "$file" "$scratch/ops/$name.c"
		compile "$scratch/objects/$name.o" "$scratch/ops/$name.c" 2>"$scratch/errors" && continue
		refused=1
		rm -f "$scratch/objects/$name.o"
		grep -oE '^mutant:[0-9]+' "$scratch/errors" | sed -E 's/^mutant://; s/[0-9]{3}$//' |
			sort -u >"$scratch/ids" || true
		[ -s "$scratch/ids" ] || { cat "$scratch/errors" >&2; exit 1; }
		cat "$scratch/ids" >>"$scratch/skip"
	done
	[ $refused = 1 ] || break
done
[ $refused = 0 ] || { echo "mutation: the mutants do not compile" >&2; exit 1; }
echo "mutation: $summary, $(sort -u "$scratch/skip" | wc -l) of them no C"

for file in "$tool"/{select,harness}.c "$source"/tests/autograd/*.c "$source"/tests/support/*.c; do
	compile "$scratch/tests/$(basename "$file" .c).o" "$file"
done
link() { # program object...
	"$cc" -o "$@" "$scratch"/objects/*.o "$scratch/tests/select.o" \
		"$build/libgradus.a" "${libraries[@]}"
}
link "$scratch/harness" "$scratch"/tests/{harness,reference*}.o
mv "$scratch/tests/harness.o" "$scratch"
rm "$scratch/tests/test_ops_generated.o"
link "$scratch/test_autograd" $(ls "$scratch"/tests/*.o | grep -v /select.o) -lcriterion

# --- the generated checks, then the tests written by hand ----------------------------------------
awk -F'\t' -v only="$only" 'only == "" || $4 == only' "$scratch/new/list" >"$scratch/list"
ops=$(cut -f5 "$scratch/list" | tr , '\n' | sort -u | paste -sd,)
[ -n "$ops" ] || { echo "mutation: no rule is called $only" >&2; exit 1; }
printf '0\t-\t0\t-\t%s\tunchanged\n' "$ops" >"$scratch/unchanged"
"$scratch/harness" "$scratch/unchanged" "$scratch/result" >/dev/null
grep -q ^survived "$scratch/result" || { echo "mutation: fails without any change" >&2; exit 1; }
"$scratch/test_autograd" -j2 >/dev/null 2>&1 ||
	{ echo "mutation: test_autograd fails without any change" >&2; exit 1; }
"$scratch/harness" "$scratch/list" "$scratch/result"

# Lines of `equivalent`: function, change, reason, between tabs.
is_equivalent() { # function change
	awk -F'\t' -v f="$1" -v c="$2" '$1 == f && $2 == c { found = 1 } END { exit !found }' \
		"$tool/equivalent"
}
caught=0 equal=0 survivors=0
while IFS=$'\t' read -r how id file line function _ change; do
	if is_equivalent "$function" "$change"; then
		equal=$((equal + 1))
	elif ! GRADUS_MUTANT=$id timeout 60 "$scratch/test_autograd" -j2 >/dev/null 2>&1; then
		caught=$((caught + 1))
	else
		survivors=$((survivors + 1))
		echo "mutation: $how: $file:$line $function: $change"
	fi
done < <(grep -v ^caught "$scratch/result" || true)
echo "mutation: $(wc -l <"$scratch/list") changes; tests written by hand catch $caught more;" \
	"$equal alter no result; $survivors survive"
[ $survivors = 0 ]
