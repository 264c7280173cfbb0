package spdx

import (
	"strings"
	"testing"
	"time"
)

func TestAllows(t *testing.T) {
	list, err := NewList([]string{"MIT", "apache-2.0", "GPL-2.0-only", "LGPL-3.0-or-later", "GPL-3.0 WITH GCC-exception-3.1", "MPL-2.0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		expression    string
		want, invalid bool
	}{
		{"MIT", true, false},
		{"mit", true, false},
		{"MIT OR SSPL-1.0", true, false},
		{"MIT AND SSPL-1.0", false, false},
		{"MIT/SSPL-1.0", true, false},
		{"SSPL-1.0 / Apache-2.0", true, false},
		{"SSPL-1.0 or mit", true, false},
		// AND binds more than OR.
		{"SSPL-1.0 AND BUSL-1.1 OR MIT", true, false},
		{"MIT OR SSPL-1.0 AND BUSL-1.1", true, false},
		{"(MIT OR SSPL-1.0) AND BUSL-1.1", false, false},
		{"(MIT OR Apache-2.0) AND (MPL-2.0)", true, false},
		{"GPL-2.0", true, false},
		{"GPL-2.0+", true, false},
		{"GPL-2.0-or-later", true, false},
		{"GPL-3.0", false, false},
		{"LGPL-3.0-or-later", true, false},
		{"LGPL-3.0-only", false, false},
		{"MPL-2.0+", true, false},
		{"GPL-3.0-only WITH GCC-exception-3.1", true, false},
		{"MIT WITH LLVM-exception", false, false},
		{"LicenseRef-ours", false, false},
		{"", false, true}, {"MIT OR", false, true}, {"OR MIT", false, true}, {"MIT Apache-2.0", false, true}, {"(MIT", false, true}, {"MIT)", false, true},
		{"MIT, Apache-2.0", false, true}, {"MIT WITH", false, true}, {"MIT//ISC", false, true}, {"()", false, true},
		{strings.Repeat("(", 40) + "MIT" + strings.Repeat(")", 40), false, true},
		{"MIT" + strings.Repeat(" OR MIT", 80), false, true},
	} {
		got, err := list.Allows(c.expression)
		if got != c.want || (err != nil) != c.invalid {
			t.Errorf("%q: %v, %v, want %v, an error: %v", c.expression, got, err, c.want, c.invalid)
		}
	}
	for _, bad := range []string{"", "MIT OR ISC", "MIT/ISC", "A WITH", "with"} {
		if _, err := NewList([]string{bad}); err == nil {
			t.Errorf("licence %q is taken", bad)
		}
	}
}

// An author's expression costs no more than its length: multiplied out, this one has two to
// the power of thirty terms.
func TestHostileExpression(t *testing.T) {
	list, err := NewList([]string{"A"})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	allowed, err := list.Allows(strings.TrimSuffix(strings.Repeat("(A OR B)AND ", 30), "AND "))
	if !allowed || err != nil || time.Since(start) > time.Second {
		t.Errorf("%v, %v in %v", allowed, err, time.Since(start))
	}
}
