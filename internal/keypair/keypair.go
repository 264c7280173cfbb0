// Package keypair reads a certificate and its key again when their files change, so that
// renewing them needs no restart of the server.
package keypair

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A Pair is a certificate and its key in files, which their owner replaces before the
// certificate expires.
type Pair struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex // guards what follows
	seen   [2]stamp   // of the files when they were last read, with or without success
	loaded *tls.Certificate
}

// A stamp changes when its file changes.
type stamp struct {
	modified time.Time
	size     int64
}

// Load reads a pair from PEM files. Errors: those of reading and parsing them.
func Load(certFile, keyFile string, log *slog.Logger) (*Pair, error) {
	k := &Pair{certFile: certFile, keyFile: keyFile, log: log}
	return k, k.load()
}

// Get is for tls.Config.GetCertificate. It checks the files in each handshake, which takes a
// hundredth of the handshake's time.
func (k *Pair) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		k.log.Error("the certificate has changed and cannot be used; still using the previous one", "err", err)
	}
	return k.loaded, nil
}

// load reads the files if they have changed.
func (k *Pair) load() error {
	now, err := k.stamps()
	if k.loaded != nil && now == k.seen {
		return nil
	}
	k.seen = now // a problem is logged once
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return fmt.Errorf("reading the certificate %s and its key %s: %w", k.certFile, k.keyFile, err)
	}
	k.loaded = &pair
	return nil
}

func (k *Pair) stamps() (s [2]stamp, err error) {
	for i, name := range []string{k.certFile, k.keyFile} {
		info, statErr := os.Stat(name)
		if statErr != nil {
			err = errors.Join(err, statErr)
			continue
		}
		s[i] = stamp{info.ModTime(), info.Size()}
	}
	return s, err
}
