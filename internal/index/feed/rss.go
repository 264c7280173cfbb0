package feed

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

const (
	MaxRSS   = 8 << 20 // bytes
	maxItems = 20_000
)

// Path is the path of the feed on a server, as on static.crates.io.
const Path = "/rss/updates.xml"

// An Item is the publication of a version.
type Item struct {
	crate.ID
	At time.Time
}

// A Feed is a list of recent publications.
type Feed struct {
	Items []Item
	// Since is the time from which the feed is complete: what a mirror's feed says, or the
	// time of the oldest item of another feed. It is zero if there is none.
	Since time.Time
}

// Newest returns the time of the newest item, or zero if there is none.
func (f *Feed) Newest() (at time.Time) {
	for i := range f.Items {
		if f.Items[i].At.After(at) {
			at = f.Items[i].At
		}
	}
	return at
}

// mirrorNS is the namespace of the element "since" of a mirror's feed, the time from which
// the feed is complete. A feed that has it may have no items.
const mirrorNS = "https://github.com/APTlantis/Mirror-Rust-Crates"

// ReadRSS reads a feed of new versions. It skips items that name no version.
func ReadRSS(r io.Reader) (Feed, error) {
	dec := xml.NewDecoder(io.LimitReader(r, MaxRSS))
	dec.Strict = true
	var f Feed
	var said time.Time
	channel := false
	for {
		token, err := dec.Token()
		if err == io.EOF && channel {
			f.complete(said)
			return f, nil
		}
		if err != nil {
			return Feed{}, fmt.Errorf("reading the feed: %w", err)
		}
		start, ok := token.(xml.StartElement)
		switch {
		case !ok:
		case start.Name.Local == "channel":
			channel = true
		case start.Name == xml.Name{Space: mirrorNS, Local: "since"}:
			var text string
			if err = dec.DecodeElement(&text, &start); err == nil {
				said = parseTime(text)
			}
		case start.Name.Local == "item":
			err = f.readItem(dec, &start)
		}
		if err != nil {
			return Feed{}, fmt.Errorf("reading the feed: %w", err)
		}
	}
}

// complete sets the time from which the feed is complete.
func (f *Feed) complete(said time.Time) {
	if f.Since = said; !said.IsZero() {
		return
	}
	for i := range f.Items {
		if f.Since.IsZero() || f.Items[i].At.Before(f.Since) {
			f.Since = f.Items[i].At
		}
	}
}

func (f *Feed) readItem(dec *xml.Decoder, start *xml.StartElement) error {
	if len(f.Items) == maxItems {
		return fmt.Errorf("more than %d items", maxItems)
	}
	var raw struct {
		Name    string `xml:"https://crates.io/ name"`
		Version string `xml:"https://crates.io/ version"`
		Date    string `xml:"pubDate"`
	}
	if err := dec.DecodeElement(&raw, start); err != nil {
		return err
	}
	item := Item{ID: crate.ID{Name: raw.Name, Version: raw.Version}, At: parseTime(raw.Date)}
	if !item.At.IsZero() && item.Check() == nil {
		f.Items = append(f.Items, item)
	}
	return nil
}

// parseTime parses a time in RSS format; zero if it is invalid.
func parseTime(text string) time.Time {
	for _, layout := range []string{time.RFC1123Z, time.RFC1123} {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return at
		}
	}
	return time.Time{}
}

// Write writes a feed for [ReadRSS] and for all readers of the feed of crates.io.
func (f *Feed) Write(w io.Writer, title string) error {
	_, err := fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\" xmlns:crates=\"https://crates.io/\" xmlns:mirror=%q>\n<channel><title>%s</title>\n", mirrorNS, escape(title))
	if err == nil && !f.Since.IsZero() {
		_, err = fmt.Fprintf(w, "<mirror:since>%s</mirror:since>\n", f.Since.UTC().Format(time.RFC1123Z))
	}
	for i := range f.Items {
		if err != nil {
			return err
		}
		it := &f.Items[i]
		name, version := escape(it.Name), escape(it.Version)
		_, err = fmt.Fprintf(w, "<item><title>%s %s</title><pubDate>%s</pubDate><crates:name>%[1]s</crates:name><crates:version>%[2]s</crates:version></item>\n",
			name, version, it.At.UTC().Format(time.RFC1123Z))
	}
	if err == nil {
		_, err = io.WriteString(w, "</channel></rss>\n")
	}
	return err
}

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text))
	return b.String()
}
