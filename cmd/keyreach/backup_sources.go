package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/etcd"
	"github.com/keyreach/keyreach/backup/stepca"
)

// sourceFlags say what is backed up.
type sourceFlags struct {
	of, path             string // its kind, and where it lies
	exclude              []string
	hooks                hooks
	before, after        string
	endpoints            []string
	cert, key, cacert    string
	user, etcdPasswordAt string
	noHash               bool
	caPassword           string
	caPasswordElsewhere  bool
}

func (f *sourceFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.exclude, "exclude", nil, "leave out what matches the `PATTERN` (files): of the whole path, or without a slash of the last name") // a name may have a comma
	fs.StringVar(&f.before, "before", "", "run the `COMMAND` before reading, to have the source stand still")
	fs.StringVar(&f.after, "after", "", "run the `COMMAND` after reading, however it went")
	fs.StringSliceVar(&f.endpoints, "endpoints", nil, "the `URL`s of etcd's members")
	fs.StringVar(&f.cert, "cert", "", "the client certificate for etcd, a `FILE`")
	fs.StringVar(&f.key, "key", "", "the key of the client certificate, a `FILE`")
	fs.StringVar(&f.cacert, "cacert", "", "the certificates that etcd's are checked with, a `FILE`")
	fs.StringVar(&f.user, "etcd-user", "", "the `NAME` to call etcd as")
	fs.StringVar(&f.etcdPasswordAt, "etcd-password-file", "", "the `FILE` with its password")
	fs.BoolVar(&f.noHash, "no-hash", false, "take a copied member/snap/db, which has no hash (etcd)")
	fs.StringVar(&f.caPassword, "ca-password-file", "", "the `FILE` with the password of the CA's keys (default: secrets/password…) (step-ca)")
	fs.BoolVar(&f.caPasswordElsewhere, "ca-password-elsewhere", false, "the password of the CA's keys is kept in another place, and not backed up (step-ca)")
}

// source is what the kind and the path mean, with the name that it has when none is given.
func (f *sourceFlags) source() (backup.Source, string, error) {
	kind, path := f.of, f.path
	if err := f.belong(); err != nil {
		return nil, "", err
	}
	switch kind {
	case "files":
		at, err := directory(kind, path)
		if err != nil {
			return nil, "", err
		}
		return &backup.Files{Root: at, Exclude: f.exclude, Quiesced: f.quiesced()}, filepath.Base(at), nil
	case "step-ca":
		at, err := directory(kind, path)
		if err != nil {
			return nil, "", err
		}
		place := stepca.Place{Dir: at, PasswordFile: f.caPassword, PasswordElsewhere: f.caPasswordElsewhere}
		return &backup.StepCA{Place: place, Quiesced: f.quiesced()}, "ca", nil
	case "etcd":
		if (path == "") == (len(f.endpoints) == 0) {
			return nil, "", misuse(errors.New("etcd is read from its members, or from the file of a snapshot")).hinting("give --endpoints https://HOST:2379, or the file")
		}
		return f.etcd(path)
	}
	if kind == "" {
		return nil, "", misuse(errors.New("nothing says what is to be backed up")).hinting("give files DIR, etcd or step-ca DIR, or --route NAME of a keyreach.yaml that says it")
	}
	return nil, "", misuse(fmt.Errorf("there is no source %q", kind)).hinting("it is one of files, etcd, step-ca")
}

// belong refuses flags of another source than the one that is meant, and what can be seen to
// be wrong before anything is read.
func (f *sourceFlags) belong() error {
	live := len(f.endpoints) > 0
	for _, flag := range []struct {
		name, of string
		given    bool
	}{
		{"--endpoints", "etcd", live},
		{"--no-hash", "etcd", f.noHash},
		{"--ca-password-file", "step-ca", f.caPassword != ""},
		{"--ca-password-elsewhere", "step-ca", f.caPasswordElsewhere},
		{"--exclude", "files", len(f.exclude) > 0},
	} {
		if flag.given && f.of != flag.of && f.of != "" {
			return misuse(fmt.Errorf("%s is for %s, and not for %s", flag.name, flag.of, f.of))
		}
	}
	for _, given := range []string{f.cert, f.key, f.cacert, f.user, f.etcdPasswordAt} {
		if given != "" && !live && f.of != "" {
			return misuse(errors.New("--cert, --key, --cacert, --etcd-user and --etcd-password-file are for a running etcd")).hinting("give --endpoints https://HOST:2379 too, or leave them out")
		}
	}
	if (f.cert == "") != (f.key == "") {
		return misuse(errors.New("--cert and --key belong together"))
	}
	for _, pattern := range f.exclude {
		if _, err := path.Match(pattern, ""); err != nil {
			return misuse(fmt.Errorf("--exclude %s is no pattern: %w", pattern, err))
		}
		// Paths have their shortest form, so that "cache/" is none.
		if p := strings.TrimPrefix(pattern, "./"); p != "" && path.Clean("/"+p) != "/"+p {
			return misuse(fmt.Errorf("--exclude %s matches nothing: patterns are of paths in the directory", pattern)).hinting("write the path as it is from the directory on, as in --exclude cache/tmp")
		}
	}
	return nil
}

func (f *sourceFlags) etcd(path string) (backup.Source, string, error) {
	if path != "" {
		return &backup.EtcdFile{File: etcd.File{Path: path, NoHash: f.noHash}}, "etcd", nil
	}
	return &backup.Etcd{Source: etcd.Source{Endpoints: f.endpoints, Cert: f.cert, Key: f.key, CACert: f.cacert, User: f.user,
		Password: func() (string, error) { return secretFile(f.etcdPasswordAt) }}}, "etcd", nil
}

// directory is the one that a source is read from.
func directory(kind, path string) (string, error) {
	if path == "" {
		return "", misuse(fmt.Errorf("%s needs a directory", kind)).hinting("keyreach backup create " + kind + " DIR --store …")
	}
	at, err := filepath.Abs(path)
	if err != nil {
		return "", failure(err)
	}
	info, err := os.Stat(at)
	switch {
	case err != nil:
		return "", misuse(fmt.Errorf("looking at what is to be backed up: %w", err))
	case !info.IsDir():
		return "", misuse(fmt.Errorf("%s is no directory", path)).hinting("name the directory that it is in, and leave out the rest with --exclude")
	}
	return at, nil
}

// secretFile reads the secret in a file, without the line break at its end.
func secretFile(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", misuse(fmt.Errorf("reading a secret: %w", err))
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// hooks are the commands around the reading that a route declares, each with its
// arguments. They are run in the directory of the file.
type hooks struct {
	before, after [][]string
	dir           string
}

// quiesced reports whether something was said to make the source stand still.
func (f *sourceFlags) quiesced() bool { return f.before != "" || len(f.hooks.before) > 0 }

// goOn runs the commands that come after, and adds what they fail with to how the work
// went.
func (f *sourceFlags) goOn(ctx context.Context, talk io.Writer, err error) error {
	add := func(e error) {
		if err == nil {
			err = e
		} else if e != nil { // what was stopped may still be: that is not to be lost behind the other
			fmt.Fprintf(talk, "warning: %v\n", e)
		}
	}
	if f.after != "" {
		add(hook(ctx, talk, "--after", "", "/bin/sh", "-c", f.after))
	}
	for _, argv := range f.hooks.after {
		fmt.Fprintf(talk, "running after: %s\n", visible(strings.Join(argv, " ")))
		add(hook(ctx, talk, "after", f.hooks.dir, argv...))
	}
	return err
}

// standingStill runs the commands around the work. What comes after is run however the
// work went.
func (f *sourceFlags) standingStill(ctx context.Context, talk io.Writer, do func() error) (err error) {
	defer func() { err = f.goOn(context.WithoutCancel(ctx), talk, err) }()
	if f.before != "" {
		if err := hook(ctx, talk, "--before", "", "/bin/sh", "-c", f.before); err != nil {
			return err
		}
	}
	for _, argv := range f.hooks.before {
		fmt.Fprintf(talk, "running before: %s\n", visible(strings.Join(argv, " ")))
		if err := hook(ctx, talk, "before", f.hooks.dir, argv...); err != nil {
			return err
		}
	}
	return do()
}

// hook runs a command that was given on the command line, or that the route has which was
// asked for. It gets nothing of the environment that may be secret.
func hook(ctx context.Context, talk io.Writer, of, dir string, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	for _, name := range []string{"PATH", "HOME", "USER", "LANG", "TZ", "XDG_RUNTIME_DIR"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Stdout, cmd.Stderr, cmd.Dir = talk, talk, dir
	if err := cmd.Run(); err != nil {
		return failure(fmt.Errorf("running the command of %s: %w", of, err))
	}
	return nil
}
