package registry

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A keyPair is a certificate and its key in files, which are replaced before
// the certificate expires.
type keyPair struct {
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

func loadKeyPair(certFile, keyFile string, log *slog.Logger) (*keyPair, error) {
	k := &keyPair{certFile: certFile, keyFile: keyFile, log: log}
	return k, k.load()
}

// get is tls.Config.GetCertificate. It looks at the files in each handshake:
// that is a hundredth of its cost.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		k.log.Error("the certificate has changed and cannot be used; the one before goes on being served", "err", err)
	}
	return k.loaded, nil
}

// load reads the files if they have changed.
func (k *keyPair) load() error {
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

func (k *keyPair) stamps() (s [2]stamp, err error) {
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
