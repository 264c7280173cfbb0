#!/usr/bin/env bash
# Builds get-all-crates into a folder, to be measured beside this program: it asks no other
# host than static.crates.io, so the line that says so is changed to take CRATES_BASE_URL
# out of the environment. All else is as published. Needs cargo.
#
#	scripts/rivals/get-all-crates.sh FOLDER   # FOLDER/bin/get-all-crates
set -euo pipefail
to=$(mkdir -p "$1" && cd "$1" && pwd)
version=0.1.26
host='"https://static.crates.io/crates/{name}/{name}-{version}.crate",'
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# cargo downloads and verifies it as a dependency, which is never built.
cargo new --quiet --vcs none --lib "$work/asks"
echo "get-all-crates = \"=$version\"" >>"$work/asks/Cargo.toml"
cargo fetch --quiet --manifest-path "$work/asks/Cargo.toml"
cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"get-all-crates-$version" "$work/source"
[ "$(grep -cF "$host" "$work/source/src/main.rs")" = 1 ] || { echo "get-all-crates $version names its host elsewhere"; exit 1; }
sed -i 's|^\( *\)"https://static\.crates\.io/crates/\(.*\)",$|\1"{base}/\2", base = std::env::var("CRATES_BASE_URL")?,|' "$work/source/src/main.rs"
cargo install --quiet --locked --path "$work/source" --root "$to"
