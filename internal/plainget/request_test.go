package plainget

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

var plainOnes = []string{
	"GET /index/se/rd/serde HTTP/1.1\r\nHost: localhost:8080\r\n\r\n",
	"GET /crates/a/a-1.0.0+b.crate HTTP/1.1\r\nhost: [::1]:80\r\naccept: */*\r\nconnection: keep-alive\r\n\r\n",
	"GET /a/../b HTTP/1.1\r\nHost: x\r\nUser-Agent:\r\n\r\n", // for the handler to judge
}

func TestWhatIsPlain(t *testing.T) {
	for _, text := range plainOnes {
		if !new(request).parse([]byte(text)) {
			t.Errorf("%q is left to net/http", text)
		}
	}
	const host = "Host: x\r\n"
	for _, text := range []string{"GET /a HTTP/1.1\r\n" + host, "GET /a HTTP/1.1\r\n" + host + "\r", "GET /a HTTP/1.1\r\n" + host + "\r\nX"} {
		if new(request).parse([]byte(text)) {
			t.Errorf("%q is not one request", text)
		}
	}
	for _, text := range []string{
		"", "GET ", "\r\n\r\n", "HEAD /a HTTP/1.1\r\n" + host, "get /a HTTP/1.1\r\n" + host, "POST /a HTTP/1.1\r\n" + host,
		"GET /a HTTP/1.0\r\n" + host, "GET /a\r\n" + host, "GET  /a HTTP/1.1\r\n" + host, "GET a HTTP/1.1\r\n" + host, "GET //a HTTP/1.1\r\n" + host,
		"GET /a?b HTTP/1.1\r\n" + host, "GET /a%20 HTTP/1.1\r\n" + host, "GET /a#b HTTP/1.1\r\n" + host, "GET http://x/a HTTP/1.1\r\n" + host, "GET /a HTTP/1.1 HTTP/1.1\r\n" + host,
		"GET /a HTTP/1.1\r\n", "GET /a HTTP/1.1\r\nHost:\r\n", "GET /a HTTP/1.1\r\nHost: x y\r\n", "GET /a HTTP/1.1\r\n" + host + host, "GET /a HTTP/1.1\r\n" + host + "host: y\r\n",
		"GET /a HTTP/1.1\r\n" + host + "Content-Length: 0\r\n", "GET /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n", "GET /a HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n",
		"GET /a HTTP/1.1\r\n" + host + "Connection: close\r\n", "GET /a HTTP/1.1\r\n" + host + "Connection: upgrade\r\nUpgrade: h2c\r\n", "GET /a HTTP/1.1\r\n" + host + "X-Unknown: 1\r\n",
		"GET /a HTTP/1.1\r\n" + host + "Accept: 1\r\nAccept: 2\r\n", "GET /a HTTP/1.1\r\n" + host + "Accept: 1\r\n 2\r\n", "GET /a HTTP/1.1\r\n" + host + "Accept : 1\r\n", "GET /a HTTP/1.1\r\n" + host + " Accept: 1\r\n",
		"GET /a HTTP/1.1\r\n" + host + "Accept: 1\nExpect: 2\r\n", "GET /a HTTP/1.1\n" + host, "GET /a HTTP/1.1\r\n" + host + "Accept: \x7f\r\n", "GET /a HTTP/1.1\r\n" + host + "Accept\r\n",
		"GET /a HTTP/1.1\r\n" + host + "\r\nGET /b HTTP/1.1\r\n" + host,
	} {
		if new(request).parse([]byte(text + "\r\n")) {
			t.Errorf("%q is taken for plain", text)
		}
	}
}

// net/http parses every plain request to the same request, with no bytes after it.
func FuzzRequest(f *testing.F) {
	for _, text := range plainOnes {
		f.Add([]byte(text))
		f.Add([]byte(strings.Replace(text, "\r\n", "\r\nAccept-Encoding: gzip, br\r\n", 1)))
		f.Add([]byte(strings.Replace(text, "\r\n", "\r\nContent-Length: 10\r\n", 1)))
		f.Add([]byte(strings.Replace(text, "\r\n", "\r\nPragma: no-cache\r\n", 1))) // to net/http a Cache-Control as well
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r request
		if !r.parse(data) {
			return
		}
		in := bufio.NewReaderSize(bytes.NewReader(data), len(data)+16)
		want, err := http.ReadRequest(in)
		if err != nil || in.Buffered() > 0 {
			t.Fatalf("%q is taken for plain, net/http says %v, %d bytes are left", data, err, in.Buffered())
		}
		got := r.with(context.Background(), "")
		if told(got) != told(want) || want.Close {
			t.Errorf("%q:\n%s, net/http reads\n%s", data, told(got), told(want))
		}
	})
}

func told(r *http.Request) string {
	return fmt.Sprintf("%s %q %q %q %q %v %d %v %v %q", r.Method, r.URL, r.URL.RawPath, r.RequestURI, r.Proto, r.Header, r.ContentLength, r.TransferEncoding, r.Body == http.NoBody, r.Host)
}
