package route

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/usage"
)

// Backup is the backup part of a route: what is backed up, where to, and what opens it.
// The keys under which each backup can be opened are the vault's and those of the party
// keys; see WrapKeys. Nothing secret is in it.
type Backup struct {
	// Store is s3://BUCKET/PREFIX, or a directory.
	Store  string
	Source BackupSource
	// Name is that of what is backed up; the route's unless said.
	Name string
	// Recipients are age's own, age1…, whose identities lie outside AWS.
	Recipients []string
	// MinWraps is how many of the keys have to take part when a backup is made; zero for all.
	MinWraps int
	// PassphraseFile is the path of a file whose text encrypts in place of keys.
	PassphraseFile string
	Retention      Retention
	// MaxAge is how old the newest good backup may be; zero when nobody says.
	MaxAge time.Duration
	// Ping is the URL that is asked for after a success.
	Ping string
	// SSEKey is the ARN of the key under which S3 encrypts the objects, or AES256 for S3's
	// own keys; empty for the vault's key. S3 takes keys of the bucket's Region only. See
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html.
	SSEKey string
}

// BackupSource is what is backed up.
type BackupSource struct {
	Kind      string   `json:"kind"` // etcd, step-ca, files
	Path      string   `json:"path"`
	Endpoints []string `json:"endpoints"`
	Cert      string   `json:"cert"` // paths of PEM files
	Key       string   `json:"key"`
	CACert    string   `json:"cacert"`
	Exclude   []string `json:"exclude"`
	// Before and After are commands, each with its arguments, around the reading.
	Before [][]string `json:"before"`
	After  [][]string `json:"after"`
}

// Retention says which backups are kept.
type Retention struct {
	Days int  `json:"days"` // how long each is kept; zero for no end
	Keep Keep `json:"keep"`
	// Expire has S3 itself hide what is older than Days, also when nothing newer comes.
	Expire bool `json:"expire"`
}

// Keep is how many backups are kept: the last, and the last of each day, week, month, year.
type Keep struct {
	Last    int `json:"last"`
	Daily   int `json:"daily"`
	Weekly  int `json:"weekly"`
	Monthly int `json:"monthly"`
	Yearly  int `json:"yearly"`
}

// AES256 is AWS's word for the keys that S3 has itself.
const AES256 = "AES256"

const s3Scheme = "s3://"

// Bucket returns the bucket and the prefix of the store, without slashes around it; false
// when the store is a directory.
func (b *Backup) Bucket() (bucket, prefix string, ok bool) {
	rest, ok := strings.CutPrefix(b.Store, s3Scheme)
	if !ok {
		return "", "", false
	}
	bucket, prefix, _ = strings.Cut(rest, "/")
	return bucket, strings.Trim(prefix, "/"), true
}

// ObjectKey is the ARN of the key under which S3 encrypts the objects of the backup part;
// empty when it is none of KMS, or one that the file names by alias.
func (r *Route) ObjectKey() string {
	_, _, inS3 := r.Backup.Bucket()
	vault := r.Parties["vault"]
	switch {
	case !inS3 || r.Backup.SSEKey == AES256:
		return ""
	case r.Backup.SSEKey != "":
		return r.Backup.SSEKey
	case len(vault) > 0:
		return vault[0].Key
	}
	return ""
}

// WrapKeys are the parties whose keys each open a backup by themselves: the vault and the
// further ones. There are none for a route without a backup part or with a passphrase.
func (r *Route) WrapKeys() []Party {
	if r.Backup == nil || r.Backup.PassphraseFile != "" {
		return nil
	}
	return slices.Concat(r.Parties["vault"], r.Parties["keys"])
}

// KeyID is by what KMS knows the party's key: its ARN, or that of the alias which the file
// has in its place.
func (p *Party) KeyID() string {
	if p.Key != "" || p.Alias == "" {
		return p.Key
	}
	return "arn:" + awsfacts.PartitionName(p.Region) + ":kms:" + p.Region + ":" + p.Account + ":" + p.Alias
}

// offline is what opens a backup and lies outside AWS, in words.
func (b *Backup) offline() []string {
	if b.PassphraseFile != "" {
		return []string{"the passphrase"}
	}
	return b.Recipients
}

// Warnings tell what makes the route's backups hang on one thing; nil for none.
func (r *Route) Warnings() []string {
	keys := r.WrapKeys()
	if r.Backup == nil || len(keys) == 0 || len(r.Backup.offline()) > 0 {
		return nil
	}
	accounts := map[string]bool{}
	for i := range keys {
		accounts[accountOfKey(&keys[i])] = true
	}
	first := keys[0]
	switch {
	case len(keys) == 1:
		return []string{fmt.Sprintf("WARNING: ONLY ONE KEY CAN OPEN THE BACKUPS OF %s: %s in account %s. Whoever deletes it, or loses the account, loses every backup for good. Add a key in another account (backup: keys), or an age recipient whose identity lies outside AWS (backup: recipients).", r.Name, first.KeyID(), accountOfKey(&first))}
	case len(accounts) == 1:
		return []string{fmt.Sprintf("WARNING: ALL KEYS THAT CAN OPEN THE BACKUPS OF %s ARE IN ACCOUNT %s. Whoever loses it loses every backup for good. Add a key in another account (backup: keys), or an age recipient whose identity lies outside AWS (backup: recipients).", r.Name, accountOfKey(&first))}
	}
	return nil
}

// hanging reports backups that open only with keys of the account that writes them: when
// it goes, so do they.
func (r *Route) hanging() []finding.Finding {
	if len(r.Warnings()) == 0 {
		return nil
	}
	keys := r.WrapKeys()
	account := accountOfKey(&keys[0])
	if !slices.ContainsFunc(r.Parties["hosts"], func(p Party) bool { return p.Account == account }) {
		return nil
	}
	return []finding.Finding{{
		Rule: "KEY047", Severity: finding.Warning, Subject: keys[0].Key,
		Text: "every key that opens the backups of " + r.Name + " is in account " + account + ", whose hosts write them: they close when that account is gone",
		Fix:  "add a key of another account (backup: keys), or an age recipient whose identity lies outside AWS (backup: recipients)",
	}}
}

func accountOfKey(p *Party) string {
	if key, err := arn.Parse(p.Key); err == nil {
		return key.Account
	}
	return p.Account
}

// backupValues are what the braces of a kind stand for in a route with a backup part.
func (r *Route) backupValues(v values) {
	b := r.Backup
	if b == nil {
		return
	}
	v["backup.store"] = b.Store
	v["backup.sse"] = r.ObjectKey()
	if v["backup.sse"] == "" {
		v["backup.plain"] = b.Store
	}
	if len(r.WrapKeys()) > 0 {
		v["backup.wraps"] = b.Store
	}
}

// perKey are the values of the step, once for each key that it is about.
func (b *boundStep) perKey() []values {
	if b.Each == "" {
		return []values{b.values}
	}
	var list []values
	for _, p := range b.route.WrapKeys() {
		v := make(values, len(b.values)+1)
		for name, value := range b.values {
			v[name] = value
		}
		v[b.Each+".key"] = p.Key
		list = append(list, v)
	}
	return list
}

// inContext fills the encryption context in with what the route's backup part knows. The
// rest nobody knows before a backup is made.
func (b *boundStep) inContext(u usage.Use) usage.Use {
	if u.Via != "" || b.route.Backup == nil || u.Context == nil {
		return u
	}
	known := map[string]string{"kind": b.route.Backup.Source.Kind, "name": b.route.Backup.Name}
	context := make(map[string]string, len(u.Context))
	for name, value := range u.Context {
		if value == "?" && known[name] != "" {
			value = known[name]
		}
		context[name] = value
	}
	u.Context = context
	return u
}
