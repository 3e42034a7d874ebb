package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// reloadInterval is how often the certificate's files are looked at. They are
// read, not asked for their times: a mounted secret changes by a symbolic link,
// and two writes may fall into one tick of a file system's clock.
const reloadInterval = time.Second

// clockSkew is by how much clocks of authorities may be ahead of this one.
const clockSkew = 5 * time.Minute

// certificate is the server's certificate, as its files had it last.
type certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
	seen              string // what was found in the files last, good or not
}

// loadCertificate reads a certificate, with its chain, and its key from PEM
// files. Errors: they cannot be read, do not belong together, have expired, or are
// not good yet.
func loadCertificate(certFile, keyFile string) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	if _, err := c.refresh(); err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	return c, nil
}

// refresh reads the files, and takes over what they have if that is good.
// changed: it is not what was there the last time.
func (c *certificate) refresh() (changed bool, err error) {
	cert, certErr := os.ReadFile(c.certFile)
	key, keyErr := os.ReadFile(c.keyFile)
	err = errors.Join(certErr, keyErr)
	sum := sha256.Sum256(append(append([]byte{}, cert...), key...))
	seen := string(sum[:])
	if err != nil {
		seen = err.Error()
	}
	if seen == c.seen {
		return false, nil
	}
	c.seen = seen
	if err != nil {
		return true, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return true, err
	}
	if ends := pair.Leaf.NotAfter; time.Now().After(ends) {
		return true, fmt.Errorf("the certificate was good until %s", ends.Format(time.RFC3339))
	}
	if begins := pair.Leaf.NotBefore; time.Now().Add(clockSkew).Before(begins) {
		c.seen = "" // to be looked at again: it will be good
		return true, fmt.Errorf("the certificate is good from %s", begins.Format(time.RFC3339))
	}
	c.current.Store(&pair)
	return true, nil
}

// watch takes over what the files have whenever that changes, until ctx is done.
// A change that is no good leaves the certificate that there was.
func (c *certificate) watch(ctx context.Context, every time.Duration, logger *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for said, doubt := "", ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch changed, err := c.refresh(); {
		case err != nil && err.Error() == said:
		case err != nil && err.Error() != doubt: // files that are being swapped may be good the next time
			doubt = err.Error()
			c.seen = ""
		case err != nil:
			said = err.Error()
			logger.ErrorContext(ctx, "certificate kept, since the new one is no good", "error", err)
		case changed:
			said, doubt = "", ""
			logger.InfoContext(ctx, "certificate reloaded", "not_after", c.current.Load().Leaf.NotAfter)
		}
	}
}

// config is TLS 1.2 with forward secrecy and authenticated encryption only, or
// 1.3.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of 1.2; those of 1.3 are not for choosing
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
