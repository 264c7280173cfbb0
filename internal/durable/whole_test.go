package durable

import "testing"

// Only our own temporary files are removed: a user may have a ".tmp-" file beside them.
func TestIsTemp(t *testing.T) {
	for range 100 {
		if name := TempName("a/b"); !IsTemp(name) {
			t.Errorf("%s is not taken for a temporary file", name)
		}
	}
	for _, name := range []string{
		".tmp-", ".tmp-x", ".tmp-notes", ".tmp-ABCDEFGHIJKLMNOPQRSTUVWXY", ".tmp-ABCDEFGHIJKLMNOPQRSTUVWXYZA",
		".tmp-abcdefghijklmnopqrstuvwxyz", ".tmp-ABCDEFGHIJKLMNOPQRSTUVWXY.", "tmp-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	} {
		if IsTemp(name) {
			t.Errorf("%s is taken for a temporary file of ours", name)
		}
	}
}
