#!/bin/sh
# Trees that the real programs make of a registry on this machine are moved in, and sync
# then fetches what each lacks and nothing else. What is not installed is left out:
#
#	cargo install panamax cargo-local-registry
#	pip install romt
#	V110=DIR, a checkout of CloneCratesio v1.1.0
#	CRATES=DIR and INDEX=DIR, a cargo cache of yours and an index that names its crates
#
# get-all-crates has no other host than that of crates.io, and is not run.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'exec 3>&-; rm -rf "$work"' EXIT
cd "$top"
go build -o "$work/clonecratesio" ./cmd/clonecratesio
go build -o "$work/simregistry" ./scripts/simregistry
cd "$work"
mkfifo orders
./simregistry "$work/up.git" <orders >answers &
exec 3>orders
until [ -s answers ]; do sleep 0.1; done
read -r reg <answers
up="file://$work/up.git"

# requests says how many crate files the registry was asked for so far.
requests() {
	before=$(wc -l <answers)
	echo requests >&3
	while [ "$(wc -l <answers)" = "$before" ]; do sleep 0.1; done
	tail -n 1 answers
}

# trial moves a tree in and wants sync to fetch so many versions.
trial() {
	name=$1 want=$2
	shift 2
	echo "== $name: $(find "$name" -name '*.crate' -o -name '*.tar.zst' | wc -l) files"
	./clonecratesio import-tree -mirror "mirror-$name" -log-level error "$@"
	was=$(requests)
	./clonecratesio sync -mirror "mirror-$name" -index-url "$up" -crates-base-url "$reg" -listen '' -log-level error
	./clonecratesio verify -mirror "mirror-$name" -log-level error
	now=$(requests)
	[ $((now - was)) = "$want" ] || { echo "$name: sync asked for $((now - was)) versions, want $want"; exit 1; }
}

have() { command -v "$1" >/dev/null || { echo "== $1 is not installed"; return 1; }; }

git clone -q up.git idx
if have panamax; then
	mkdir panamax
	cat >panamax/mirror.toml <<EOF
[mirror]
retries = 5
[crates]
sync = true
download_threads = 4
source = "$reg"
source_index = "$up"
base_url = "http://panamax.example/crates"
EOF
	panamax sync panamax >panamax.log 2>&1
	trial panamax 0 -from panamax
fi
if have romt; then
	mkdir romt
	(cd romt && romt crate --index-url "$up" init && romt crate --crates-url "$reg/{crate}/{version}/download" update) >romt.log 2>&1
	trial romt 0 -from romt
fi
if [ -n "${V110:-}" ]; then
	(cd "$V110" && go build -o "$work/v110" ./cmd/download-crates)
	old() { ./v110 -index-dir idx -crates-base-url "$reg" -listen '' -concurrency 4 -include-yanked "$@" >>v110.log 2>&1; }
	old -out v110-loose -manifest loose.jsonl
	old -out staging -bundle -bundle-mode only -bundles-out v110-bundles -manifest bundles.jsonl
	trial v110-loose "${V110_LACKS:-24}" -from v110-loose -index-dir idx
	trial v110-bundles "${V110_LACKS:-24}" -from v110-bundles -index-dir idx
fi
# What is exported in the layouts of others is taken back, and the real cargo-local-registry
# agrees about its own.
mkdir full
./clonecratesio sync -mirror full -index-url "$up" -crates-base-url "$reg" -listen '' -log-level error
for layout in static panamax local-registry; do
	./clonecratesio export -mirror full -static "$work/$layout-export" -layout "$layout" -log-level error >export.log
	trial "$layout-export" 0 -from "$layout-export" -index-dir idx
done
if have panamax; then
	panamax verify panamax-export >verify.log 2>&1 || true
fi
if [ -n "${CRATES:-}" ]; then
	echo "== $CRATES"
	time ./clonecratesio import-tree -mirror cache -from "$CRATES" -index-dir "$INDEX"
	time ./clonecratesio import-tree -mirror cache -from "$CRATES" -index-dir "$INDEX"
	time ./clonecratesio import-tree -mirror cache-bundled -from "$CRATES" -index-dir "$INDEX" -bundle
fi
echo ok
