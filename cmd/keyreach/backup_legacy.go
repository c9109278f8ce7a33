package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/atomicfile"
)

// legacyFlags are of backupFlags those that open a file.
type legacyFlags struct {
	backupFlags
	to     string
	unpack bool
}

func newBackupOpenLegacy(s *streams) *cobra.Command {
	f := legacyFlags{}
	f.format = dataFormat{textFormat}
	c := &cobra.Command{
		Use:   "open-legacy FILE --to FILE|DIR",
		Short: "Open a .kms or .enc file of the scripts of etcd-ansible",
		Long: `Decrypt a file that the backup scripts of ant31/etcd-ansible wrote into a new file that
only its owner reads: an etcd snapshot, or a tar.gz of a step-ca. With --unpack the tar.gz
is unpacked into a new directory instead, as what a stranger may have made: nothing in it
reaches outside, and no owners are set. All of the file is there in the end, or nothing.

A .kms file was encrypted under a KMS key that it does not name: say which with --kms-key,
by its ARN. It is verified as a whole. A .enc file was encrypted with a passphrase by
openssl enc, and nothing in it proves that it is as it was written.`,
		Example: `  keyreach backup open-legacy ca-backup.tar.gz.kms --kms-key arn:aws:kms:…:key/… --to ca.tar.gz
  keyreach backup open-legacy etcd-snapshot.db.enc --passphrase-file pass --to snapshot.db
  keyreach backup open-legacy ca-backup.tar.gz.enc --passphrase-file pass --unpack --to ca`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c.Context(), s, args[0]) },
	}
	fs := c.Flags()
	f.liveFlags.add(fs)
	fs.VarP(&f.format, "output", "o", "how to print")
	fs.StringVar(&f.to, "to", "", "the `FILE` to write, or with --unpack the DIR, which must not be there yet")
	fs.BoolVar(&f.unpack, "unpack", false, "unpack the tar.gz in it into a new directory")
	fs.StringSliceVar(&f.keys, "kms-key", nil, "try this KMS `KEY`, an ARN; may be given again (.kms)")
	f.addPassphrase(fs)
	return c
}

// legacyView is what was opened, as JSON has it.
type legacyView struct {
	FormatVersion int    `json:"format_version"`
	From          string `json:"from"`
	To            string `json:"to"`
	Form          string `json:"form"`
	Verified      bool   `json:"verified"`
	Warning       string `json:"warning,omitempty"`
	Size          int64  `json:"size"`
	SHA256        string `json:"sha256,omitempty"`
	Entries       int    `json:"entries,omitempty"` // when it is unpacked
}

func (f *legacyFlags) run(ctx context.Context, s *streams, path string) error {
	if err := f.check(path); err != nil {
		return err
	}
	secret, err := f.secret(s, false)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = envelope.Fail(envelope.NotFound, err)
		}
		return backupFailure(fmt.Errorf("opening an old backup: %w", err))
	}
	defer file.Close()
	old, err := envelope.OpenLegacy(ctx, filepath.Base(path), file, f.reach().BackupKMS(""), envelope.AllowList{Keys: f.keys}, secret)
	if err != nil {
		return legacyFailure(fmt.Errorf("opening %s: %w", path, err))
	}
	v := legacyView{FormatVersion: estate.FormatVersion, From: path, To: f.to, Form: old.Form, Verified: old.Verified, Warning: old.Note}
	if err := f.write(ctx, old, &v); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return f.there()
		}
		return legacyFailure(fmt.Errorf("opening %s into %s: %w", path, f.to, err))
	}
	return f.print(s, &v)
}

// write puts what was decrypted where it is wanted: all of it, or nothing.
func (f *legacyFlags) write(ctx context.Context, old io.Reader, v *legacyView) error {
	if !f.unpack {
		sum := sha256.New()
		size, err := atomicfile.Copy(f.to, io.TeeReader(old, sum), 0o600)
		v.Size, v.SHA256 = size, hex.EncodeToString(sum.Sum(nil))
		return err
	}
	staging, err := archive.Stage(f.to)
	if err != nil {
		return err
	}
	defer staging.Discard()
	seen, err := archive.ExtractTarGz(ctx, old, staging.Dir, archive.Limits{})
	if err != nil {
		return err
	}
	v.Size, v.Entries = seen.Total, seen.Count
	_, err = staging.Swap()
	return err
}

// there refuses to write over anything.
func (f *legacyFlags) there() error {
	return misuse(errors.New("--to " + f.to + " is there already")).hinting("name what is not there yet")
}

// check refuses what could not end well before anybody is asked for anything.
func (f *legacyFlags) check(path string) error {
	kms, enc := strings.HasSuffix(path, ".kms"), strings.HasSuffix(path, ".enc")
	switch _, err := os.Lstat(f.to); {
	case !kms && !enc:
		return misuse(fmt.Errorf("%s ends neither in .kms nor in .enc", path)).hinting("give the file the name that the scripts gave it; keyreach's own backups are opened by keyreach backup restore")
	case f.to == "":
		return misuse(errors.New("nothing says where to write")).hinting("give --to FILE, or --unpack --to DIR")
	case err == nil:
		return f.there()
	case f.unpack && innerName(path) == strings.TrimSuffix(innerName(path), ".tar.gz"):
		return misuse(fmt.Errorf("--unpack: %s is not called a tar.gz", path)).hinting("leave it out, and look at what is in the file")
	case kms && len(f.keys) == 0:
		return misuse(errors.New("a .kms file does not name its key")).hinting("give --kms-key ARN, several times for several that it may be")
	case kms && slices.ContainsFunc(f.keys, func(key string) bool { return !strings.HasPrefix(key, "arn:") }):
		return misuse(errors.New("--kms-key is not the ARN of a key")).hinting("give it as arn:aws:kms:REGION:ACCOUNT:key/ID")
	case enc && f.passphrase == "" && !f.fd.given:
		return misuse(errors.New("a .enc file is encrypted with a passphrase")).hinting("give --passphrase-file FILE or --passphrase-fd N")
	}
	return nil
}

// legacyFailure gives a failure its exit code, and a hint that fits these files.
func legacyFailure(err error) error {
	err = backupFailure(err)
	var exit *exitError
	if errors.As(err, &exit) {
		switch exit.code {
		case exitNoKey:
			exit.hint = "it may be another key or passphrase; nothing was written"
		case exitCorrupt, exitTruncated:
			exit.hint = "take another copy of the file; nothing was written"
		}
	}
	return err
}

func (f *legacyFlags) print(s *streams, v *legacyView) error {
	if f.format.format != textFormat {
		if v.Warning != "" {
			fmt.Fprintf(s.err, "WARNING: NOTHING PROVES THAT THIS IS WHOLE: %s\n", v.Warning)
		}
		return f.format.writeLine(s.out, v)
	}
	p := &printer{w: s.out}
	p.line(0, 0, "%s is decrypted into %s: %s", v.From, v.To, bytesText(v.Size))
	if f.unpack {
		p.line(2, 0, "%s unpacked", count(v.Entries, "entry"))
	} else {
		p.line(2, 0, "SHA-256 %s", v.SHA256)
	}
	if v.Verified {
		p.line(2, 0, "all of it is as it was encrypted")
	} else {
		p.line(2, len("WARNING: "), "WARNING: NOTHING PROVES THAT THIS IS WHOLE: %s", v.Warning)
	}
	switch name := innerName(v.From); {
	case f.unpack:
		p.line(0, 0, "Next, look at what is in it, and back that up:")
		p.line(2, 2, "keyreach backup create step-ca %s --store …", v.To)
	case strings.HasSuffix(name, ".tar.gz"):
		p.line(0, 0, "It is a tar.gz, which --unpack unpacks safely.")
	case strings.HasSuffix(name, ".db"):
		p.line(0, 0, "Next, have the snapshot checked and backed up:")
		p.line(2, 2, "keyreach backup create etcd %s --store …", v.To)
	}
	return p.err
}

// innerName is the name of a file before the scripts encrypted it.
func innerName(path string) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".kms"), ".enc")
}
