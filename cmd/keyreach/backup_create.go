package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
)

type createFlags struct {
	backupFlags
	sourceFlags
	recipientFlags
	state     string
	retention string
	within    string
	lock      string
	ping      string

	secretly age.Identity // of the passphrase, if there is one
}

// recipientFlags say who can open what is made.
type recipientFlags struct {
	recipients []string
	minWraps   int
}

func (r *recipientFlags) add(fs *pflag.FlagSet) {
	fs.StringSliceVar(&r.recipients, "recipient", nil, "an age `RECIPIENT`, age1… or age1pq…")
	fs.IntVar(&r.minWraps, "min-wraps", 0, "go on when at least `N` of the KMS keys take part (default: all)")
}

func newBackupCreate(s *streams) *cobra.Command {
	var f createFlags
	c := &cobra.Command{
		Use:   "create [files|etcd|step-ca [PATH]]",
		Short: "Make a backup",
		Long: `Make a backup of a directory, of a running etcd or the file of its snapshot, or of
the directory of a step-ca. What is written is read back, decrypted and compared
while it is written. Nothing is in the store before all of that is well.

Without a source it makes the backup that a route of keyreach.yaml declares in its backup
part, with the route's keys, recipients and hooks. A source or a flag that is given goes
before what the file says.`,
		Example: `  keyreach backup create files /etc/app --store /backups --recipient age1…
  keyreach backup create etcd --endpoints https://127.0.0.1:2379 --cert c.pem --key k.pem --cacert ca.pem \
    --store s3://backups/etcd --kms-key arn:aws:kms:…:key/… --kms-key arn:aws:kms:…:key/…
  keyreach backup create step-ca /etc/step-ca --store s3://backups/ca --kms-key alias/ca --retention 90d
  keyreach backup create --route etcd --dir /etc/keyreach.yaml`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			args = append(args, "", "")
			if err := f.declare(c.Context(), c.Flags(), args[0], args[1]); err != nil {
				return err
			}
			return f.run(c.Context(), s)
		},
	}
	f.add(c.Flags())
	return c
}

func (f *createFlags) add(fs *pflag.FlagSet) {
	f.addStore(fs)
	f.sourceFlags.add(fs)
	f.recipientFlags.add(fs)
	f.addPassphrase(fs)
	fs.StringSliceVar(&f.keys, "kms-key", nil, "a KMS `KEY` that opens it: an ARN, or alias/NAME; several times for several")
	fs.StringVar(&f.name, "name", "", "the `NAME` of what it is a backup of (default: the directory's name, ca, etcd)")
	fs.StringVar(&f.sseKey, "sse-key", "", "the KMS `KEY` that S3 is to encrypt the object under besides (default: what the bucket says)")
	fs.StringVar(&f.lockMode, "lock-mode", "", "lock the object in this `MODE`: GOVERNANCE or COMPLIANCE")
	fs.StringVar(&f.lock, "lock-for", "", "how long S3 is to let nobody delete it, a `TIME` such as 30d")
	fs.StringVar(&f.retention, "retention", "", "how long backups are kept, a `TIME` such as 90d: then an unchanged source is passed over while its newest backup has half of that before it")
	fs.StringVar(&f.within, "unless-within", "", "make none when the store has one of the kind and name that any machine made within this `TIME`, such as 1h")
	fs.StringVar(&f.state, "state", "", "the `DIR` that remembers the last backups (default: keyreach in $XDG_STATE_HOME or ~/.local/state)")
	fs.StringVar(&f.ping, "ping", "", "get this `URL` when it went well")
}

func (f *createFlags) run(ctx context.Context, s *streams) error {
	source, name, err := f.named()
	if err != nil {
		return err
	}
	if err := f.outside(source); err != nil {
		return err
	}
	keep, err := optionalDuration("--retention", f.retention)
	interval, err2 := optionalDuration("--unless-within", f.within)
	if err := cmp.Or(err, err2); err != nil {
		return err
	}
	if err := f.locking(); err != nil {
		return err
	}
	if err := watcher(f.ping); err != nil {
		return err
	}
	recipients, err := f.prepare(ctx, s)
	if err != nil {
		return err
	}
	at, err := f.openStore(ctx, true)
	if err != nil {
		return err
	}
	last, err := openSeen(f.state, at.String(), source.Kind()+"."+backup.CleanName(name))
	if err != nil {
		return err
	}
	show := newMeter(s.err, "written")
	creation := backup.Creation{
		Source: source, Store: at, Name: name, Recipients: recipients, Tool: "keyreach " + programVersion(),
		Now: time.Now, Seen: last.seen, Retention: keep, Progress: show.at,
		Under: slices.Concat(f.keys, f.recipients), Opens: f.opens(at),
	}
	made, recent := creation.Recent(ctx, interval)
	if recent {
		return errors.Join(f.print(s, &made), ping(ctx, f.ping))
	}
	err = f.standingStill(ctx, s.err, func() error {
		made, err = creation.Run(ctx)
		return err
	})
	show.end()
	if made.ID == "" {
		return creating(err)
	}
	if err := f.print(s, &made); err != nil {
		return err
	}
	if err := last.remember(made.Seen); err != nil {
		return err
	}
	if err != nil {
		return backupFailure(err) // of --after: the backup is made and told all the same
	}
	return ping(ctx, f.ping)
}

// outside refuses a store that would be in its own backups.
func (f *createFlags) outside(source backup.Source) error {
	if f.at == "" {
		return nil // which is refused as such
	}
	root, hint := "", "name another --store"
	var exclude []string
	switch source := source.(type) {
	case *backup.Files:
		root, exclude = source.Root, source.Exclude
		hint += ", or leave it out with --exclude"
	case *backup.StepCA:
		root = source.Place.Dir
	default:
		return nil
	}
	if at, within := placeIn(root, f.at); !within || archive.LeavesOut(exclude, filepath.ToSlash(at)) {
		return nil
	}
	return misuse(fmt.Errorf("the store %s lies in %s, and would be in its own backups", f.at, root)).hinting(hint)
}

// named is what is backed up, under the name that the backup gets.
func (f *createFlags) named() (backup.Source, string, error) {
	source, name, err := f.source()
	if err != nil {
		return nil, "", err
	}
	name = cmp.Or(f.name, name)
	if err := backup.CheckName(name); err != nil {
		return nil, "", misuse(err).hinting("give it another with --name")
	}
	return source, name, nil
}

// locking reads how the object is to be locked.
func (f *createFlags) locking() (err error) {
	if f.lockFor, err = optionalDuration("--lock-for", f.lock); err != nil {
		return err
	}
	if (f.lockMode == "") != (f.lock == "") {
		return misuse(errors.New("--lock-mode and --lock-for belong together"))
	}
	switch {
	case f.at == "" || strings.HasPrefix(f.at, "s3://"):
	case f.lockMode != "":
		return misuse(errors.New("only a bucket locks what is in it")).hinting("give --store s3://BUCKET/PREFIX")
	case f.sseKey != "":
		return misuse(errors.New("--sse-key is for a bucket: in a directory nothing encrypts besides")).hinting("leave it out, or give --store s3://BUCKET/PREFIX")
	}
	return nil
}

// prepare reads who can open the backup; the KMS keys are asked for each backup.
func (f *createFlags) prepare(ctx context.Context, s *streams) (func(backup.ID) ([]age.Recipient, error), error) {
	secret, err := f.secret(s, true)
	if err != nil {
		return nil, err
	}
	if secret != "" {
		if f.secretly, err = envelope.NewPassphraseIdentity(secret); err != nil {
			return nil, misuse(err)
		}
	}
	return f.recipientFlags.prepare(ctx, &f.backupFlags, secret, s)
}

// opens tells whether the passphrase, if there is one, opens a backup.
func (f *createFlags) opens(at store.Store) func(context.Context, *backup.Backup) bool {
	if f.secretly == nil {
		return nil
	}
	return (&backup.Opener{Store: at, Native: []age.Identity{f.secretly}}).Opens
}

// hint says where a recipient comes from. What was given may be the secret that it is of.
func (r *recipientFlags) hint() string {
	for _, text := range r.recipients {
		if strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") {
			return "this is the identity, which is secret and now in the history of the shell: make a new one with age-keygen, and give its recipient"
		}
	}
	return "age-keygen -y IDENTITY-FILE prints it"
}

func (r *recipientFlags) prepare(ctx context.Context, f *backupFlags, secret string, s *streams) (func(backup.ID) ([]age.Recipient, error), error) {
	native, err := envelope.ParseRecipients(r.recipients...)
	if err != nil {
		return nil, misuse(fmt.Errorf("reading --recipient: %w", err)).hinting(r.hint())
	}
	if secret != "" {
		if len(native)+len(f.keys) > 0 {
			return nil, misuse(errors.New("a passphrase cannot be mixed with keys and recipients")).hinting("make an age identity, encrypt it with the passphrase (age -p), and give its recipient with --recipient")
		}
		p, err := envelope.NewPassphraseRecipient(secret)
		if err != nil {
			return nil, misuse(err)
		}
		return func(backup.ID) ([]age.Recipient, error) { return []age.Recipient{p}, nil }, nil
	}
	if len(native)+len(f.keys) == 0 {
		return nil, misuse(errors.New("nothing says who can open the backup")).hinting("give --kms-key, --recipient or --passphrase-file")
	}
	if r.minWraps < 0 {
		return nil, misuse(fmt.Errorf("--min-wraps %d is no number of keys", r.minWraps))
	}
	if r.minWraps > len(f.keys) {
		return nil, misuse(fmt.Errorf("--min-wraps %d asks for more than the %d keys that are named", r.minWraps, len(f.keys)))
	}
	if len(f.keys) == 0 {
		return func(backup.ID) ([]age.Recipient, error) { return native, nil }, nil
	}
	kms := f.reach().BackupKMS(f.caller)
	failed := func(key string, err error) {
		if r.minWraps == 0 {
			return // the command fails, and says so
		}
		fmt.Fprintf(s.err, "warning: key %s takes no part: %v\n", key, err)
	}
	return func(id backup.ID) ([]age.Recipient, error) {
		return envelope.Recipients(native, envelope.NewKMSRecipient(ctx, kms, f.keys, id.Context(), r.minWraps, failed))
	}, nil
}

// optionalDuration reads a time; an empty one is none.
func optionalDuration(flag, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := durationOf(text)
	if err != nil || d <= 0 {
		return 0, misuse(fmt.Errorf("%s %q is no time", flag, text)).hinting("write it as 36h or 90d")
	}
	return d, nil
}

// watcher looks at where a watcher is told, before there is something to tell. The URL may
// hold a secret.
func watcher(at string) error {
	if at == "" {
		return nil
	}
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return misuse(errors.New("--ping is no URL")).hinting("write it as https://HOST/PATH")
	}
	return nil
}

// ping tells a watcher that all is well.
func ping(ctx context.Context, at string) error {
	if at == "" {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return misuse(fmt.Errorf("reading --ping: %w", err))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var of *url.Error // it has the whole URL, which may hold a secret
		if errors.As(err, &of) {
			err = of.Err
		}
		return failure(fmt.Errorf("the backup is made; telling %s of it: %w", req.URL.Host, err))
	}
	resp.Body.Close()
	if resp.StatusCode >= 400 {
		return failure(fmt.Errorf("the backup is made; telling %s of it: it answers %s", req.URL.Host, resp.Status))
	}
	return nil
}
