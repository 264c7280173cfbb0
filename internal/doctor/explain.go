package doctor

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// explain says in plain words why an address cannot be reached, and what to change.
func explain(err error) (text, advice string) {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err // the address is in the message already
	}
	if text, advice := explainTLS(err); text != "" {
		return text, advice
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("no address is known for the name %s", dns.Name), "correct the name, or enter it into DNS or /etc/hosts"
	}
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it speaks plain HTTP, not HTTPS", "use http:// in the address, or give serve -tls-cert and -tls-key"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there", "start the server, or correct host and port"
	case ok && timeout.Timeout():
		return "no answer in time", "look for a firewall or a proxy on the way"
	}
	return err.Error(), ""
}

func explainTLS(err error) (text, advice string) {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its certificate is of an authority that this machine does not trust",
			"tell cargo of that authority: CARGO_HTTP_CAINFO=/path/of/ca.pem, or cainfo under [http] in its configuration; here: -cainfo"
	}
	if host, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("its certificate is for %s, not for %s", strings.Join(certNames(host.Certificate), ", "), host.Host),
			"use an address that the certificate names, or get one for this address"
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case !ok:
		return "", ""
	case invalid.Reason != x509.Expired:
		return "its certificate is invalid: " + invalid.Error(), "get another certificate"
	case time.Now().Before(invalid.Cert.NotBefore):
		return fmt.Sprintf("its certificate is valid from %s on, which is in the future", invalid.Cert.NotBefore.UTC().Format(time.RFC3339)),
			"look at the clock of this machine, then at the certificate"
	}
	return fmt.Sprintf("its certificate has expired, %s", invalid.Cert.NotAfter.UTC().Format(time.RFC3339)),
		"renew it (serve reads it again by itself), or look at the clock of this machine"
}

func certNames(cert *x509.Certificate) []string {
	names := append([]string{}, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return []string{"no host at all"}
	}
	return names
}

// explainStatus says what a status other than 200 means for cargo.
func explainStatus(a *answer) (text, advice string) {
	body := a.beginning()
	switch {
	case a.code == http.StatusBadRequest && strings.Contains(body, "HTTPS"):
		return "it speaks HTTPS, and was asked in plain HTTP", "use https:// in the address"
	case a.code == http.StatusUnauthorized, a.code == http.StatusForbidden:
		return fmt.Sprintf("it refuses (%d): %s", a.code, body), "allow reading without a login; S3 answers 403 for what is not there unless listing is allowed"
	case a.code == http.StatusProxyAuthRequired:
		return "the proxy on the way wants a login", "set http_proxy with user and password, or no_proxy for this host"
	case a.code == http.StatusBadGateway, a.code == http.StatusServiceUnavailable, a.code == http.StatusGatewayTimeout:
		return fmt.Sprintf("the proxy in front does not reach the server (%d)", a.code), "start the server, or correct the proxy's upstream"
	}
	return fmt.Sprintf("it answers %d: %s", a.code, body), ""
}
