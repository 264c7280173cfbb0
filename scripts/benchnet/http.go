//go:build unix

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"

	"golang.org/x/time/rate"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/line"
)

// serveFar is the main function of the other process: it serves crates through a line, and
// prints its address and its certificate.
func serveFar() error {
	all := crates()
	admit := rate.NewLimiter(rate.Inf, 0)
	if *budget > 0 {
		admit = rate.NewLimiter(rate.Limit(*budget), max(1, int(*budget/10)))
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		i, err := strconv.Atoi(req.URL.Path[1:])
		switch {
		case err != nil || i < 0 || i >= len(all):
			http.NotFound(w, req)
		case !admit.Allow():
			http.Error(w, "too many requests", http.StatusTooManyRequests)
		default:
			w.Header().Set("Content-Length", strconv.Itoa(len(all[i])))
			w.Write(all[i]) //nolint:errcheck // the client has gone
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	network, err := line.New(*trip, *bits/8)
	if err != nil {
		return err
	}
	fmt.Println(network.Addr())
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if _, err := os.Stdout.Write(append(cert, '#')); err != nil {
		return err
	}
	network.CarryTo(server.Listener.Addr().String())
	return nil
}

// httpClient returns a plain client with as many connections as requests.
func httpClient(roots *x509.CertPool, protocol string, n int) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP1(protocol == "1")
	p.SetHTTP2(protocol == "2")
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: p,
		MaxConnsPerHost: n, MaxIdleConns: n, MaxIdleConnsPerHost: n, ReadBufferSize: 32 << 10, DisableCompression: true,
	}}
}

var errBusy = errors.New("status 429")

// get downloads a URL and returns the checksum and size of the body.
func get(ctx context.Context, client *http.Client, url string) (sum crate.Checksum, size int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return sum, 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return sum, 0, err
	}
	defer resp.Body.Close()
	if sum, size, err = crate.Hash(resp.Body); err != nil {
		return sum, size, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return sum, size, nil
	case http.StatusTooManyRequests:
		return sum, size, errBusy
	}
	return sum, size, errors.New(resp.Status)
}
