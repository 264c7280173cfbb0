package upstream

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"time"
)

// newTransport configures net/http for many small files from few hosts.
func newTransport(cfg Config, proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	t := &http.Transport{
		Proxy:                  proxy,
		DialContext:            cfg.Dial,
		TLSClientConfig:        tlsConfig(cfg.TLS),
		TLSHandshakeTimeout:    cfg.TLSTimeout,
		IdleConnTimeout:        cfg.IdleTimeout,
		MaxConnsPerHost:        cfg.MaxConnsPerHost,
		MaxIdleConns:           cfg.MaxIdleConns,
		MaxIdleConnsPerHost:    cfg.MaxIdleConnsPerHost,
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         32 << 10,
		DisableCompression:     true, // bytes exactly as sent (B5)
		Protocols:              protocols(cfg.HTTP),
		// StrictMaxConcurrentRequests must stay off: with it, requests beyond the server's
		// number of streams wait forever (golang/go#70809).
		HTTP2: &http.HTTP2Config{SendPingTimeout: cfg.StallTimeout, PingTimeout: 15 * time.Second},
	}
	if t.DialContext == nil {
		t.DialContext = dialer(cfg.DialTimeout)
	}
	return t
}

func protocols(choice string) *http.Protocols {
	p := new(http.Protocols)
	switch choice {
	case "2":
		p.SetHTTP2(true)
		p.SetUnencryptedHTTP2(true)
	case "best":
		p.SetHTTP1(true)
		p.SetHTTP2(true)
	default:
		p.SetHTTP1(true)
	}
	return p
}

func tlsConfig(given *tls.Config) *tls.Config {
	cfg := &tls.Config{}
	if given != nil {
		cfg = given.Clone()
	}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	if cfg.ClientSessionCache == nil {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return cfg
}
