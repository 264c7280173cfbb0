package policy

import "testing"

// What a version costs that is shown: go test ./internal/policy -bench Judge -run -
func BenchmarkJudge(b *testing.B) {
	p := read(b, "[age]\nmin-age = \"7d\"\n[yanked]\n[[deny]]\ncrate = \"our-*\"\n"+
		"[advisories]\ndatabases = [\"testdata/advisory-db\", \"testdata/osv\"]\ninformational = [\"unsound\"]\n")
	for name, version := range map[string]string{"named by none": "serde@1.0.219", "with advisories": "oldssl@0.10.2"} {
		b.Run(name, func(b *testing.B) {
			s := subject(version)
			b.ReportAllocs()
			for b.Loop() {
				if d := p.Judge(s, noon); d.Visibility != Shown {
					b.Fatal(d)
				}
			}
		})
	}
}
