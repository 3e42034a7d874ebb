package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs the certificates of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var der []byte
	der, a.key = a.sign(t, template, nil)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// sign signs with the authority's key, or, if there is no parent, with the new one.
func (a *authority) sign(t *testing.T, template, parent *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	by := a.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// files writes a certificate of 127.0.0.1 and its key, and gives their paths.
func (a *authority) files(t *testing.T, dir string, serial int64, until time.Time) (cert, key string) {
	t.Helper()
	return a.filesFrom(t, dir, serial, time.Time{}, until)
}

// filesFrom is files for a certificate that is good from some time on.
func (a *authority) filesFrom(t *testing.T, dir string, serial int64, from, until time.Time) (cert, key string) {
	t.Helper()
	der, private := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "usher"}, NotBefore: from, NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert)
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// client trusts the authority; each of its requests is a connection of its own.
func (a *authority) client(config *tls.Config) *http.Client {
	config.RootCAs = a.pool
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	cert, key := a.files(t, dir, 7, time.Now().Add(time.Hour))
	p := start(t, dir, []string{"USHER_TLS_CERT=" + cert}, "--demo", "--tls-key", key)
	address := strings.TrimPrefix(p.url, "http://")
	type seen struct {
		status, proto int
		header        http.Header
		tls           *tls.ConnectionState
	}
	get := func(config *tls.Config, path string) (seen, error) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("admin", "Fusion4dmin")
		response, err := a.client(config).Do(r)
		if err != nil {
			return seen{}, err
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return seen{response.StatusCode, response.ProtoMajor, response.Header, response.TLS}, nil
	}
	serial := func() int64 {
		t.Helper()
		response, err := get(&tls.Config{}, "/_usher/healthz")
		if err != nil {
			t.Fatal(err)
		}
		return response.tls.PeerCertificates[0].SerialNumber.Int64()
	}

	response, err := get(&tls.Config{}, "/api/users")
	if err != nil || response.status != http.StatusOK || response.proto != 2 || response.tls.Version != tls.VersionTLS13 {
		t.Fatalf("%v: %+v", err, response)
	}
	if cookie := response.header.Get("Set-Cookie"); !strings.HasSuffix(cookie, "; Secure") {
		t.Errorf("a cookie that may come back in plain: %s", cookie)
	}
	if response.header.Get("Strict-Transport-Security") != "" {
		t.Error("every server of this machine would have to speak TLS")
	}
	if response, err := get(&tls.Config{MaxVersion: tls.VersionTLS12}, "/api/users"); err != nil || response.status != http.StatusOK { //nolint:gosec // the least that it takes
		t.Errorf("TLS 1.2: %v", err)
	}
	for name, config := range map[string]*tls.Config{
		"TLS 1.1":            {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"no authentication":  {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}},
		"no forward secrecy": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
	} {
		if _, err := get(config, "/_usher/healthz"); err == nil || !strings.Contains(err.Error(), "remote error: tls") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a := send(t, "GET", p.url+"/_usher/healthz", ""); a.status != http.StatusBadRequest {
		t.Errorf("without TLS: %s", a)
	}

	// said waits for a line of the log.
	said := func(line string) {
		t.Helper()
		for wait := time.Now(); !strings.Contains(p.stderr.String(), line); time.Sleep(10 * time.Millisecond) {
			if time.Since(wait) > 20*time.Second {
				t.Fatalf("not in the log: %s: %s", line, p.stderr)
			}
		}
	}
	a.files(t, dir, 8, time.Now().Add(time.Hour))
	said("certificate reloaded")
	if got := serial(); got != 8 {
		t.Errorf("after new files: certificate %d", got)
	}
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	said("failed to find any PEM data in key input")
	a.files(t, dir, 9, time.Now().Add(-time.Minute))
	said("the certificate was good until")
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	said("no such file")
	if got := serial(); got != 8 {
		t.Errorf("after files that are no good: certificate %d", got)
	}
	a.files(t, dir, 10, time.Now().Add(time.Hour))
	for wait := time.Now(); serial() != 10; time.Sleep(50 * time.Millisecond) {
		if time.Since(wait) > 20*time.Second {
			t.Fatal("a good certificate after bad ones is not taken")
		}
	}
}

// A certificate that is no good stops a start, and leaves no store behind.
func TestStartWithABadCertificate(t *testing.T) {
	a := newAuthority(t)
	dir, empty := t.TempDir(), t.TempDir()
	cert, key := a.files(t, dir, 1, time.Now().Add(-time.Minute))
	serve := command(t, empty, nil, "serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	defer time.AfterFunc(20*time.Second, func() { _ = serve.Process.Kill() }).Stop() // it would serve for ever
	out, err := serve.CombinedOutput()
	if left, _ := os.ReadDir(empty); err == nil || len(left) != 0 || !strings.Contains(string(out), "was good until") {
		t.Errorf("%v, left behind: %v, said: %s", err, left, out)
	}
}

// A certificate that is not good yet does not take the place of one that is; it is
// looked at until it is.
func TestCertificateThatIsNotGoodYet(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	c, err := loadCertificate(a.files(t, dir, 1, time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	a.filesFrom(t, dir, 2, time.Now().Add(clockSkew+3*time.Second), time.Now().Add(time.Hour))
	if _, err := c.refresh(); err == nil || !strings.Contains(err.Error(), "is good from") || c.current.Load().Leaf.SerialNumber.Int64() != 1 {
		t.Errorf("%v", err)
	}
	eventually(t, "it is good", func() bool { _, err := c.refresh(); return err == nil })
	if serial := c.current.Load().Leaf.SerialNumber.Int64(); serial != 2 {
		t.Error(serial)
	}
}

// What others can reach speaks TLS, and says so to browsers, or is asked for.
func TestBeyondLoopback(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	cert, key := a.files(t, dir, 1, time.Now().Add(time.Hour))
	encrypted := start(t, dir, nil, "--tls-cert", cert, "--tls-key", key, "--listen", "milvus=0.0.0.0:0")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(encrypted.next(t), "http://"))
	response, err := a.client(&tls.Config{}).Get("https://127.0.0.1:" + port + "/_usher/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.Header.Get("Strict-Transport-Security") == "" {
		t.Error("a browser may come back without TLS")
	}
	plain := start(t, t.TempDir(), nil, "--insecure", "--listen", "milvus=0.0.0.0:0")
	_, port, _ = net.SplitHostPort(strings.TrimPrefix(plain.next(t), "http://"))
	if a := send(t, "GET", "http://127.0.0.1:"+port+"/_usher/healthz", ""); a.status != http.StatusOK || a.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("--insecure: %s %v", a, a.header)
	}
}

// What --demo has filled, others cannot reach at a later start either, whichever
// flags it is given; nor once the accounts have other passwords.
func TestDemoStoreBeyondLoopback(t *testing.T) {
	dir := t.TempDir()
	cert, key := newAuthority(t).files(t, dir, 1, time.Now().Add(time.Hour))
	demo := start(t, dir, nil, "--demo", "--db", "usher.db")
	send(t, "PUT", demo.url+"/node/api/users/5e78c51788c61a1fbf34b673/password", `{"newPassword":"another-1"}`, basic("admin", "saymon-admin")).expect(t, 200, "")
	demo.kill()
	for _, args := range [][]string{
		{"--insecure", "--listen", "0.0.0.0:0"},
		{"--tls-cert", cert, "--tls-key", key, "--listen", "127.0.0.1:0", "--listen", "milvus=0.0.0.0:0"},
	} {
		said := outputOf(t, dir, 1, append([]string{"serve"}, args...)...)
		if !strings.Contains(said, "usher.db was filled by --demo, whose passwords are public") || strings.Contains(said, `"listening"`) {
			t.Errorf("%v: %s", args, said)
		}
	}
	again := start(t, dir, nil, "--insecure")
	if a := send(t, "GET", again.url+"/node/api/users/current", "", basic("admin", "saymon-admin")); a.status != http.StatusOK {
		t.Errorf("on loopback: %s", a)
	}
}

// Only a declared proxy says who calls.
func TestTrustedProxy(t *testing.T) {
	from := func(forwarded string) func(*http.Request) {
		return func(r *http.Request) { r.Header["X-Forwarded-For"] = strings.Split(forwarded, "|") }
	}
	for name, test := range map[string]struct{ trusted, forwarded, source string }{
		"a proxy of ours":              {"127.0.0.0/8", "192.0.2.9", "192.0.2.9"},
		"what the caller says himself": {"127.0.0.0/8", "192.0.2.1, 192.0.2.9", "192.0.2.9"},
		"in another header":            {"127.0.0.0/8", "192.0.2.1|192.0.2.9", "192.0.2.9"},
		"two proxies":                  {"127.0.0.0/8,10.0.0.0/8", "192.0.2.9, 10.1.2.3", "192.0.2.9"},
		"no proxy of ours":             {"10.0.0.0/8", "192.0.2.9", "127.0.0.1"},
		"a private network is none":    {"127.0.0.0/8", "192.0.2.9, 10.1.2.3", "10.1.2.3"},
		"no address":                   {"127.0.0.0/8", "nobody", "127.0.0.1"},
		"one proxy by its address":     {"127.0.0.1", "192.0.2.1, 192.0.2.9:1234", "192.0.2.9"},
		"IPv6":                         {"127.0.0.0/8", "2001:DB8::9", "2001:db8::9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, t.TempDir(), []string{"USHER_TRUSTED_PROXY=" + test.trusted}, "--demo")
			send(t, "GET", p.url+"/node/api/users/current", "", from(test.forwarded))
			for wait := time.Now(); !strings.Contains(p.stderr.String(), `"source":"`+test.source+`"`); time.Sleep(time.Millisecond) {
				if time.Since(wait) > 10*time.Second {
					t.Fatalf("no request from %s: %s", test.source, p.stderr)
				}
			}
		})
	}
}

// Cookies are for TLS only if a declared proxy says that it ends it.
func TestProxyThatEndsTLS(t *testing.T) {
	over := func(proto string) func(*http.Request) {
		return func(r *http.Request) { r.Header["X-Forwarded-Proto"] = strings.Split(proto, "|") }
	}
	behind := start(t, t.TempDir(), nil, "--demo", "--trusted-proxy", "10.0.0.0/8,127.0.0.0/8")
	beside := start(t, t.TempDir(), nil, "--demo", "--trusted-proxy", "10.0.0.0/8")
	for _, test := range []struct {
		p      *process
		proto  string
		secure bool
	}{{behind, "https", true}, {behind, "http", false}, {beside, "https", false}, {behind, "http, https", true}, {behind, "https,http", false}, {behind, "http|https", true}, {behind, "https|http", false}} {
		a := send(t, "GET", test.p.url+"/api/users", "", basic("admin", "Fusion4dmin"), over(test.proto))
		if cookie := a.header.Get("Set-Cookie"); cookie == "" || strings.HasSuffix(cookie, "; Secure") != test.secure {
			t.Errorf("%s: %s", test.proto, cookie)
		}
	}
}
