package readme

import (
	"regexp"
	"sync"

	"github.com/microcosm-cc/bluemonday"
)

// policy is what is allowed: formatted text, tables, lists, links, and images that we
// serve. It is made on first use, because compiling ourID takes 10 ms and 8 MB, which every
// start of the program would pay.
var policy = sync.OnceValue(func() *bluemonday.Policy {
	ourID := regexp.MustCompile(`^` + anchor + `[\p{L}\p{N}_.-]{1,200}$`)
	ourImage := regexp.MustCompile(`^/[^\s]+$`)
	lazy := regexp.MustCompile(`^lazy$`)
	p := bluemonday.NewPolicy()
	p.AllowElements("h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "blockquote", "pre", "div",
		"ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption",
		"b", "strong", "i", "em", "u", "s", "del", "ins", "sub", "sup", "small", "mark", "code", "kbd", "samp", "var", "q", "cite", "abbr",
		"details", "summary", "span")
	p.AllowAttrs("id").Matching(ourID).OnElements("h2", "h3", "h4", "h5", "h6")
	p.AllowAttrs("open").OnElements("details")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("src").Matching(ourImage).OnElements("img")
	p.AllowAttrs("alt").OnElements("img")
	p.AllowAttrs("loading").Matching(lazy).OnElements("img")
	p.AllowURLSchemes("http", "https", "mailto")
	p.AllowRelativeURLs(true)
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return p
})
