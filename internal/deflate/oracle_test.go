package deflate

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"flag"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

var (
	originals = flag.String("originals", "", "the program of scripts/originals, which encodes with miniz, zlib and zlib-rs")
	rounds    = flag.Int("rounds", 0, "rounds of larger inputs that are encoded as by the originals too")
)

// TestAllAreTheirOriginals compares each encoder with its original; everything else relies on
// that. Run it with "make deep-oracle".
func TestAllAreTheirOriginals(t *testing.T) {
	if *originals == "" {
		t.Skip("no -originals: see the target deep-oracle of the Makefile")
	}
	o := startOracle(t, *originals)
	compare(t, o, Miniz9, Zlib9Mem8, Zlib9Mem9, ZlibRSOld, ZlibRS)
	for _, src := range shortInputs() {
		for e := range encoders {
			sameStream(t, e, src, o.encode(t, e, src))
		}
	}
}

// pythonZlib calls zlib itself and answers each input with its stream.
const pythonZlib = `
import struct, sys, zlib
if "ng" in zlib.ZLIB_RUNTIME_VERSION: sys.exit("this is not zlib but " + zlib.ZLIB_RUNTIME_VERSION)
asked, answers = sys.stdin.buffer, sys.stdout.buffer
while head := asked.read(5):
    encoder, size = struct.unpack("<BI", head)
    z = zlib.compressobj(9, zlib.DEFLATED, -15, {2: 8, 3: 9}[encoder])
    stream = z.compress(asked.read(size)) + z.flush()
    answers.write(struct.pack("<I", len(stream)) + stream)
    answers.flush()
`

func TestZlibIsZlib(t *testing.T) {
	durabletest.Seldom(t, 3)
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3, whose zlib this is compared with")
	}
	compare(t, startOracle(t, python, "-c", pythonZlib), Zlib9Mem8, Zlib9Mem9)
}

// An oracle is a program that encodes with an original. It reads the number of an encoder,
// four bytes of length and the input, and answers with four bytes of length and the stream.
type oracle struct {
	in     io.Writer
	out    *bufio.Reader
	stderr *bytes.Buffer
}

func startOracle(t *testing.T, name string, args ...string) *oracle {
	t.Helper()
	cmd := exec.Command(name, args...)
	o := &oracle{stderr: new(bytes.Buffer)}
	cmd.Stderr = o.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	o.in, o.out = in, bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return o
}

func (o *oracle) encode(t *testing.T, e Encoder, src []byte) []byte {
	t.Helper()
	head := binary.LittleEndian.AppendUint32([]byte{byte(e)}, uint32(len(src)))
	_, errIn := o.in.Write(append(head, src...))
	var size [4]byte
	if _, err := io.ReadFull(o.out, size[:]); err != nil {
		if strings.Contains(o.stderr.String(), "this is not") {
			t.Skip(o.stderr)
		}
		t.Fatalf("asking the original: %v, %v: %s", errIn, err, o.stderr)
	}
	stream := make([]byte, binary.LittleEndian.Uint32(size[:]))
	if _, err := io.ReadFull(o.out, stream); err != nil {
		t.Fatal(err)
	}
	return stream
}

// slow are kinds with so many candidates for each match that level 9 takes seconds per
// megabyte.
var slow = map[string]bool{"few symbols": true, "period": true, "skewed": true}

// compare encodes inputs of each kind with the oracle and with the encoders, and compares the
// streams.
func compare(t *testing.T, o *oracle, encoders ...Encoder) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			for i, size := range sizes {
				for round := range 1 + *rounds {
					r := random(1 + i + 1000*round)
					if round > 0 {
						size = r.below(2*sizes[i] + 1)
					}
					if *rounds == 0 && (size > 70000 || i%8 > 1) {
						continue
					}
					if slow[kind.name] {
						size = min(size, 140000)
					}
					src := kind.make(&r, size)
					for _, e := range encoders {
						sameStream(t, e, src, o.encode(t, e, src))
					}
				}
			}
		})
	}
}

func sameStream(t *testing.T, e Encoder, src, want []byte) {
	t.Helper()
	var got bytes.Buffer
	if err := Encode(&got, e, src); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		at := 0
		for at < min(got.Len(), len(want)) && got.Bytes()[at] == want[at] {
			at++
		}
		t.Fatalf("%s of %d bytes: %d bytes, the original makes %d; they differ at %d", e, len(src), got.Len(), len(want), at)
	}
}
