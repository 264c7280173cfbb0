#!/usr/bin/env bash
# release.sh VERSION [OS/ARCH ...] makes a release in out/release/VERSION: an archive for
# each system with the static programs, documents and completions, SHA256SUMS, and the
# notes joined from changelog/unreleased. Twice from the same source it makes the same
# bytes: no path, no time of building and no build id is in them; times are those of
# the commit.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?usage: release.sh VERSION [OS/ARCH ...]}
shift
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || { echo "release.sh: $version is no version, such as 2.0.0" >&2; exit 2; }
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC CGO_ENABLED=0 GOFLAGS=-trimpath
out=out/release/$version
rm -rf "$out"
mkdir -p "$out"

notes() { # by kind, each file's first line as its title
	echo "# $version"
	for kind in Security Change Enhancement Bugfix; do
		grep -l "^$kind: " changelog/unreleased/* | sort | while read -r file; do
			[ "${seen:-}" = "$kind" ] || printf '\n## %s\n' "$kind" && seen=$kind
			printf '\n### %s\n' "$(sed -n "1s/^$kind: //p" "$file")"
			tail -n +2 "$file"
		done
	done
}
notes >"$out/NOTES.md"

for platform in "$@"; do
	os=${platform%/*} arch=${platform#*/}
	name=clonecratesio-$version-$os-$arch
	mkdir -p "$out/$name"
	for program in cmd/*; do
		exe=${program#cmd/}
		[ "$os" = windows ] && exe+=.exe
		GOOS=$os GOARCH=$arch go build -buildvcs=false \
			-ldflags="-s -w -buildid= -X github.com/APTlantis/Mirror-Rust-Crates/internal/program.stamped=$version" \
			-o "$out/$name/$exe" "./$program"
	done
	cp README.md LICENSE THIRD_PARTY.md SECURITY.md Clone-Index.py "$out/NOTES.md" "$out/$name"
	cp docs/reference/commands.md "$out/$name/COMMANDS.md"
	# What each program is built from, as the Go linker wrote it down.
	go version -m "$out/$name"/clonecratesio* | tail -n +2 | sed 's/^\t//' >"$out/$name.modules.txt"
	find "$out/$name" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go-w --format=ustar -C "$out" -c "$name" | gzip -9n >"$out/$name.tar.gz"
	rm -r "${out:?}/$name"
done
(cd "$out" && sha256sum ./*.tar.gz ./*.txt NOTES.md | sed 's|\./||' >SHA256SUMS)
cat "$out/SHA256SUMS"
