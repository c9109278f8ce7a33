package route

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
)

// writtenBackup is the backup part of a route as it stands in the file.
type writtenBackup struct {
	Store          string         `json:"store"`
	Source         BackupSource   `json:"source"`
	Name           string         `json:"name"`
	Recipients     []string       `json:"recipients"`
	Keys           []writtenParty `json:"keys"`
	Admins         writtenParties `json:"admins"`
	MinWraps       int            `json:"min_wraps"`
	PassphraseFile string         `json:"passphrase_file"`
	Retention      Retention      `json:"retention"`
	MaxAge         string         `json:"max_age"`
	Ping           string         `json:"ping"`
	SSEKey         string         `json:"sse_key"`
	node           *source.Node
	pos            source.Pos // of the name
}

func (b *writtenBackup) UnmarshalNode(n *source.Node) error {
	type plain writtenBackup
	err := source.Decode(n, (*plain)(b))
	b.node = n
	return err
}

func (b *writtenBackup) at(path ...string) source.Pos { return placeOf(b.node, path...) }

// IsBucketName reports whether a bucket of S3 can have the name. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html.
func IsBucketName(name string) bool { return bucketName.MatchString(name) }

// backupPart is the name of the part, and of where its parties stand.
const backupPart = "backup"

var (
	bucketName = lazy.Regexp(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	// backupName: as it stands in ids and in the encryption context, with nothing replaced.
	backupName   = lazy.Regexp(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9_])?$`)
	ageRecipient = lazy.Regexp(`^age1[0-9a-z]{20,}$`)
)

// backup reads the backup part of a route.
func (r *fileReader) backup(w *writtenBackup, route *Route) {
	if w.node == nil || w.node.Kind != source.Map {
		r.Add(w.pos, "backup says nothing", "add store: and source:, or leave it out")
		return
	}
	b := &Backup{
		Store: w.Store, Source: w.Source, Name: cmp.Or(w.Name, route.Name), Recipients: w.Recipients, MinWraps: w.MinWraps,
		PassphraseFile: w.PassphraseFile, Retention: w.Retention, Ping: w.Ping, SSEKey: w.SSEKey,
	}
	route.Backup = b
	if !backupName.MatchString(b.Name) {
		r.Add(w.at("name"), fmt.Sprintf("%q cannot be the name of a backup", b.Name), "it has letters, digits, _ and -, at most 64 of them, and no - at its ends; add name: with one that does")
	}
	if kind, _ := route.Kind.Party("admins"); len(w.Admins.list) > 0 {
		route.Parties["admins"] = r.parties(&w.Admins, &kind)
	}
	r.store(w, b)
	r.backupSource(w)
	r.wraps(w, route)
	if w.MaxAge != "" {
		age, err := parseAge(w.MaxAge)
		if err != nil {
			r.Add(w.at("max_age"), err.Error(), "it looks like 36h or 7d")
		}
		b.MaxAge = age
	}
	r.retention(w, b)
	if u, err := url.Parse(w.Ping); w.Ping != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		r.Add(w.at("ping"), "ping is no URL", "it begins with https://")
	}
	r.sseKey(w, route)
}

func (r *fileReader) store(w *writtenBackup, b *Backup) {
	bucket, _, inS3 := b.Bucket()
	switch {
	case w.Store == "":
		r.Add(w.at("store"), "it is not said where the backups lie", "add store: s3://BUCKET/PREFIX, or a directory")
	case inS3 && !IsBucketName(bucket):
		r.Add(w.at("store"), fmt.Sprintf("%q is no name of a bucket", bucket), "write s3://BUCKET/PREFIX")
	case !inS3 && strings.Contains(w.Store, "://"):
		r.Add(w.at("store"), fmt.Sprintf("%q is no store", w.Store), "write s3://BUCKET/PREFIX, or a directory")
	}
}

func (r *fileReader) backupSource(w *writtenBackup) {
	s := &w.Source
	kinds := []string{"etcd", "step-ca", "files"}
	at := func(member string) source.Pos { return w.at("source", member) }
	if !slices.Contains(kinds, s.Kind) {
		text := fmt.Sprintf("there is no kind of source called %q", s.Kind)
		if s.Kind == "" {
			text = "it is not said what is backed up"
		}
		r.Add(at("kind"), text, "write kind: etcd, step-ca or files")
		return
	}
	live := len(s.Endpoints) > 0
	switch {
	case s.Kind != "etcd" && (live || s.Cert != "" || s.Key != "" || s.CACert != ""):
		r.Add(w.at("source"), "endpoints, cert, key and cacert are those of etcd", "remove them, or write kind: etcd")
	case s.Kind != "files" && len(s.Exclude) > 0:
		r.Add(at("exclude"), "exclude leaves out files, and "+s.Kind+" is backed up whole", "remove it, or write kind: files")
	case s.Kind == "etcd" && live == (s.Path != ""):
		r.Add(w.at("source"), "etcd is backed up from its endpoints or from the path of a snapshot", "give one of the two")
	case s.Kind != "etcd" && s.Path == "":
		r.Add(w.at("source"), "it is not said where the files lie", "add path:")
	case (s.Cert == "") != (s.Key == ""):
		r.Add(w.at("source"), "cert and key belong together", "give both, or neither")
	}
	for name, hooks := range map[string][][]string{"before": s.Before, "after": s.After} {
		if slices.ContainsFunc(hooks, func(argv []string) bool { return len(argv) == 0 || argv[0] == "" }) {
			r.Add(at(name), "a command is empty", "each is a list: the program and its arguments")
		}
	}
}

// wraps reads what opens a backup.
func (r *fileReader) wraps(w *writtenBackup, route *Route) {
	for i, text := range w.Recipients {
		place := w.node.At([]string{"recipients"}).Items[i].Pos
		if strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") {
			r.Add(place, "this is the identity, which is secret; a recipient is what belongs to it and begins with age1", "take it out of the file, make a new one, and write its recipient here")
		} else if !ageRecipient.MatchString(text) {
			r.Add(place, "this is no recipient of age", "it begins with age1; age-keygen prints it")
		}
	}
	kind, _ := route.Kind.Party("keys")
	for i := range w.Keys {
		if p, ok := r.furtherKey(&w.Keys[i], &kind); ok {
			route.Parties["keys"] = append(route.Parties["keys"], p)
		}
	}
	if w.PassphraseFile != "" && (len(w.Keys) > 0 || len(w.Recipients) > 0 || w.MinWraps != 0) {
		// See https://age-encryption.org/v1: a scrypt stanza stands alone.
		r.Add(w.at("passphrase_file"), "a passphrase encrypts alone: age mixes it with no other recipient", "leave keys, recipients and min_wraps out, or passphrase_file")
	}
	if all := 1 + len(w.Keys); w.MinWraps < 0 || w.MinWraps > all {
		r.Add(w.at("min_wraps"), fmt.Sprintf("min_wraps is %d, and there are %d keys", w.MinWraps, all), "leave it out for all of them")
	}
}

// furtherKey is a key by its ARN, or an account of the file with its key.
func (r *fileReader) furtherKey(w *writtenParty, kind *PartyKind) (Party, bool) {
	if w.node == nil || w.node.Kind != source.String || !strings.HasPrefix(w.node.Text, "arn:") {
		if w.Actor != nil {
			r.Add(placeOf(w.node, "actor"), "a key has no actor", "remove it")
		}
		return r.party(w, kind)
	}
	key, err := arn.Parse(w.node.Text)
	if err != nil || !key.IsKMSKey() {
		r.Add(w.node.Pos, fmt.Sprintf("%q is not the ARN of a KMS key", w.node.Text), "an alias is written {account: NAME, key: alias/NAME}")
		return Party{}, false
	}
	r.region(w.node.Pos, key.Region)
	r.partition(w.node.Pos, key.Partition, key.Region)
	p := Party{Account: key.Account, Name: key.Account, Region: key.Region, Key: w.node.Text}
	for _, name := range slices.Sorted(maps.Keys(r.file.Accounts)) {
		if r.file.Accounts[name].ID == key.Account {
			p.Name = name
			break
		}
	}
	return p, true
}

// retention refuses what would one day leave no backup.
func (r *fileReader) retention(w *writtenBackup, b *Backup) {
	k := b.Retention.Keep
	for _, n := range []int{b.Retention.Days, k.Last, k.Daily, k.Weekly, k.Monthly, k.Yearly} {
		if n < 0 {
			r.Add(w.at("retention"), "retention counts days and backups from zero", "write how many are kept")
			return
		}
	}
	if b.Retention.Days >= mostDays {
		r.Add(w.at("retention", "days"), fmt.Sprintf("%d days are more than can be counted", b.Retention.Days), "leave days out to keep backups for good")
		return
	}
	kept := time.Duration(b.Retention.Days) * 24 * time.Hour
	switch {
	case b.Retention.Days > 0 && k != Keep{}:
		r.Add(w.at("retention"), "retention has both days and keep", "keep one of the two")
	case kept > 0 && kept < 2*b.MaxAge:
		r.Add(w.at("retention"), fmt.Sprintf("backups are kept for %d days, and the newest may be %s old: a source that one run misses would be left without any", b.Retention.Days, w.MaxAge), "keep them for at least twice max_age")
	case b.Retention.Expire && kept == 0:
		r.Add(w.at("retention", "expire"), "it is not said after how many days S3 is to hide backups", "add days:, or leave expire out")
	case b.Retention.Expire && b.MaxAge == 0:
		r.Add(w.at("retention", "expire"), "S3 hides the last backup of a source that is quiet too, and nothing says how soon somebody would notice", "add max_age: of half the days at most, or leave expire out: keyreach backup prune keeps the newest")
	case k != Keep{} && k.Last+k.Daily+k.Weekly+k.Monthly+k.Yearly == 0:
		r.Add(w.at("retention", "keep"), "keep keeps nothing", "write how many are kept")
	}
	if _, _, inS3 := b.Bucket(); b.Retention.Expire && !inS3 {
		r.Add(w.at("retention", "expire"), "a directory hides nothing by itself", "leave expire out")
	}
}

// ends refuses that S3 hides what lies in one store after a time that a route of the same
// place has not: a lifecycle rule is of everything below a prefix.
func (r *fileReader) ends(name string, w *writtenBackup) {
	i := slices.IndexFunc(r.file.Routes, func(route Route) bool {
		return route.Name == name && route.Backup != nil && route.Backup.Retention.Expire
	})
	if i < 0 {
		return
	}
	b := r.file.Routes[i].Backup
	for j := range r.file.Routes {
		other := r.file.Routes[j].Backup
		if j == i || other == nil || !b.holds(other) || other.Retention.Expire && other.Retention.Days <= b.Retention.Days {
			continue
		}
		r.Add(w.at("retention", "expire"), fmt.Sprintf("S3 would hide the backups of %s too after %d days: they lie in %s", r.file.Routes[j].Name, b.Retention.Days, other.Store), "give each store a prefix of its own, or leave expire out")
		return
	}
}

// holds reports whether what lies in another store in S3 lies below the prefix of this one.
func (b *Backup) holds(other *Backup) bool {
	bucket, prefix, inS3 := b.Bucket()
	name, below, alsoInS3 := other.Bucket()
	return inS3 && alsoInS3 && bucket == name && (prefix == "" || strings.HasPrefix(below+"/", prefix+"/"))
}

func (r *fileReader) sseKey(w *writtenBackup, route *Route) {
	_, _, inS3 := route.Backup.Bucket()
	vault := route.Parties["vault"]
	if w.SSEKey == "" || w.SSEKey == AES256 {
		if w.SSEKey != "" && !inS3 {
			r.Add(w.at("sse_key"), "sse_key is for a store in S3", "remove it")
		}
		if key, err := arn.Parse(route.ObjectKey()); inS3 && err == nil && len(vault) > 0 && key.Region != vault[0].Region {
			r.Add(w.at("store"), fmt.Sprintf("S3 encrypts under keys of the bucket's Region, and the key of the vault is in %s", key.Region), "add sse_key: with a key of "+vault[0].Region+", or AES256")
		}
		return
	}
	key, err := arn.Parse(w.SSEKey)
	switch {
	case err != nil || !key.IsKMSKey():
		r.Add(w.at("sse_key"), fmt.Sprintf("%q is neither the ARN of a KMS key nor AES256", w.SSEKey), "leave it out for the key of the vault")
	case !inS3:
		r.Add(w.at("sse_key"), "sse_key is for a store in S3", "remove it")
	case len(vault) > 0 && key.Region != vault[0].Region:
		r.Add(w.at("sse_key"), fmt.Sprintf("S3 encrypts under keys of the bucket's Region, which is %s", vault[0].Region), "name a key of that Region")
	default:
		r.partition(w.at("sse_key"), key.Partition, key.Region)
	}
}

// mostDays is more than what is counted in days has: some fewer fit into a time.Duration.
const mostDays = 100_000

// parseAge reads a duration in Go's form, or in days: 36h, 7d.
func parseAge(text string) (time.Duration, error) {
	days, isDays := strings.CutSuffix(text, "d")
	if n, err := strconv.Atoi(days); isDays && err == nil && n > 0 && n < mostDays {
		return time.Duration(n) * 24 * time.Hour, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no length of time", text)
}
