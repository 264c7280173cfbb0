package registry

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSearch(t *testing.T) {
	h := New(Config{Mirror: newFake()})
	for query, want := range map[string]string{
		"?q=fo":              `{"crates":[{"id":"foo","name":"foo","description":"A foo.","max_version":"1.0.0","max_stable_version":"1.0.0"}],"meta":{"total":1}}`,
		"?q=nothing":         `{"crates":[],"meta":{"total":0}}`,
		"?per_page=2&page=9": `{"crates":[],"meta":{"total":5}}`,
		"?q=b":               `{"crates":[{"id":"b","name":"b","description":null,"max_version":"1.0.0","max_stable_version":"1.0.0"}],"meta":{"total":1}}`,
	} {
		resp := get(t, h, "/api/v1/crates"+query)
		wantStatus(t, resp, 200)
		wantHeaders(t, resp, "Content-Type: application/json", "Cache-Control: no-store")
		if diff := cmp.Diff(want, body(t, resp)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	var page struct{ Crates []struct{ Name string } }
	if err := json.Unmarshal([]byte(body(t, get(t, h, "/api/v1/crates?per_page=2&page=2"))), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Crates) != 2 || page.Crates[0].Name != "Inflector" {
		t.Errorf("second page: %v", page)
	}
	for _, query := range []string{"?per_page=101", "?per_page=0", "?per_page=-1", "?page=x", "?page=0", "?page=99999999999"} {
		resp := get(t, h, "/api/v1/crates"+query)
		wantStatus(t, resp, 400)
		wantHeaders(t, resp, "Content-Type: application/json")
	}
}

func TestAbout(t *testing.T) {
	h := New(Config{Mirror: newFake()})
	var got struct {
		Crate    struct{ Name, Max_version string }
		Versions []struct {
			Num, Dl_path string
			Yanked       bool
		}
	}
	if err := json.Unmarshal([]byte(body(t, get(t, h, "/api/v1/crates/QPL"))), &got); err != nil {
		t.Fatal(err)
	}
	if got.Crate.Name != "qpl" || got.Crate.Max_version != "0.0.1+5" || len(got.Versions) != 2 ||
		got.Versions[0].Dl_path != "/api/v1/crates/qpl/0.0.1+5/download" {
		t.Errorf("%+v", got)
	}
	wantStatus(t, do(t, h, http.MethodHead, "/api/v1/crates/foo"), 200)
	wantStatus(t, get(t, h, "/api/v1/crates/bar"), 404)
}
