package keypair

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write writes a new pair with a serial number, as of a time.
func write(t *testing.T, certFile, keyFile string, serial int64, at time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), at)
	put(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), at)
}

func put(t *testing.T, file string, content []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

// serialOf is the serial number of the certificate that a handshake gets.
func serialOf(t *testing.T, k *Pair) int64 {
	t.Helper()
	pair, err := k.Get(nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert.SerialNumber.Int64()
}

// A pair that was renewed is served from the next handshake on; one that is half written or
// missing leaves the previous one, and is logged once.
func TestPairIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	if _, err := Load(certFile, keyFile, logger); err == nil || !os.IsNotExist(err) && !strings.Contains(err.Error(), "cert.pem") {
		t.Fatalf("without files: %v", err)
	}
	at := time.Now().Add(-time.Hour)
	write(t, certFile, keyFile, 1, at)
	k, err := Load(certFile, keyFile, logger)
	if err != nil {
		t.Fatal(err)
	}
	if got := serialOf(t, k); got != 1 {
		t.Fatalf("serial %d, want 1", got)
	}
	put(t, certFile, []byte("half a certificate"), at.Add(time.Minute))
	for range 3 {
		if got := serialOf(t, k); got != 1 {
			t.Errorf("while the new one is half written: serial %d, want 1", got)
		}
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("logged %d times, want once: %s", n, &log)
	}
	write(t, certFile, keyFile, 2, at.Add(2*time.Minute))
	if got := serialOf(t, k); got != 2 {
		t.Errorf("after the renewal: serial %d, want 2", got)
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if got := serialOf(t, k); got != 2 {
		t.Errorf("without a key file: serial %d, want 2", got)
	}
}
