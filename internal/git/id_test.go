package git

import "testing"

func TestID(t *testing.T) {
	// printf hello | git hash-object --stdin
	const hello = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"
	if id := BlobID([]byte("hello")); id.String() != hello || ParseID(hello) != id {
		t.Errorf("%s, %s", id, ParseID(hello))
	}
	for _, digits := range []string{"", hello[1:], hello + "00", "x" + hello[1:]} {
		if id := ParseID(digits); id != (ID{}) {
			t.Errorf("%q: %s", digits, id)
		}
	}
}
