#!/usr/bin/env bash
# Runs the tests of buckets against servers that are too large to build in every run of
# continuous integration:
#
#	run.sh seaweed   SeaweedFS, which must keep the contract; half an hour to build
#	run.sh s3s       s3s-fs, which must be refused: several of those who create one object
#	                 at the same time succeed; half an hour to build, needs cargo
#
# What is built stays in out/s3servers.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/out/s3servers
mkdir -p "$out"
data=$(mktemp -d)
export AWS_ACCESS_KEY_ID=test-access-key AWS_SECRET_ACCESS_KEY=test-secret-key-of-no-use AWS_EC2_METADATA_DISABLED=true
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$data"' EXIT

listening() { # listening PORT: waits for the server
	for _ in $(seq 300); do
		(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
		sleep 0.2
	done
	echo "the server does not listen on port $1" >&2
	exit 1
}

case ${1:-} in
seaweed)
	if [ ! -x "$out/weed" ]; then
		mkdir -p "$out/build"
		# Its go.mod has a replacement, which "go install" refuses.
		printf 'module weedbuild\ngo 1.26.0\nreplace github.com/tyler-smith/go-bip39 => github.com/cosmos/go-bip39 v1.0.0\n' >"$out/build/go.mod"
		(cd "$out/build" && go get -tool github.com/seaweedfs/seaweedfs/weed@v0.0.0-20261109003541-7506e5f91cd6 &&
			go build -o "$out/weed" github.com/seaweedfs/seaweedfs/weed)
	fi
	cat >"$data/s3.json" <<-EOF
		{"identities": [{"name": "test", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
		  "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$AWS_SECRET_ACCESS_KEY"}]}]}
	EOF
	"$out/weed" server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$data" -filer -s3 -s3.port=18333 -s3.config="$data/s3.json" 2>"$data/log" &
	server=$!
	listening 18333
	go test -count=1 -timeout 20m ./internal/bucket/s3 -run Server -server 's3://test-bucket/?endpoint=http://127.0.0.1:18333'
	;;
s3s)
	[ -x "$out/bin/s3s-fs" ] || cargo install --quiet s3s-fs --version 0.14.1 --features binary --root "$out"
	mkdir "$data/test-bucket"
	"$out/bin/s3s-fs" --access-key "$AWS_ACCESS_KEY_ID" --secret-key "$AWS_SECRET_ACCESS_KEY" --host 127.0.0.1 --port 18014 "$data" >"$data/log" 2>&1 &
	server=$!
	listening 18014
	go build -o "$data/clonecratesio" ./cmd/clonecratesio
	if "$data/clonecratesio" doctor -store 's3://test-bucket/?endpoint=http://127.0.0.1:18014' | tee "$data/said"; then
		echo "a server that lies was believed" >&2
		exit 1
	fi
	grep -q '^FAIL *race ' "$data/said"
	;;
*)
	echo "usage: $0 seaweed|s3s" >&2
	exit 2
	;;
esac
