#!/usr/bin/env bash
# The command line: help, hints, and an exit code per kind of failure, each with one line on stderr.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # code text argument...
	local want=$1 text=$2 code=0
	shift 2
	"$GRADUS" "$@" >"$work/out" 2>"$work/err" || code=$?
	if [ $code != "$want" ] || ! grep -qF -- "$text" "$work/out" "$work/err"; then
		echo "options: gradus $*: exit code $code, expected $want and '$text' in:" >&2
		cat "$work/out" "$work/err" >&2
		exit 1
	fi
	if [[ $want == [23] && $# -gt 0 && $(wc -l <"$work/err") != 1 ]]; then
		echo "options: gradus $*: more than one line:" >&2
		cat "$work/err" >&2
		exit 1
	fi
}

expect 2 "usage: gradus COMMAND"
expect 0 "commands:" --help
expect 0 "gradus 0." --version
expect 2 "did you mean train" trian
expect 2 "see gradus --help" xyzzy
expect 0 "examples:" train --help
expect 0 "examples:" model info --help
expect 0 "examples:" convert --help
expect 0 "subcommands:" model --help
expect 0 "subcommands:" prior --help
expect 2 "needs the word pde" data
expect 2 "is not darcy" data pde --equation burgers --output "$work/burgers.npz"
expect 0 "standard deviation" data pde --count 3 --size 12 --output "$work/darcy.npz"
expect 2 "exists" data pde --count 3 --size 12 --output "$work/darcy.npz"
expect 2 "did you mean list" prior lits
expect 2 "needs a name" prior show
expect 3 "no config.json" prior show nowhere
expect 0 "(default 64)" train unet --help
expect 2 "did you mean --steps" train unet --stesp 3
expect 2 "did you mean --lr-decay" train unet --lr_decay=none
expect 2 "no value after '--steps'" train unet --steps
expect 2 "no value after '--steps'" train unet --steps --lr 1
expect 2 "'3x' is not a whole number" train unet --steps 3x
expect 2 "'99999999999999999999' is not a whole number" train unet --steps=99999999999999999999
expect 2 "'nan' is not a number" train unet --lr nan
expect 2 "no value is expected" train unet --resume=yes
expect 2 "unexpected word 'vae'" train unet vae
expect 2 "a model to train" train
expect 2 "needs --data" train unet
expect 0 "--prediction" train --help
expect 0 "gradus train unet --data fashion" train --help
expect 2 "--recipe 'fashoin' is none; did you mean fashion" train --recipe fashoin
expect 2 "no value after '--recipe'" train unet --recipe
expect 2 "as the first word" train --data x --output unet unet2
expect 2 "needs --output" train unet --data x

printf '\0\0\10\3\0\0\0\1\0\0\0\10\0\0\0\10' >"$work/cut"
expect 3 "cannot open $work/absent" train unet --data "$work/absent" --output "$work/o"
expect 3 "$work/cut: offset 16" train unet --data "$work/cut" --output "$work/o"
{ cat "$work/cut" && head -c 64 /dev/zero; } >"$work/images"
data=(train unet --data "$work/images" --output "$work/o" --batch 1 --base 8 --blocks 1)
expect 2 "--mult '1,,2'" "${data[@]}" --mult 1,,2
expect 2 "--attention 3" "${data[@]}" --mult 1,2 --attention 3
expect 2 "do not fit 5 levels" "${data[@]}" --mult 1,1,1,1,1
expect 2 "--lr-decay 'fast'" "${data[@]}" --lr-decay fast
expect 2 "positive" "${data[@]}" --batch 0
# A learning rate that blows the weights up.
expect 4 "at step" "${data[@]}" --mult 1 --attention none --steps 20 --lr 1e30 --warmup 0 --clip 0
echo "options: all as documented"
