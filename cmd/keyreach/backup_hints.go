package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/etcd"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/cloud"
)

// holds reports whether a directory holds the store, or is it.
func holds(dir, store string) bool {
	_, within := placeIn(dir, store)
	return within
}

// placeIn is where in a directory the store is, and whether it is in it.
func placeIn(dir, store string) (at string, within bool) {
	if strings.Contains(store, "://") {
		return "", false
	}
	dir, err1 := filepath.Abs(dir)
	store, err2 := filepath.Abs(store)
	if err1 != nil || err2 != nil {
		return "", false
	}
	at, err := filepath.Rel(realPath(dir), realPath(store))
	return at, err == nil && filepath.IsLocal(at)
}

// realPath is a path without symlinks, as far as there is something at it: a store or a
// target need not be there yet.
func realPath(p string) string {
	real, err := filepath.EvalSymlinks(p)
	switch parent := filepath.Dir(p); {
	case err == nil:
		return real
	case parent == p:
		return p
	default:
		return filepath.Join(realPath(parent), filepath.Base(p))
	}
}

// meant is which backups are meant. An id may be given as the file of the store, or as its
// place, which is what create prints.
func (f *backupFlags) meant(at store.Store, id string) backup.Select {
	if id = strings.TrimSuffix(id, store.Suffix); strings.Contains(id, "/") {
		dir, err := filepath.Abs(filepath.Dir(id))
		if strings.Contains(at.String(), "://") {
			id = strings.TrimPrefix(id, strings.TrimSuffix(at.String(), "/")+"/")
		} else if err == nil && dir == at.String() {
			id = filepath.Base(id)
		}
	}
	return backup.Select{ID: id, Kind: f.kind, Name: f.name}
}

// calledOf is the service that failed, s3 or kms; empty when it was none of AWS.
func calledOf(err error) string {
	var call *cloud.Error
	if !errors.As(err, &call) {
		return ""
	}
	service, _, _ := strings.Cut(call.Operation, ":")
	return service
}

// opensBy refuses what names no key and no account: a backup names its keys by their ARNs,
// and what is none would open nothing.
func opensBy(keys, accounts []string) error {
	for _, key := range keys {
		// A route may name its keys by the ARNs of aliases.
		if a, err := arn.Parse(key); err != nil || !a.IsKMSKey() && !a.IsKMSAlias() {
			return misuse(fmt.Errorf("--kms-key %s is not the ARN of a key, by which a backup names it", key)).hinting("keyreach backup verify --quick shows the ARNs; --kms-account allows all keys of an account")
		}
	}
	for _, account := range accounts {
		if !arn.IsAccount(account) {
			return misuse(fmt.Errorf("--kms-account %s is not the number of an account", account))
		}
	}
	return nil
}

func hintDenied(err error) string {
	if calledOf(err) == "" && errors.Is(err, fs.ErrPermission) {
		return "run it as a user who may"
	}
	return "keyreach diagnose reads the error of AWS, and says what mends it"
}

func hintNotFound(err error) string {
	var call *cloud.Error
	switch {
	case calledOf(err) == "kms":
		return "give a key by its ARN, or as alias/NAME when it is in the caller's account and Region"
	case errors.As(err, &call) && (call.Operation == "s3:HeadBucket" || call.Code == "NoSuchBucket"):
		return "look at the name of the bucket; keyreach backup setup plans one"
	case errors.Is(err, fs.ErrNotExist):
		return "look at the path"
	}
	return "keyreach backup list shows what is there"
}

// unclassed gives a failure that is none of a backup its exit code.
func unclassed(err error) error {
	var busy *archive.BusyError
	var exit *exitError
	var missing *etcd.Missing
	if err = cloudFailure(err); !errors.As(err, &exit) {
		return err
	}
	switch {
	case errors.As(err, &missing):
		exit.hint = "install it, or drill where it is; keyreach backup verify needs no other program"
	case exit.code == exitCredentials && cloud.KindOf(err) == cloud.Credentials:
		exit.hint = "name a --profile, or set what the AWS SDK reads; aws sts get-caller-identity shows who you are"
	case cloud.KindOf(err) == cloud.State && calledOf(err) == "kms":
		exit.hint = "enable the key, or cancel its deletion, or leave it out and name another"
	case cloud.KindOf(err) == cloud.State && calledOf(err) != "s3":
		exit.hint = "somebody else works on it: this changed nothing of it; run the command again"
	case errors.Is(err, syscall.ENOSPC):
		exit.hint = "nothing was changed: free some space, or name another place"
	case errors.As(err, &busy):
		exit.hint = "wait for it, or restore to another --to"
	}
	return exit
}

// drilling is the failure of a drill: what does not open may be the CA's key.
func drilling(err error, kind string) error {
	err = backupFailure(err)
	var exit *exitError
	var unopened *envelope.UnopenedError
	if kind == "step-ca" && errors.As(err, &exit) && exit.code == exitNoKey && !errors.As(err, &unopened) {
		exit.hint = "name the file with the password of the CA's keys with --ca-password-file"
	}
	return err
}

// creating is the failure of making a backup: the store has nothing of it, and other
// backups are no remedy.
func creating(err error) error {
	err = backupFailure(err)
	var exit *exitError
	if !errors.As(err, &exit) || calledOf(err) != "" {
		return err
	}
	switch exit.code {
	case exitCorrupt, exitTruncated:
		exit.hint = "nothing was stored; look at what is to be backed up"
	case exitNotFound:
		exit.hint = "see that what it names is there, and stays there while it is read"
	}
	return err
}
