package route_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

const backupFile = `
accounts:
  cluster: {id: "444455556666", region: us-east-1, actor: {role: nodes}}
  recovery: {id: "111122223333", region: us-east-1, actor: {role: restorer}}
routes:
  - name: ca
    kind: backup
    vault: {account: cluster, key: "arn:aws:kms:us-east-1:444455556666:key/one"}
    hosts: [cluster]
    restorers: [recovery]
    backup:
      store: s3://example-org-ca/step-ca/
      source: {kind: step-ca, path: /etc/step-ca, before: [[systemctl, stop, ca]], after: [[systemctl, start, ca]]}
      name: main
      recipients: [age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq]
      keys: ["arn:aws:kms:us-west-2:111122223333:key/two", {account: recovery, key: alias/three}]
      min_wraps: 2
      admins: recovery
      retention: {days: 90, expire: true}
      max_age: 36h
      ping: https://example.com/ping
      sse_key: AES256
`

func backupRoute(t testing.TB, text string) *route.Route {
	t.Helper()
	f, err := route.Load("keyreach.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &f.Routes[0]
}

func TestTheBackupPartIsReadWhole(t *testing.T) {
	t.Parallel()
	r := backupRoute(t, backupFile)
	b := r.Backup
	bucket, prefix, ok := b.Bucket()
	if !ok || bucket != "example-org-ca" || prefix != "step-ca" {
		t.Errorf("the store is %q, %q", bucket, prefix)
	}
	if b.Name != "main" || b.MinWraps != 2 || b.MaxAge != 36*time.Hour || b.Retention.Days != 90 || !b.Retention.Expire || len(b.Recipients) != 1 || b.Ping == "" || b.SSEKey != route.AES256 {
		t.Errorf("%+v", b)
	}
	if b.Source.Kind != "step-ca" || b.Source.Path != "/etc/step-ca" || !slices.Equal(b.Source.Before[0], []string{"systemctl", "stop", "ca"}) {
		t.Errorf("%+v", b.Source)
	}
	var ids []string
	keys := r.WrapKeys()
	for i := range keys {
		ids = append(ids, keys[i].KeyID())
	}
	if want := []string{"arn:aws:kms:us-east-1:444455556666:key/one", "arn:aws:kms:us-west-2:111122223333:key/two", "arn:aws:kms:us-east-1:111122223333:alias/three"}; !slices.Equal(ids, want) {
		t.Errorf("keys %v, want %v", ids, want)
	}
	if keys[1].Name != "recovery" || len(r.Parties["admins"]) != 1 || len(r.Warnings()) != 0 {
		t.Errorf("%+v, %+v, %v", keys[1], r.Parties["admins"], r.Warnings())
	}
	plain := backupRoute(t, strings.Replace(backupFile, "      name: main\n", "", 1))
	if plain.Backup.Name != "ca" {
		t.Errorf("without a name it is called %q", plain.Backup.Name)
	}
}

// What a backup part says is read strictly, and by the schema as far as that can say it.
func TestBackupPartsThatAreWrong(t *testing.T) {
	t.Parallel()
	schema := fileSchema(t)
	change := func(from, to string) string {
		if !strings.Contains(backupFile, from) {
			t.Fatalf("nothing says %q", from)
		}
		return strings.Replace(backupFile, from, to, 1)
	}
	tests := []struct {
		name, text, want string
		schemaTakesIt    bool
	}{
		{"a good one", backupFile, "", true},
		{"a name that an id has otherwise", change("name: main", "name: main.eu"), `"main.eu" cannot be the name of a backup`, false},
		{"a name that an id cuts", change("name: main", "name: main-"), `"main-" cannot be the name of a backup`, false},
		{"a directory", change("s3://example-org-ca/step-ca/", "/srv/backups"), "sse_key is for a store in S3", true},
		{"another scheme", change("s3://", "gs://"), `"gs://example-org-ca/step-ca/" is no store`, true},
		{"a bucket that is none", change("example-org-ca", "Example_Org"), "is no name of a bucket", true},
		{"no store", change("      store: s3://example-org-ca/step-ca/\n", ""), "it is not said where the backups lie", false},
		{"an unknown member", change("ping:", "pong:"), "did you mean ping?", false},
		{"an unknown source", change("kind: step-ca", "kind: mysql"), `there is no kind of source called "mysql"`, false},
		{"endpoints of files", change("before: [[", "endpoints: [a], before: [["), "endpoints, cert, key and cacert are those of etcd", true},
		{"files left out of a CA", change("before: [[", "exclude: [tmp], before: [["), "exclude leaves out files, and step-ca is backed up whole", true},
		{"an empty hook", change("[[systemctl, stop, ca]]", "[[]]"), "a command is empty", false},
		{"a hook that is a text", change("[[systemctl, stop, ca]]", "[systemctl stop ca]"), "it should be a list", false},
		{"a secret identity", change("age1qqqq", "AGE-SECRET-KEY-1qqqq"), "this is the identity, which is secret", false},
		{"a recipient of another kind", change("age1qqqq", "ssh-qqqq"), "this is no recipient of age", false},
		{"a key that is an alias's ARN", change(":key/two", ":alias/two"), "an alias is written", false},
		{"a key of nobody", change("{account: recovery, key", "{account: recovry, key"), "did you mean recovery?", true},
		{"more wraps than keys", change("min_wraps: 2", "min_wraps: 4"), "min_wraps is 4, and there are 3 keys", true},
		{"a passphrase beside keys", change("min_wraps: 2", "passphrase_file: /etc/pass"), "a passphrase encrypts alone", true},
		{"a passphrase itself", change("min_wraps: 2", "passphrase: secret"), `"passphrase" is no member here`, false},
		{"days and keep", change("{days: 90, expire: true}", "{days: 90, keep: {last: 3}}"), "retention has both days and keep", true},
		{"kept too shortly", change("days: 90", "days: 2"), "keep them for at least twice max_age", true},
		{"an end that nobody watches", change("      max_age: 36h\n", ""), "S3 hides the last backup of a source that is quiet too", true},
		{"an end of no day", change("{days: 90, expire: true}", "{expire: true}"), "after how many days", true},
		{"more days than can be counted", change("days: 90", "days: 213504"), "more than can be counted", true},
		{"less than nothing", change("days: 90", "days: -1"), "counts days and backups from zero", false},
		{"an age that is none", change("36h", "often"), `"often" is no length of time`, true},
		{"a ping that is no URL", change("https://example.com/ping", "example"), "ping is no URL", false},
		{"a key of another Region for S3", change("AES256", `"arn:aws:kms:eu-west-1:444455556666:key/x"`), "S3 encrypts under keys of the bucket's Region", true},
		{"keys outside the part", change("    hosts: [cluster]\n", "    hosts: [cluster]\n    keys: [cluster]\n"), `"keys" is no member of a route of kind backup`, false},
		{"of another kind", change("kind: backup", "kind: envelope"), `"backup" is no member of a route of kind envelope`, false},
		{"that says nothing", backupFile[:strings.Index(backupFile, "      store:")], "backup says nothing", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := route.Load("keyreach.yaml", []byte(tt.text))
			var file *estate.FileError
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (!errors.As(err, &file) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error:\n%v\nwant one with %s", err, tt.want)
			}
			if file != nil && (file.Problems[0].Position.Line == 0 || strings.Contains(err.Error(), "AGE-SECRET-KEY-1qqqq") && tt.name != "a secret identity") {
				t.Errorf("a problem without its place: %+v", file.Problems[0])
			}
			if err := validate(schema, tt.text); (err == nil) != tt.schemaTakesIt {
				t.Errorf("the schema says %v", err)
			}
		})
	}
}

// A rule of S3 hides everything below a prefix, whichever route wrote it.
func TestAnEndIsForNoBackupsOfOthers(t *testing.T) {
	t.Parallel()
	another := func(store, retention string) string {
		return backupFile + `  - name: etcd
    kind: backup
    vault: {account: cluster, key: "arn:aws:kms:us-east-1:444455556666:key/one"}
    hosts: [cluster]
    restorers: [recovery]
    backup:
      store: ` + store + `
      source: {kind: etcd, path: /var/snapshot.db}
      max_age: 24h
      retention: ` + retention + "\n"
	}
	const theirs, hides = "s3://example-org-ca/step-ca", "S3 would hide the backups of "
	for _, tt := range []struct{ name, text, want string }{
		{"one store, and no end for the other", another(theirs, "{days: 365}"), hides + "etcd too after 90 days"},
		{"one store, and the other's end is later", another(theirs, "{days: 365, expire: true}"), hides + "etcd too after 90 days"},
		{"one store, and the other's end is sooner", another(theirs, "{days: 30, expire: true}"), hides + "ca too after 30 days"},
		{"one store and one end", another(theirs, "{days: 90, expire: true}"), ""},
		{"a store below", another(theirs+"/etcd", "{days: 365}"), hides + "etcd too after 90 days"},
		{"a store below that ends sooner", another(theirs+"/etcd", "{days: 30, expire: true}"), ""},
		{"a store around", another("s3://example-org-ca", "{days: 30, expire: true}"), hides + "ca too after 30 days"},
		{"a store beside", another(theirs+"-etcd", "{days: 30}"), ""},
		{"another bucket", another("s3://example-org/step-ca", "{days: 30}"), ""},
		{"a directory", another("/step-ca", "{days: 30}"), ""},
	} {
		_, err := route.Load("keyreach.yaml", []byte(tt.text))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// Of a route with a backup part every right of every use is taken away alone: exactly the
// steps that make the use are blocked. The context of the envelope may narrow what is given.
func TestRemovingOneRightOfABackup(t *testing.T) {
	t.Parallel()
	empty, err := estate.Load("empty.json", []byte(`{"format_version":1,"accounts":[],"principals":[],"keys":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(strings.Replace(backupFile, "      sse_key: AES256\n", "", 1), "alias/three", `"arn:aws:kms:us-east-1:111122223333:key/three"`, 1)
	r := backupRoute(t, text)
	asks := mustProve(t, r, empty)
	var rights []right
	for _, s := range asks.Steps {
		for _, q := range s.Requests {
			if x := (right{q.Caller, q.Use.Action, q.Key}); !slices.Contains(rights, x) {
				rights = append(rights, x)
			}
		}
	}
	// Two of S3 for hosts, three keys to encrypt under; three to decrypt and tell of, of
	// which S3 decrypts with the first too.
	if len(rights) != 2+3+6 {
		t.Errorf("%d rights: %v", len(rights), rights)
	}
	if p := mustProve(t, r, grantedEstate(t, asks, rights)); p.Verdict != route.Proven {
		t.Fatalf("with every right it is %v", p.Verdict)
	}
	for i, gone := range rights {
		p := mustProve(t, r, grantedEstate(t, asks, slices.Delete(slices.Clone(rights), i, i+1)))
		for j := range p.Steps {
			if want := expectedWithout(&asks.Steps[j], gone); p.Steps[j].Verdict != want {
				t.Errorf("without %+v: step %s is %v, want %v", gone, p.Steps[j].Name, p.Steps[j].Verdict, want)
			}
		}
	}
}

// What the encryption context carries can narrow a policy, and what it does not carry
// closes it.
func TestTheContextOfABackupNarrows(t *testing.T) {
	t.Parallel()
	for under, want := range map[string]route.Verdict{
		`"kms:EncryptionContext:app": "keyreach"`: route.Proven,
		`"kms:EncryptionContext:kind": "etcd"`:    route.Proven,
		`"kms:EncryptionContext:name": "prod"`:    route.Proven,
		`"kms:EncryptionContext:name": "test"`:    route.Blocked,
		`"kms:EncryptionContext:kind": "step-ca"`: route.Blocked,
		`"kms:EncryptionContext:app": "other"`:    route.Blocked,
	} {
		p := provenWith(t, `"kms:EncryptionContext:app": "keyreach"`, under)
		if s := step(p, "wrap"); s.Verdict != want {
			t.Errorf("under %s a host's step is %v, want %v", under, s.Verdict, want)
		}
	}
}

// What is gone, and whether the backups still open.
func TestSurvivorsOfBackups(t *testing.T) {
	t.Parallel()
	const cluster, recovery = "account:444455556666", "account:111122223333"
	const first, second = "key:arn:aws:kms:us-east-1:111122223333:key/5678abcd-12ab-34cd-56ef-1234567890ab", "key:arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	keyless := func(r *route.Route) { delete(r.Parties, "keys") }
	tests := []struct {
		name, gone string
		change     func(*route.Route)
		lost, with string
	}{
		{"the cluster's account", cluster, nil, "", "arn:aws:kms:us-east-1:111122223333"},
		{"the key of the vault", first, nil, "", "arn:aws:kms:us-east-1:444455556666"},
		{"the other key", second, nil, "", "arn:aws:kms:us-east-1:111122223333"},
		{"the account of the bucket", recovery, nil, "a copy in another place would still open", ""},
		{"the Region of everything", "region:us-east-1", nil, "every key that opens it is gone", ""},
		{"another Region", "region:eu-west-1", nil, "", "arn:aws:kms:us-east-1:111122223333"},
		{"the only key", first, keyless, "every key that opens it is gone", ""},
		{"the only key, with a recipient", first, func(r *route.Route) { keyless(r); r.Backup.Recipients = []string{"age1x"} }, "", "age1x"},
		{"the key under which S3 has it", first, func(r *route.Route) { r.Backup.SSEKey = "" }, "S3 cannot read it any more", ""},
		{"the account of the only key, from a directory", recovery, func(r *route.Route) { keyless(r); r.Backup.Store = "/srv" }, "every key that opens it is gone", ""},
		{"the account of the restorers, from a directory", recovery, func(r *route.Route) { r.Backup.Store = "/srv" }, "nobody who opens it is left", ""},
		{"everything, from a directory with a passphrase", recovery, func(r *route.Route) { r.Backup.Store = "/srv"; r.Backup.PassphraseFile = "p" }, "", "the passphrase"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, e := backupExample(t)
			if tt.change != nil {
				tt.change(r)
			}
			l, err := route.ParseLoss(tt.gone)
			if err != nil {
				t.Fatal(err)
			}
			found := mustProve(t, r, e).Survivors(l)
			if len(found) != 1 {
				t.Fatalf("%d artifacts: %+v", len(found), found)
			}
			if v := found[0]; (v.Gone == "") != (tt.lost == "") || !strings.Contains(v.Gone, tt.lost) || !strings.HasPrefix(v.With, tt.with) || tt.with == "" && v.With != "" {
				t.Errorf("gone %q, with %q; want %q, %q", v.Gone, v.With, tt.lost, tt.with)
			}
		})
	}
}

// backupExample is the corrected example of backups.
func backupExample(t testing.TB) (*route.Route, *estate.Estate) {
	t.Helper()
	f, err := route.LoadFile("../examples/backup-etcd-corrected/keyreach.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e, err := estate.LoadFile(f.EstatePath())
	if err != nil {
		t.Fatal(err)
	}
	return &f.Routes[0], e
}

// provenWith proves the corrected example with something replaced in its estate.
func provenWith(t testing.TB, from, to string) *route.Proof {
	t.Helper()
	r, e := backupExample(t)
	text, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("the estate does not say %s", from)
	}
	changed, err := estate.Load("estate.json", []byte(strings.ReplaceAll(string(text), from, to)))
	if err != nil {
		t.Fatal(err)
	}
	return mustProve(t, r, changed)
}

// Whoever hangs on one key or one account is told so.
func TestBackupsThatHangOnOneThingAreTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*route.Route)
		want   string
	}{
		{"keys in two accounts", func(*route.Route) {}, ""},
		{"one key", func(r *route.Route) { delete(r.Parties, "keys") }, "ONLY ONE KEY CAN OPEN THE BACKUPS OF etcd"},
		{"two keys of one account", func(r *route.Route) {
			r.Parties["keys"] = []route.Party{{Account: "111122223333", Key: "arn:aws:kms:us-west-2:111122223333:key/x"}}
		}, "ARE IN ACCOUNT 111122223333"},
		{"one key and a recipient", func(r *route.Route) { delete(r.Parties, "keys"); r.Backup.Recipients = []string{"age1x"} }, ""},
		{"a passphrase", func(r *route.Route) { delete(r.Parties, "keys"); r.Backup.PassphraseFile = "p" }, ""},
		{"no backup part", func(r *route.Route) { delete(r.Parties, "keys"); r.Backup = nil }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := backupExample(t)
			tt.change(r)
			if got := strings.Join(r.Warnings(), "\n"); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("told %q, want %q", got, tt.want)
			}
		})
	}
}
