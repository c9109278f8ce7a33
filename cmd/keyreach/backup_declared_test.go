package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// An unchanged source is passed over for half of the time told, so that neither its backup
// expires nor verify finds it too old.
func TestUnchangedSourcesArePassedOverWhileTheirBackupIsYoungEnough(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct{ kept, oldest, want time.Duration }{
		"kept for 90 days":                       {90 * day, 0, 90 * day},
		"kept for 90 days, at most 36 hours old": {90 * day, 36 * time.Hour, 36 * time.Hour},
		"kept for as long as it may be old":      {7 * day, 7 * day, 7 * day},
		"kept for nobody says how long":          {0, 36 * time.Hour, 0},
	} {
		if got := passOver(c.kept, c.oldest); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

const declaredFile = `
accounts:
  vault: {id: "111122223333", region: eu-west-1, actor: {role: nodes}}
  backup: {id: "444455556666", region: us-east-1, actor: {role: nodes}}
routes:
  - name: cluster
    kind: backup
    vault: {account: vault, key: alias/one}
    hosts: [vault]
    restorers: [backup]
    backup:
      store: s3://org-backups/etcd
      source: {kind: etcd, endpoints: ["https://a:2379", "https://b:2379"], cert: pki/c.pem, key: /k.pem, before: [[stop, it]]}
      keys: ["arn:aws:kms:us-east-1:444455556666:key/4444abcd-12ab-34cd-56ef-1234567890ab"]
      recipients: [age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj]
      min_wraps: 1
      retention: {days: 90}
      max_age: 26h
      ping: https://example.org/ping
      sse_key: AES256
`

// What a route says, and what flags and arguments put in its place.
func TestWhatARouteDeclaresStandsWhereNoFlagIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyreach.yaml")
	if err := os.WriteFile(path, []byte(declaredFile), 0o600); err != nil {
		t.Fatal(err)
	}
	beside := func(name string) string { return filepath.Join(filepath.Dir(path), name) }
	const alias, far = "arn:aws:kms:eu-west-1:111122223333:alias/one", "arn:aws:kms:us-east-1:444455556666:key/4444abcd-12ab-34cd-56ef-1234567890ab"
	for name, c := range map[string]struct {
		kind, path string
		flags      []string
		want       func(f *createFlags) // from what the file says
	}{
		"nothing is given":           {"", "", nil, func(*createFlags) {}},
		"the kind is given":          {"etcd", "", nil, func(*createFlags) {}},
		"the file of a snapshot":     {"etcd", "s.db", nil, func(f *createFlags) { f.path, f.endpoints, f.cert, f.key = "s.db", nil, "", "" }},
		"other endpoints":            {"", "", []string{"--endpoints", "https://c:2379"}, func(f *createFlags) { f.endpoints = []string{"https://c:2379"} }},
		"another certificate":        {"", "", []string{"--cert", "x.pem"}, func(f *createFlags) { f.cert = "x.pem" }},
		"another hook":               {"", "", []string{"--before", "halt"}, func(f *createFlags) { f.before, f.hooks.before = "halt", nil }},
		"another name":               {"", "", []string{"--name", "other"}, func(f *createFlags) { f.name = "other" }},
		"another key":                {"", "", []string{"--kms-key", "alias/x"}, func(f *createFlags) { f.keys, f.minWraps = []string{"alias/x"}, 0 }},
		"another number of keys":     {"", "", []string{"--min-wraps", "2"}, func(f *createFlags) { f.minWraps = 2 }},
		"another retention":          {"", "", []string{"--retention", "7d"}, func(f *createFlags) { f.retention = "7d" }},
		"nobody is told":             {"", "", []string{"--ping", ""}, func(f *createFlags) { f.ping = "" }},
		"another bucket, of anybody": {"", "", []string{"--store", "s3://x/y", "--route", "cluster"}, func(f *createFlags) { f.at, f.bucketRegion, f.owner = "s3://x/y", "", "" }},
		"a bucket of another Region": {"", "", []string{"--bucket-region", "us-east-1"}, func(f *createFlags) { f.bucketRegion = "us-east-1" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := createFlags{}
			want.of, want.endpoints, want.cert, want.key = "etcd", []string{"https://a:2379", "https://b:2379"}, beside("pki/c.pem"), "/k.pem"
			want.hooks.before = [][]string{{"stop", "it"}}
			want.name, want.keys, want.minWraps = "cluster", []string{alias, far}, 1
			want.at, want.bucketRegion, want.owner = "s3://org-backups/etcd", "eu-west-1", "111122223333"
			want.retention, want.ping = "26h0m0s", "https://example.org/ping"
			c.want(&want)
			var got createFlags
			fs := pflag.NewFlagSet("create", pflag.ContinueOnError)
			got.add(fs)
			if err := fs.Parse(append(c.flags, "--dir", path)); err != nil {
				t.Fatal(err)
			}
			if err := got.declare(t.Context(), fs, c.kind, c.path); err != nil {
				t.Fatal(err)
			}
			for what, pair := range map[string][2]any{
				"source": {got.of + got.path, want.of + want.path}, "endpoints": {got.endpoints, want.endpoints}, "cert": {got.cert, want.cert}, "key": {got.key, want.key},
				"before": {got.before, want.before}, "hooks": {got.hooks.before, want.hooks.before}, "name": {got.name, want.name}, "keys": {got.keys, want.keys},
				"min wraps": {got.minWraps, want.minWraps}, "store": {got.at, want.at}, "Region": {got.bucketRegion, want.bucketRegion}, "owner": {got.owner, want.owner},
				"retention": {got.retention, want.retention}, "ping": {got.ping, want.ping}, "recipients": {len(got.recipients), 1}, "SSE key": {got.sseKey, ""},
			} {
				if !reflect.DeepEqual(pair[0], pair[1]) {
					t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
				}
			}
		})
	}
}
