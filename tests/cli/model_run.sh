#!/usr/bin/env bash
# gradus model describe and run: a network from its configuration; the reference cases through the
# program give the same bytes on one thread and on two; errors name what is wrong.
set -uo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
complain() {
	echo "model_run: $*" >&2
	failed=1
}
expect() { # code pattern command...
	local code=$1 pattern=$2
	shift 2
	"$@" >"$work/out" 2>"$work/err"
	local got=$?
	[ $got -eq "$code" ] || complain "$*: exit $got, expected $code: $(cat "$work/err")"
	grep -q -- "$pattern" "$work/out" "$work/err" || complain "$*: no '$pattern'"
}

printf '{"arch": "taesd", "width": 8}' >"$work/config.json"
expect 0 'parameters: ' "$GRADUS" model describe "$work/config.json" --size 16x24
# What is foreseen is what is measured, within a tenth (docs/models.md, Memory and cost).
foreseen() { # arch size config
	printf '%s' "$3" >"$work/foreseen.json"
	expect 0 'to the parameters' "$GRADUS" model describe "$1" --config "$work/foreseen.json" \
		--size "$2" --run --threads 2
	awk -F'|' '/^\| (forward|to the)/ { rows++; if ($4 < 0.9 * $5 || $4 > 1.1 * $5 || $3 <= 0) bad = 1 }
		END { exit bad || rows < 3 }' "$work/out" || complain "$1: foreseen and measured: $(cat "$work/out")"
}
expect 0 'forward' "$GRADUS" model describe clip_text --size 8x8 # no gradient in token ids
foreseen taesd 64x64 '{"width": 16}'
foreseen dinov2 112x112 '{"img_size": 112, "patch_size": 14, "embed_dim": 96, "depth": 3, "num_heads": 3, "init_values": 1.0}'
foreseen adm 64x64 '{"image_size": 64, "in_channels": 3, "model_channels": 32, "out_channels": 6,
	"num_res_blocks": 1, "channel_mult": [1, 2, 2], "attention_resolutions": [4],
	"num_head_channels": 16, "use_scale_shift_norm": true, "resblock_updown": true}'
expect 0 '1136480768' "$GRADUS" model describe dinov2 --config <(printf \
	'{"img_size": 518, "patch_size": 14, "embed_dim": 1536, "depth": 40, "num_heads": 24,
	"ffn_layer": "swiglufused", "init_values": 1.0}')
expect 0 'autoencoder_kl' "$GRADUS" model describe --list
# sit and dit have the size of their latents in a table, so they are built for the size asked about.
expect 0 'recomputed\|to the parameters' "$GRADUS" model describe sit --size 64x64
expect 0 'forward' "$GRADUS" model describe dit --size 16x16 --only nothing
expect 2 'square' "$GRADUS" model describe sit --size 64x32
# Weights kept in half the size.
wide=$("$GRADUS" model describe adm --config "$work/foreseen.json" --size 64x64 | awk -F'|' '/forward/ { print $4 }')
narrow=$("$GRADUS" model describe adm --config "$work/foreseen.json" --size 64x64 --storage f16 |
	awk -F'|' '/forward/ { print $4 }')
awk -v a="$narrow" -v b="$wide" 'BEGIN { exit !(a + 0 > 0 && a < b) }' || complain "f16 takes $narrow of $wide MiB"
expect 2 "not in 'f8'" "$GRADUS" model describe adm --config "$work/foreseen.json" --size 8x8 --storage f8
# A configuration as diffusers writes it names its network itself.
printf '{"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512],
	"layers_per_block": 2}' >"$work/diffusers.json"
expect 0 'parameters: 83653863' "$GRADUS" model describe "$work/diffusers.json"
expect 2 'are needed' "$GRADUS" model reconstruct taesd
expect 2 'no ARCH' "$GRADUS" model describe
expect 2 'HxW' "$GRADUS" model describe taesd --size 8
expect 2 'are needed' "$GRADUS" model run taesd
expect 3 'No such file' "$GRADUS" model describe "$work/missing.json"
printf '{"arch": "taesd", "widht": 8}' >"$work/config.json"
expect 3 "unknown option 'widht'" "$GRADUS" model describe "$work/config.json"
printf '{"arch": "taesd", ' >"$work/config.json"
expect 3 'byte' "$GRADUS" model describe "$work/config.json"

goldens=${GRADUS_SHARED:-}/goldens
[ -d "$goldens" ] || exit $failed
while read -r folder arch; do
	for threads in 1 2; do
		expect 0 'grad_x' "$GRADUS" model run "$arch" --config "$goldens/$folder/config.json" \
			--weights "$goldens/$folder"/weights.* --input "$goldens/$folder/io.npz" \
			--output "$work/$threads.npz" --grad --threads $threads
	done
	cmp -s "$work/1.npz" "$work/2.npz" || complain "$folder: differs between one thread and two"
done <<'LIST'
adm_unet adm
dinov2_vit dinov2
ldm_autoencoder_kl autoencoder_kl
ldm_unet ldm_unet
sit_repa sit
LIST
expect 3 'missing' "$GRADUS" model run adm --config "$goldens/adm_unet/config.json" \
	--weights "$goldens/dinov2_vit/weights.pt" --input "$goldens/adm_unet/io.npz" \
	--output "$work/no.npz"
expect 3 'no autoencoder' "$GRADUS" model reconstruct adm --config "$goldens/adm_unet/config.json" \
	--weights "$goldens/adm_unet/weights.pt" --data "$GRADUS_SOURCE/experiments/priors/fashion/images"
[ ! -e "$work/no.npz" ] || complain "an output was written after an error"
exit $failed
