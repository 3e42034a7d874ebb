package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/storage"
	"usher/storage/password"
)

// hashed runs "usher hash" with that on its standard input and gives the line
// that it prints.
func hashed(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := command(t, t.TempDir(), nil, append([]string{"hash"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil || problems.Len() > 0 {
		t.Fatalf("%v: %s", err, &problems)
	}
	line, rest, _ := strings.Cut(out.String(), "\n")
	if rest != "" {
		t.Errorf("more than a line: %q", out.String())
	}
	return line
}

func TestHash(t *testing.T) {
	const secret = "  Pässw\u00f6rd 1\t"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, input string
		args        []string
		prefix      string
	}{
		{"input", secret, nil, "$argon2id$v=19$m=19456,t=2,p=1$"},
		{"a line", secret + "\n", nil, "$argon2id$v=19$m=19456,t=2,p=1$"},
		{"a line of Windows'", secret + "\r\n", nil, "$argon2id$v=19$m=19456,t=2,p=1$"},
		{"a file", "not this", []string{"--password-file", file}, "$argon2id$v=19$m=19456,t=2,p=1$"},
		{"parameters", secret, []string{"--hash-memory", "47104", "--hash-time", "1", "--hash-threads", "2"}, "$argon2id$v=19$m=47104,t=1,p=2$"},
		{"bcrypt", secret, []string{"--bcrypt"}, "$2a$10$"},
		{"bcrypt at a cost", secret, []string{"--bcrypt=11"}, "$2a$11$"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := hashed(t, tt.input, tt.args...)
			if !strings.HasPrefix(got, tt.prefix) || password.Verify(got, secret) != nil {
				t.Errorf("got %s", got)
			}
		})
	}
}

// What is refused is refused without a word of the password, on either stream.
func TestHashRefuses(t *testing.T) {
	const secret = "hunter2-secret"
	tests := []struct {
		name, input string
		environ     []string
		args        []string
		want        string
	}{
		{"an argument", "", nil, []string{secret}, "the password is read from the terminal, standard input or --password-file; it is no argument"},
		{"as if it were a flag", "", nil, []string{"-P" + secret}, "an unknown flag; the password is no argument"},
		{"as if it were a long flag", "", nil, []string{"--" + secret}, "an unknown flag; the password is no argument"},
		{"as a flag without a name", "", nil, []string{"---" + secret}, "an unknown flag; the password is no argument"},
		{"as a flag's value", "", nil, []string{"--bcrypt=" + secret}, "invalid argument for --bcrypt"},
		{"bcrypt's cost without =", "", nil, []string{"--bcrypt", "12"}, "it is no argument"},
		{"no file's name", "", nil, []string{"--password-file"}, "--password-file needs an argument"},
		{"nothing", "", nil, nil, "password: there is none"},
		{"an empty line", "\n", nil, nil, "password: there is none"},
		{"two lines", secret + "\nx\n", nil, nil, "password: more than one line"},
		{"two ends", secret + "\n\n", nil, nil, "password: more than one line"},
		{"no UTF-8", secret + "\xff", nil, nil, "password: not UTF-8"},
		{"too much", strings.Repeat("x", maxSecret+1), nil, nil, "password: more than 1048576 bytes"},
		{"no file", "", nil, []string{"--password-file", "missing"}, "--password-file: open missing: no such file or directory"},
		{"weak", secret, nil, []string{"--hash-memory", "1024"}, "--hash-memory, --hash-time, --hash-threads: password: memory 1024 KiB: want at least 19456 with time 2"},
		{"weak, by variable", secret, []string{"USHER_HASH_TIME=1"}, nil, "want at least 47104 with time 1"},
		{"too dear", secret, nil, []string{"--hash-memory", "1048576"}, "password: memory 1048576 KiB: want 8 per thread to 262144"},
		{"no passes", secret, nil, []string{"--hash-time", "0"}, "password: time 0: want 1 to 16"},
		{"no threads", secret, nil, []string{"--hash-threads", "0"}, "password: threads 0: want 1 to 16"},
		{"threads", secret, nil, []string{"--hash-threads", "256"}, "invalid argument"},
		{"bcrypt's cost", secret, nil, []string{"--bcrypt=9"}, "password: bcrypt cost 9: want 10 to 15"},
		{"bcrypt's length", strings.Repeat("é", 37), nil, []string{"--bcrypt"}, "password: bcrypt takes at most 72 bytes"},
		{"a variable", secret, []string{"USHER_HASHES=1"}, nil, "unknown settings: USHER_HASHES"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, t.TempDir(), tt.environ, append([]string{"hash"}, tt.args...)...)
			cmd.Stdin = strings.NewReader(tt.input)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.want) || strings.Contains(string(out), secret) {
				t.Errorf("%v: %.200s", err, out)
			}
		})
	}
	// What a server is set by does not get in the way.
	cmd := command(t, t.TempDir(), []string{"USHER_DB=x", "USHER_FUSION_ADMIN_PASSWORD=password123"}, "hash")
	cmd.Stdin = strings.NewReader(secret)
	if out, err := cmd.CombinedOutput(); err != nil || password.Verify(strings.TrimSpace(string(out)), secret) != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// A hash that was made here lets in, and only who has its password: by the one
// API that takes hashes, which are bcrypt's, and in the store, which takes both.
func TestHashesAreTaken(t *testing.T) {
	const secret = "Passw0rd-é"
	dir := t.TempDir()
	byHand := map[string]string{"argon": hashed(t, secret), "bcrypt": hashed(t, secret, "--bcrypt")}
	store, err := storage.Open(t.Context(), storage.Options{Path: filepath.Join(dir, "usher.db")})
	if err != nil {
		t.Fatal(err)
	}
	for name, hash := range byHand {
		if _, err := store.Directory("milvus").CreateUser(t.Context(), storage.Actor{}, storage.NewUser{ID: name, Name: name, Hash: hash}); err != nil {
			t.Errorf("%s: %v", hash, err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	p := start(t, dir, []string{"USHER_FUSION_ADMIN_PASSWORD=password123"}, "--db", "usher.db")
	made := send(t, "POST", p.url+"/api/users", `{"username":"carol","passwordHash":"`+byHand["bcrypt"]+`","roleNames":["search"]}`, basic("admin", "password123"))
	if made.status != http.StatusCreated {
		t.Fatal(made)
	}
	for tried, right := range map[string]bool{secret: true, secret + "x": false, "Passw0rd-e\u0301": false} {
		if got := send(t, "GET", p.url+"/api/session", "", basic("carol", tried)); (got.status == http.StatusOK) != right {
			t.Errorf("Fusion, %q: %s", tried, got)
		}
		for name := range byHand {
			got := send(t, "POST", p.url+"/v2/vectordb/users/describe", `{"userName":"`+name+`"}`, basic(name, tried))
			if strings.HasPrefix(got.body, `{"code":0,`) != right {
				t.Errorf("Milvus, %s, %q: %s", name, tried, got)
			}
		}
	}
}
