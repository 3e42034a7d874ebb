package storage_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"usher/storage"
	"usher/storage/password"
)

// world is a directory of a thousand users with two roles each.
func world(b *testing.B, set ...func(*storage.Options)) *storage.Directory {
	b.Helper()
	d := open(b, set...).Directory("d")
	seed := storage.Seed{Records: map[storage.RecordKind][]storage.Record{storage.Role: {
		{ID: "r1", Name: "search", Document: raw(`{"permissions":[{"methods":["PATCH"],"path":"/users/{id}","params":{"id":["#ID"]}}]}`)},
		{ID: "r2", Name: "developer", Document: raw(`{"permissions":[{"methods":["PATCH"],"path":"/users/{id}","params":{"id":["#ID"]}}]}`)},
	}}}
	for i := range 1000 {
		seed.Users = append(seed.Users, storage.NewUser{
			ID: fmt.Sprintf("fe0885f2-8885-4c46-a3ea-8e5d0041%04d", i), Realm: "native", Name: fmt.Sprint("user", i),
			Roles: []string{"search", "developer"}, Document: raw(`{"timezone":"Pacific Time (US & Canada)","permissions":[]}`),
		})
	}
	seed.Users[0].Password = "password123"
	if _, err := d.Seed(b.Context(), admin, seed); err != nil {
		b.Fatal(err)
	}
	return d
}

// What a request with a password that is proven costs, next to the reading of
// a user alone.
func BenchmarkAuthenticateProven(b *testing.B) {
	for name, target := range map[string]string{"self": "", "target": "fe0885f2-8885-4c46-a3ea-8e5d00410500"} {
		b.Run(name, func(b *testing.B) {
			d := world(b)
			by := storage.Actor{Source: "192.0.2.1"}
			c := storage.Credentials{Realm: "native", Name: "user0", Password: "password123", Target: target}
			if _, err := d.Authenticate(b.Context(), by, c); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := d.Authenticate(b.Context(), by, c); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkUser(b *testing.B) {
	d := world(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := d.User(b.Context(), "fe0885f2-8885-4c46-a3ea-8e5d00410000"); err != nil {
				b.Error(err)
			}
		}
	})
}

// An owner's change of a password that is not proven yet is two hashes and two
// transactions; next to it, the two hashes alone, on all cores. There are more
// clients than cores, so that one waits for the disk while another hashes.
func BenchmarkChangePassword(b *testing.B) {
	b.Run("store", func(b *testing.B) {
		s := open(b, func(o *storage.Options) { o.Hash = password.DefaultParams })
		d := s.Directory("d")
		hash, err := password.Hash("old", password.DefaultParams)
		if err != nil {
			b.Fatal(err)
		}
		for i := range b.N {
			mustCreate(b, d, storage.NewUser{Name: fmt.Sprint(i), Hash: hash})
		}
		var next atomic.Int64
		b.SetParallelism(8)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c := storage.Credentials{Name: fmt.Sprint(next.Add(1) - 1), Password: "old"}
				l, err := d.Authenticate(b.Context(), storage.Actor{}, c)
				if err != nil {
					b.Error(err)
					continue
				}
				_, err = d.ChangePassword(b.Context(), admin, storage.PasswordChange{ID: l.User.ID, Old: "old", New: "new"})
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("two hashes", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				for range 2 {
					if _, err := password.Hash("new", password.DefaultParams); err != nil {
						b.Error(err)
					}
				}
			}
		})
	})
}

// Opening is what each test in a world of its own pays for.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		s := open(b)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// A sandbox pays for this: a store of some users, made of an image.
func BenchmarkOpenImage(b *testing.B) {
	s := open(b)
	for api := range 4 {
		for user := range 3 {
			mustCreate(b, s.Directory(fmt.Sprint(api)), storage.NewUser{Name: fmt.Sprint(user), Roles: []string{"admin"}, Password: "password123"})
		}
	}
	i, err := s.Image(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	o := storage.Options{Hash: cheap, Volatile: true}
	dir := b.TempDir()
	for n := 0; b.Loop(); n++ {
		o.Path = filepath.Join(dir, fmt.Sprint(n))
		s, err := storage.OpenImage(b.Context(), o, i)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(len(i.Bytes())), "B/image")
}
