#!/usr/bin/env bash
# release.sh VERSION [OS/ARCH ...] makes a release in out/release/VERSION: for each system
# an archive of the static programs, pages for man, completions and documents, and the list
# of all parts (CycloneDX); for Linux the packages of Debian and Fedora; the notes joined
# from changelog/unreleased; SHA256SUMS. Twice from the same source it makes the same bytes:
# no path, no time of building and no build id is in them; times are those of the commit.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?usage: release.sh VERSION [OS/ARCH ...]}
shift
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || { echo "release.sh: $version is no version, such as 2.0.0" >&2; exit 2; }
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC CGO_ENABLED=0 GOFLAGS=-trimpath
umask 022
out=$PWD/out/release/$version
work=$PWD/out/release/work
rm -rf "$out" "$work"
mkdir -p "$out" "$work/common/man/man1" "$work/common/completions" "$work/host"

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

build() { # build FOLDER: the programs for GOOS and GOARCH
	go build -buildvcs=false -o "$1/" \
		-ldflags="-s -w -buildid= -X github.com/APTlantis/Mirror-Rust-Crates/internal/program.stamped=$version" ./cmd/...
}

# root makes what a package for $arch holds, from the programs in FOLDER.
root() { # root FOLDER
	local root=$work/root-$arch doc=usr/share/doc/clonecratesio debian
	mkdir -p "$root"/usr/{bin,lib/systemd/system,share/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}} "$root/$doc"
	cp "$1"/* "$root/usr/bin/"
	for page in "$work"/common/man/man1/*; do gzip -9nc "$page" >"$root/usr/share/man/man1/$(basename "$page").gz"; done
	for program in cmd/*; do
		program=${program#cmd/}
		cp "$work/common/completions/$program.bash" "$root/usr/share/bash-completion/completions/$program"
		cp "$work/common/completions/_${program//-/_}" "$root/usr/share/zsh/vendor-completions/"
		cp "$work/common/completions/$program.fish" "$root/usr/share/fish/vendor_completions.d/"
	done
	for unit in contrib/systemd/*; do sed 's|/usr/local/bin/|/usr/bin/|' "$unit" >"$root/usr/lib/systemd/system/$(basename "$unit")"; done
	cp README.md SECURITY.md "$root/$doc/"
	cp -r contrib/prometheus contrib/grafana "$root/$doc/"
	{ cat LICENSE; echo; cat THIRD_PARTY.md; } >"$root/$doc/copyright"
	gzip -9nc "$out/NOTES.md" >"$root/$doc/NOTES.md.gz"
	debian="clonecratesio (${version/-/\~}-1) unstable; urgency=medium\n\n  * Release $version; NOTES.md.gz says what has changed.\n\n -- APTlantis <aptlantis@users.noreply.github.com>  $(date -Rud "@$SOURCE_DATE_EPOCH")\n"
	printf "$debian" | gzip -9n >"$root/$doc/changelog.Debian.gz"
	mkdir -p "$root/usr/share/lintian/overrides"
	printf 'clonecratesio: %s\n' statically-linked-binary initial-upload-closes-no-bugs >"$root/usr/share/lintian/overrides/clonecratesio"
	find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

notes >"$out/NOTES.md"
build "$work/host"
go run ./scripts/manpages -version "$version" "$work/common/man/man1"
for program in "$work"/host/*; do
	name=$(basename "$program" .exe)
	"$program" completion bash >"$work/common/completions/$name.bash"
	"$program" completion zsh >"$work/common/completions/_${name//-/_}" # called as its function is
	"$program" completion fish >"$work/common/completions/$name.fish"
	"$program" completion pwsh >"$work/common/completions/$name.ps1"
done
cp README.md LICENSE THIRD_PARTY.md SECURITY.md Clone-Index.py "$out/NOTES.md" "$work/common"
cp docs/reference/commands.md "$work/common/COMMANDS.md"
for tool in github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod github.com/goreleaser/nfpm/v2/cmd/nfpm; do
	go build -modfile=tools/release/go.mod -o "$work/$(basename "$tool")" "$tool"
done

for platform in "$@"; do
	os=${platform%/*} arch=${platform#*/}
	name=clonecratesio-$version-$os-$arch
	mkdir -p "$work/programs-$name"
	GOOS=$os GOARCH=$arch build "$work/programs-$name"
	program=$work/programs-$name/clonecratesio
	[ "$os" = windows ] && program+=.exe
	# The parts, as the Go linker wrote them down, with the licences that their modules
	# have here. Of this module itself no proxy has this version yet, so it asks none.
	GOOS=$os GOARCH=$arch GOPROXY=off "$work/cyclonedx-gomod" bin -json -std -licenses -noserial -notimestamp \
		-version "v$version" -output "$out/$name.cdx.json" "$program" 2>"$work/parts.log" || { cat "$work/parts.log"; exit 1; }
	cp -r "$work/common" "$work/$name"
	cp "$work/programs-$name"/* "$work/$name"
	[ "$os" = linux ] && cp -r contrib/systemd "$work/$name"
	find "$work/$name" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go-w --format=ustar -C "$work" -c "$name" | gzip -9n >"$out/$name.tar.gz"
	if [ "$os" = linux ]; then
		root "$work/programs-$name"
		for packager in deb rpm; do
			ROOT=$work/root-$arch ARCH=$arch VERSION=$version "$work/nfpm" package --config contrib/packages/nfpm.yaml --packager $packager --target "$out/" >/dev/null
		done
	fi
done
rm -r "$work"
(cd "$out" && sha256sum -- * >"../SHA256SUMS" && mv ../SHA256SUMS .)
cat "$out/SHA256SUMS"
