// Package selfsigned makes certificates for a server that has none. It makes an authority
// once, which clients must trust, and with it a certificate for the names of the server. It
// makes a new certificate if the names change or half of its time is over. So clients need
// one file for ten years.
//
// The folder has authority.pem, which is public, and certificate.pem with certificate.key.
// Only their owner may read the keys, including authority.key. A holder of authority.key
// can impersonate any server to clients that trust the authority, so they should trust it
// only for this mirror (cargo's http.cainfo), not for the whole machine.
package selfsigned

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

const (
	authorityFor = 10 * 365 * 24 * time.Hour
	// servedFor is the maximum validity that Apple's systems accept for any authority.
	servedFor = 820 * 24 * time.Hour
	// early is how long before its creation a certificate becomes valid, because clocks
	// differ.
	early = 24 * time.Hour
	// mostNames bounds the names of a certificate, because a machine may have many
	// addresses.
	mostNames = 100
)

const (
	authorityFile, authorityKey = "authority.pem", "authority.key"
	servedFile, servedKey       = "certificate.pem", "certificate.key"
)

// Files are the paths of the keys and certificates.
type Files struct {
	Authority        string // for clients
	Certificate, Key string // for the server
}

// In returns the files of a server with these names, which are host names or addresses, in
// dir, after making missing ones. Errors: those of package durable; others if an existing
// file is not a key or certificate.
func In(dir string, names []string, now time.Time) (Files, error) {
	folder, err := durable.Create(dir)
	if err != nil {
		return Files{}, err
	}
	m := maker{folder, now}
	err = errors.Join(m.make(names[:min(len(names), mostNames)]), folder.Close())
	if err != nil {
		return Files{}, fmt.Errorf("making a certificate in %s: %w", dir, err)
	}
	return Files{filepath.Join(dir, authorityFile), filepath.Join(dir, servedFile), filepath.Join(dir, servedKey)}, nil
}

type maker struct {
	folder durable.FS
	now    time.Time
}

func (m maker) make(names []string) error {
	authority, err := m.load(authorityFile, authorityKey)
	if errors.Is(err, fs.ErrNotExist) || err == nil && m.now.After(authority.NotAfter.Add(-servedFor)) {
		authority, err = m.sign(authorityFile, authorityKey, m.authority(), nil)
	}
	if err != nil {
		return err
	}
	served, err := m.load(servedFile, servedKey)
	if err == nil && m.isGood(served, authority, names) {
		return nil
	}
	if err != nil && errors.As(err, new(*fs.PathError)) && !errors.Is(err, fs.ErrNotExist) {
		return err // it cannot be read; an invalid one is made again
	}
	_, err = m.sign(servedFile, servedKey, m.served(names), authority)
	return err
}

// pair is a certificate with its key.
type pair struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// load reads a pair. Errors: fs.ErrNotExist if a part of it is missing.
func (m maker) load(cert, key string) (*pair, error) {
	var texts [2][]byte
	for i, name := range []string{cert, key} {
		var err error
		if texts[i], err = durable.ReadFile(m.folder, name, maxFile); err != nil {
			return nil, err
		}
	}
	both, err := tls.X509KeyPair(texts[0], texts[1])
	if err != nil {
		return nil, fmt.Errorf("reading %s and %s: %w (remove both, and they are made again)", cert, key, err)
	}
	private, ok := both.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is a key of another kind than we make: remove it with %s, and both are made again", key, cert)
	}
	return &pair{both.Leaf, private}, nil
}

// maxFile is more than the size of any of our files, in bytes.
const maxFile = 64 << 10

// isGood reports whether a certificate can still be used.
func (m maker) isGood(c, by *pair, names []string) bool {
	if c.CheckSignatureFrom(by.Certificate) != nil || m.now.Before(c.NotBefore) || m.now.After(c.NotAfter.Add(-servedFor/2)) {
		return false
	}
	return !slices.ContainsFunc(names, func(name string) bool { return c.VerifyHostname(name) != nil })
}

func (m maker) authority() *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "clonecratesio " + m.now.UTC().Format(time.DateTime)}, NotAfter: m.now.Add(authorityFor),
		IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func (m maker) served(names []string) *x509.Certificate {
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: "clonecratesio"}, NotAfter: m.now.Add(servedFor),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
	return c
}

// sign makes a pair, self-signed if there is no authority. It writes the key first, because
// a certificate without its key would be a permanent error.
func (m maker) sign(cert, key string, c *x509.Certificate, by *pair) (*pair, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if c.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, err
	}
	c.NotBefore, c.BasicConstraintsValid = m.now.Add(-early), true
	if by == nil {
		by = &pair{c, private}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.Certificate, &private.PublicKey, by.key)
	if err != nil {
		return nil, err
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	if err := m.write(cert, key, pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", secret)); err != nil {
		return nil, err
	}
	return &pair{c, private}, nil
}

func pemOf(kind string, data []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data})
}

// write replaces a pair. It removes the old certificate first: after an interruption a part
// is missing, and the next server makes both.
func (m maker) write(cert, key string, public, secret []byte) error {
	if err := m.folder.Remove(cert); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := m.folder.SyncDir("."); err != nil {
		return err
	}
	w, err := durable.CreateWholePrivate(m.folder, key)
	if err != nil {
		return err
	}
	if _, err := w.Write(secret); err != nil {
		return errors.Join(err, w.Discard())
	}
	if err := w.Replace(); err != nil {
		return err
	}
	return durable.WriteFile(m.folder, cert, public)
}
