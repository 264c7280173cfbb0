// Package rss writes feeds of new versions as crates.io does.
package rss

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// An Item is a version.
type Item struct {
	Name, Version string
	At            time.Time
}

// crates.io's feed has all items of the last hour, and at least this many.
const (
	feedAge   = time.Hour
	feedItems = 100
)

// Write writes a feed of versions, which are given newest first.
func Write(w io.Writer, items []Item) {
	fmt.Fprint(w, `<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:crates="https://crates.io/"><channel><title>recent updates</title>`)
	for i, item := range items {
		if i >= feedItems && time.Since(item.At) > feedAge {
			break
		}
		fmt.Fprintf(w, "<item><title>New crate version published: %s v%s</title><pubDate>%s</pubDate><crates:name>%[1]s</crates:name><crates:version>%[2]s</crates:version></item>",
			escape(item.Name), escape(item.Version), item.At.UTC().Format(time.RFC1123Z))
	}
	fmt.Fprint(w, "</channel></rss>")
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // to memory
	return b.String()
}
