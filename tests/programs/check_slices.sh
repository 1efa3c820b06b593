#!/bin/sh
# The demo's slices as files: whole, in pairs, named for --choose-on, and nothing of them where they cannot be written.
#
# usage: check_slices.sh CLMP-DEMO
#
# SPDX-License-Identifier: Apache-2.0
set -eu

demo=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
    echo "check_slices: $1"
    exit 1
}

said=$("$demo" --slices "$folder/brain")
case $said in
*': 73 slices to train and 73 to validate, 158 x 192 pixels, 117 classes') ;;
*) fail "it says $said" ;;
esac
for part in train val; do
    (cd "$folder/brain/$part" && ls) >"$folder/images"
    (cd "$folder/brain/${part}annot" && ls) >"$folder/labels"
    cmp "$folder/images" "$folder/labels" || fail "images and labels of $part have other names"
    [ "$(wc -l <"$folder/images")" -eq 73 ] || fail "$part has not 73 images"
    ! grep -Evq '^block[0-9]+_[0-9]{4}\.png$' "$folder/images" || fail "names of $part"
done
[ "$(cut -d_ -f1 "$folder/images" | sort -u | wc -l)" -eq 19 ] || fail 'there are not 19 blocks'
[ "$(wc -l <"$folder/brain/classes.txt")" -eq 117 ] || fail 'there are not 117 classes'
[ "$(cut -d' ' -f2- "$folder/brain/classes.txt" | sort -u | wc -l)" -eq 117 ] || fail 'two classes have one colour'
grep -q '^Hippocampus_L ' "$folder/brain/classes.txt" || fail 'there is no Hippocampus_L'

# where a folder is in the way
mkdir -p "$folder/other/train/block0_0010.png"
if "$demo" --slices "$folder/other" >"$folder/out" 2>"$folder/err"; then
    fail 'it writes where a folder is in the way'
fi
[ ! -s "$folder/out" ] || fail 'it says what it made'
[ "$(wc -l <"$folder/err")" -eq 1 ] || fail 'not one line of an error'
[ -z "$(find "$folder/other" -name '*.part' -o -name '*.tmp')" ] || fail 'a part of a file is left'
