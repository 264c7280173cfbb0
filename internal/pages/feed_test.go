package pages

import (
	"encoding/xml"
	"strings"
	"testing"
)

// A feed is well-formed, has the versions that say when they were published, the last one
// first, and leads to our own address.
func TestFeed(t *testing.T) {
	w := get(newHandler(t, newFixture(), testURL), "/crate/SERDE/feed.atom")
	var feed atomFeed
	if err := xml.Unmarshal(w.Body.Bytes(), &feed); err != nil || w.Header().Get("Content-Type") != "application/atom+xml; charset=utf-8" {
		t.Fatalf("%v, %v\n%s", err, w.Header(), w.Body)
	}
	if len(feed.Entries) != 4 || feed.Updated != "2025-11-02T09:00:00Z" {
		t.Fatalf("%+v", feed)
	}
	for i, want := range []atomEntry{
		{"serde 2.0.0-rc.1+build.7", testURL + "/crate/serde/2.0.0-rc.1+build.7", "2025-11-02T09:00:00Z", atomLink{"alternate", testURL + "/crate/serde/2.0.0-rc.1+build.7"}, "published"},
		{"serde 1.0.228", testURL + "/crate/serde/1.0.228", "2025-09-27T16:51:35Z", atomLink{"alternate", testURL + "/crate/serde/1.0.228"}, "published"},
		{"serde 1.0.171", testURL + "/crate/serde/1.0.171", "2023-07-09T23:51:00Z", atomLink{"alternate", testURL + "/crate/serde/1.0.171"}, "published, and yanked since"},
	} {
		if feed.Entries[i] != want {
			t.Errorf("%+v, want %+v", feed.Entries[i], want)
		}
	}
	if w := get(newHandler(t, newFixture(), testURL), "/crate/none/feed.atom"); w.Code != 404 {
		t.Errorf("of a crate that is not here: %d", w.Code)
	}
}

func TestOpenSearch(t *testing.T) {
	w := get(newHandler(t, newFixture(), testURL), "/opensearch.xml")
	if err := xml.Unmarshal(w.Body.Bytes(), new(struct{})); err != nil || !strings.Contains(w.Body.String(), `template="`+testURL+`/search?q={searchTerms}"`) {
		t.Errorf("%v\n%s", err, w.Body)
	}
}
