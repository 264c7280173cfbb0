// Package keypair reads a certificate and its key from files again when they change: who
// renews them need not start the server again.
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

// A Pair is a certificate and its key in files, which are replaced before
// the certificate expires.
type Pair struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex // guards what follows
	seen   [2]stamp   // of the files when they were read last, with or without success
	loaded *tls.Certificate
}

// A stamp changes with a file.
type stamp struct {
	modified time.Time
	size     int64
}

// Load reads a pair from PEM files. Errors: those of reading them.
func Load(certFile, keyFile string, log *slog.Logger) (*Pair, error) {
	k := &Pair{certFile: certFile, keyFile: keyFile, log: log}
	return k, k.load()
}

// Get is tls.Config.GetCertificate. It looks at the files in each handshake:
// that is a hundredth of its cost.
func (k *Pair) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		k.log.Error("the certificate has changed and cannot be used; the previous one is still served", "err", err)
	}
	return k.loaded, nil
}

// load reads the files if they have changed.
func (k *Pair) load() error {
	now, err := k.stamps()
	if k.loaded != nil && now == k.seen {
		return nil
	}
	k.seen = now // what is wrong is said once
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
