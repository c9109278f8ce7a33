package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/live"
)

// backupFlags are those that all commands on backups have: where they lie, and what
// opens them.
type backupFlags struct {
	liveFlags
	declaredFlags
	cloud *live.Cloud
	at    string
	// Of a bucket: where it is, how what is written is encrypted and locked, and how much
	// listing tells.
	bucketRegion, owner, sseKey, lockMode string
	lockFor                               time.Duration
	versions, details                     bool

	keys       []string
	accounts   []string
	identities []string
	passphrase string
	fd         descriptor

	kind, name string
	format     dataFormat
}

func (f *backupFlags) addStore(fs *pflag.FlagSet) {
	f.liveFlags.add(fs)
	f.format = dataFormat{textFormat}
	fs.VarP(&f.format, "output", "o", "how to print")
	fs.StringVar(&f.at, "store", "", "where the backups lie: a `DIR`, or s3://BUCKET/PREFIX")
	fs.StringVar(&f.bucketRegion, "bucket-region", "", "the `REGION` of the bucket (default: S3 is asked)")
	f.declaredFlags.add(fs)
}

// addSeries adds the flags that name a series of backups.
func (f *backupFlags) addSeries(fs *pflag.FlagSet) {
	fs.StringVar(&f.kind, "kind", "", "only backups of the `KIND`: files, etcd, step-ca")
	fs.StringVar(&f.name, "name", "", "only backups of the `NAME`")
}

// checkSeries refuses what no backup is of.
func (f *backupFlags) checkSeries() error {
	if f.kind != "" && !slices.Contains(backup.Kinds(), f.kind) {
		return misuse(fmt.Errorf("--kind %s: there is no such source", f.kind)).hinting("it is one of " + strings.Join(backup.Kinds(), ", "))
	}
	if f.name == "" {
		return nil
	}
	if err := backup.CheckName(f.name); err != nil {
		return misuse(fmt.Errorf("--name: %w", err))
	}
	return nil
}

// addBackup adds what says which backup is meant, and opens it.
func (f *backupFlags) addBackup(fs *pflag.FlagSet) {
	f.addStore(fs)
	f.addSeries(fs)
	f.addOpening(fs)
}

// addOpening adds what opens a backup.
func (f *backupFlags) addOpening(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.keys, "kms-key", nil, "call this KMS `KEY` when the backup names it; without --kms-key and --kms-account, the keys of the caller's own account")
	fs.StringSliceVar(&f.accounts, "kms-account", nil, "call the KMS keys of this `ACCOUNT` when the backup names them")
	fs.StringSliceVar(&f.identities, "identity", nil, "an age identity `FILE`")
	f.addPassphrase(fs)
}

func (f *backupFlags) addPassphrase(fs *pflag.FlagSet) {
	fs.StringVar(&f.passphrase, "passphrase-file", "", "the `FILE` with the passphrase; - asks for it")
	fs.Var(&f.fd, "passphrase-fd", "the file descriptor `N` to read the passphrase from")
}

// descriptor is the number of an open file, if one is given: 0, standard input, is one too.
type descriptor struct {
	number uint64
	given  bool
}

func (d *descriptor) String() string {
	if !d.given {
		return ""
	}
	return strconv.FormatUint(d.number, 10)
}

// Set takes the number.
func (d *descriptor) Set(text string) (err error) {
	if d.number, err = strconv.ParseUint(text, 10, 31); err != nil {
		return errors.New("it is the number of an open file")
	}
	d.given = true
	return nil
}

// Type is that of the number.
func (d *descriptor) Type() string { return "int" }

// reach opens the way to AWS; it calls nobody yet.
func (f *backupFlags) reach() *live.Cloud {
	if f.cloud == nil {
		f.cloud = f.open(f.file, nil)
	}
	return f.cloud
}

// backupGCPercent is for debug.SetGCPercent: what is live while a backup passes through
// are a few large buffers, which cost little to look through, and of which the usual 100
// would let as much again be garbage.
const backupGCPercent = 10

// openStore opens the store. A directory that is not there is made when create is set.
func (f *backupFlags) openStore(ctx context.Context, create bool) (store.Store, error) {
	collectAt(backupGCPercent)
	switch {
	case f.at == "":
		return nil, misuse(errors.New("nothing says where the backups lie")).hinting("give --store DIR, --store s3://BUCKET/PREFIX, or --route NAME of a keyreach.yaml that says it")
	case strings.HasPrefix(f.at, "s3://"):
		o := live.S3Options{Region: f.bucketRegion, Owner: f.owner, As: f.caller, SSEKey: f.sseKey, LockMode: f.lockMode, Versions: f.versions, Details: f.details}
		if f.lockFor > 0 {
			o.LockUntil = time.Now().Add(f.lockFor).UTC().Truncate(time.Second)
		}
		s, err := f.reach().S3Store(ctx, f.at, o)
		switch {
		case cloud.KindOf(err) == cloud.Invalid && ctx.Err() == nil:
			return nil, misuse(err)
		case err != nil:
			return nil, backupFailure(fmt.Errorf("opening %s: %w", f.at, err))
		}
		return s, nil
	case strings.Contains(f.at, "://"):
		return nil, misuse(fmt.Errorf("--store %s is neither a directory nor a bucket", f.at)).hinting("write s3://BUCKET/PREFIX")
	}
	s, err := store.OpenDir(f.at, create)
	if err != nil {
		return nil, backupFailure(fmt.Errorf("opening the store: %w", err))
	}
	return s, nil
}

// secret is the passphrase, empty when none was given.
func (f *backupFlags) secret(s *streams, twice bool) (string, error) {
	switch {
	case f.passphrase != "" && f.fd.given:
		return "", misuse(errors.New("--passphrase-file and --passphrase-fd exclude each other"))
	case f.fd.given:
		return readPassphrase(os.NewFile(uintptr(f.fd.number), "descriptor"), "descriptor "+f.fd.String())
	case f.passphrase == "":
		return "", nil
	case f.passphrase == "-":
		return askPassphrase(s, "Passphrase: ", twice)
	}
	file, err := os.Open(f.passphrase)
	if err != nil {
		return "", misuse(fmt.Errorf("reading the passphrase: %w", err))
	}
	return readPassphrase(file, f.passphrase)
}

func readPassphrase(file *os.File, from string) (string, error) {
	if file == nil {
		return "", misuse(fmt.Errorf("%s is not open", from))
	}
	defer file.Close()
	p, err := envelope.ReadPassphrase(file)
	if err != nil {
		return "", misuse(fmt.Errorf("reading the passphrase from %s: %w", from, err))
	}
	return p, nil
}

// askPassphrase asks somebody at the terminal, twice when it is a new one.
func askPassphrase(s *streams, question string, twice bool) (string, error) {
	in, ok := s.in.(*os.File)
	if !ok || !isTerminal(s.in) {
		return "", misuse(errors.New("nobody sits at a terminal to be asked for the passphrase")).hinting("give --passphrase-file FILE or --passphrase-fd N")
	}
	ask := func(text string) (string, error) {
		fmt.Fprint(s.err, text)
		b, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(s.err)
		if err != nil {
			return "", failure(fmt.Errorf("reading the passphrase: %w", err))
		}
		return string(b), nil
	}
	p, err := ask(question)
	if err != nil || !twice {
		return p, err
	}
	again, err := ask("Again: ")
	if err == nil && again != p {
		return "", misuse(errors.New("the two passphrases differ"))
	}
	return p, err
}

// opener is how the backups of the store are opened.
func (f *backupFlags) opener(ctx context.Context, s *streams, at store.Store) (*backup.Opener, error) {
	if err := opensBy(f.keys, f.accounts); err != nil {
		return nil, err
	}
	var native []age.Identity
	for _, path := range f.identities {
		file, err := os.Open(path)
		if err != nil {
			return nil, misuse(fmt.Errorf("reading an identity: %w", err))
		}
		ids, err := envelope.ReadIdentities(file, func() (string, error) { return askPassphrase(s, "Passphrase of "+path+": ", false) })
		file.Close()
		if err != nil {
			return nil, misuse(fmt.Errorf("reading the identity %s: %w", path, err))
		}
		native = append(native, ids...)
	}
	secret, err := f.secret(s, false)
	if err != nil {
		return nil, err
	}
	if secret != "" {
		id, err := envelope.NewPassphraseIdentity(secret)
		if err != nil {
			return nil, misuse(err)
		}
		native = append(native, id)
	}
	return &backup.Opener{Store: at, Allow: f.allow(s.err), KMS: f.reach().BackupKMS(f.caller), Native: native}, nil
}

// allow is which KMS keys may be called. A backup says under which keys it lies, and a
// forged one could name any.
func (f *backupFlags) allow(talk io.Writer) func(ctx context.Context) (envelope.AllowList, error) {
	var known *envelope.AllowList // it is asked for each backup
	return func(ctx context.Context) (envelope.AllowList, error) {
		if known != nil {
			return *known, nil
		}
		list, err := f.allowed(ctx, talk)
		if err == nil {
			known = &list
		}
		return list, err
	}
}

func (f *backupFlags) allowed(ctx context.Context, talk io.Writer) (envelope.AllowList, error) {
	switch {
	case len(f.keys)+len(f.accounts) > 0:
		keys, err := f.keyARNs(ctx, talk)
		return envelope.AllowList{Keys: keys, Accounts: f.accounts, Partition: f.partition()}, err
	case f.caller != "":
		return envelope.AllowList{Accounts: []string{f.caller}, Partition: f.partition()}, nil
	}
	own, partition, err := f.reach().OwnIn(ctx)
	if err != nil {
		return envelope.AllowList{}, err
	}
	return envelope.AllowList{Accounts: []string{own}, Partition: cmp.Or(partition, f.partition())}, nil
}

// partition is that of the accounts: of the Region that calls go to.
func (f *backupFlags) partition() string {
	return awsfacts.PartitionName(cmp.Or(f.bucketRegion, f.region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")))
}

// keyARNs are the ARNs of the keys: backups name them by nothing else. A key that is given
// by its alias and cannot be asked for keeps none of the others from being used.
func (f *backupFlags) keyARNs(ctx context.Context, talk io.Writer) (keys []string, err error) {
	for _, key := range f.keys {
		if a, err := arn.Parse(key); err == nil && a.IsKMSKey() {
			keys = append(keys, key)
			continue
		}
		k, e := f.reach().BackupKMS(f.caller).DescribeKey(ctx, key)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("finding the key %s: %w", key, e))
			continue
		}
		keys = append(keys, k.ARN)
	}
	if err != nil && len(keys) > 0 {
		fmt.Fprintf(talk, "warning: %s\n", oneLine(err))
		err = nil
	}
	return keys, err
}

// backupFailure gives a failure its exit code.
func backupFailure(err error) error {
	var exit *exitError
	if err == nil || errors.As(err, &exit) || errors.Is(err, context.Canceled) {
		return err
	}
	codes := map[envelope.Class]struct {
		code int
		hint string
	}{
		envelope.NoKey:     {exitNoKey, "name a key that opens it with --kms-key, --identity or --passphrase-file; keyreach backup verify --quick shows which it has"},
		envelope.Corrupt:   {exitCorrupt, "take another backup, or another version of this one; keyreach backup verify --all finds those that are whole"},
		envelope.Truncated: {exitTruncated, "take another backup, or another version of this one; keyreach backup verify --all finds those that are whole"},
		envelope.Denied:    {exitDenied, hintDenied(err)},
		envelope.NotFound:  {exitNotFound, hintNotFound(err)},
	}
	if c, ok := codes[envelope.ClassOf(err)]; ok {
		return (&exitError{code: c.code, err: err}).hinting(c.hint)
	}
	return unclassed(err)
}
