package upstream

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/net/http/httpproxy"
)

// Proxy returns an [http.Transport.Proxy] that follows the environment: HTTP_PROXY,
// HTTPS_PROXY and NO_PROXY as in net/http, and otherwise ALL_PROXY as in curl, and
// therefore git and cargo. A kind of proxy that net/http does not know is an error, because
// net/http would treat it as an HTTP proxy.
func Proxy() (func(*http.Request) (*url.URL, error), error) {
	cfg := httpproxy.FromEnvironment()
	rest := cmp.Or(os.Getenv("all_proxy"), os.Getenv("ALL_PROXY"))
	cfg.HTTPProxy = cmp.Or(cfg.HTTPProxy, rest)
	cfg.HTTPSProxy = cmp.Or(cfg.HTTPSProxy, rest)
	for _, proxy := range []string{cfg.HTTPProxy, cfg.HTTPSProxy} {
		if err := checkProxy(proxy); err != nil {
			return nil, err
		}
	}
	proxy := cfg.ProxyFunc()
	return func(req *http.Request) (*url.URL, error) { return proxy(req.URL) }, nil
}

func checkProxy(proxy string) error {
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" {
		return nil // "host:port" means http; httpproxy reports other errors on use
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return nil
	}
	return fmt.Errorf("reading the proxy in the environment: scheme %q is none of http, https, socks5, socks5h", u.Scheme)
}
