package backup

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/etcd"
	"github.com/keyreach/keyreach/backup/stepca"
)

// noteQuiesced is whether what was read stood still: yes or unknown.
const noteQuiesced = "quiesced"

// Kinds are the sources that there are.
func Kinds() []string { return []string{kindFiles, kindEtcd, kindStepCA} }

// Files is a directory with all that is in it.
type Files struct {
	Root    string
	Exclude []string
	// Quiesced is set when something made it stand still.
	Quiesced bool
}

// Kind is files.
func (f *Files) Kind() string { return kindFiles }

// Fingerprint is over names, modes and contents.
func (f *Files) Fingerprint(ctx context.Context) (string, error) {
	print, err := archive.Fingerprint(ctx, f.Root, f.Exclude)
	return print, f.in(err)
}

// Write puts the tree into the archive.
func (f *Files) Write(ctx context.Context, w *archive.Writer) ([]string, error) {
	w.Note(noteQuiesced, string(quiesced(f.Quiesced)))
	if err := archive.AddTree(ctx, w, f.Root, f.Exclude); err != nil {
		return nil, f.in(err)
	}
	if w.Files() == 0 {
		return []string{"there is no file in " + f.Root + ": look whether it is the right directory, and mounted"}, nil
	}
	return nil, nil
}

// in says of which directory the paths in a failure are.
func (f *Files) in(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("in %s: %w", f.Root, err)
}

// Etcd is a running etcd.
type Etcd struct{ Source etcd.Source }

// Kind is etcd.
func (e *Etcd) Kind() string { return kindEtcd }

// Fingerprint is another when something was written to the cluster.
func (e *Etcd) Fingerprint(ctx context.Context) (string, error) { return e.Source.Fingerprint(ctx) }

// Write takes a snapshot.
func (e *Etcd) Write(ctx context.Context, w *archive.Writer) ([]string, error) {
	taken, err := e.Source.Save(ctx, w)
	var warnings []string
	for _, p := range taken.PassedOver {
		warnings = append(warnings, fmt.Sprintf("the member at %s was passed over: %v", p.Endpoint, p.Err))
	}
	if taken.Leaderless {
		warnings = append(warnings, "the member at "+taken.Endpoint+" saw no leader: it may lack what others have")
	}
	return warnings, err
}

// EtcdFile is the file of a snapshot of etcd.
type EtcdFile struct{ File etcd.File }

// Kind is etcd.
func (e *EtcdFile) Kind() string { return kindEtcd }

// Fingerprint is that of the database in it.
func (e *EtcdFile) Fingerprint(context.Context) (string, error) { return e.File.Fingerprint() }

// Write puts the file into the archive, verified.
func (e *EtcdFile) Write(_ context.Context, w *archive.Writer) ([]string, error) {
	taken, err := e.File.Save(w)
	switch {
	case err != nil:
		return nil, fmt.Errorf("in the file %s: %w", e.File.Path, err)
	case taken.Hash == "none":
		return []string{"the snapshot has no hash: only the checks of its pages vouch for it"}, nil
	}
	return nil, nil
}

// StepCA is the directory of a step-ca.
type StepCA struct {
	Place    stepca.Place
	Quiesced bool
}

// Kind is step-ca.
func (s *StepCA) Kind() string { return kindStepCA }

// Fingerprint is that of the CA's files.
func (s *StepCA) Fingerprint(ctx context.Context) (string, error) {
	ca, err := stepca.Read(s.Place)
	if err != nil {
		return "", err
	}
	return ca.Fingerprint(ctx)
}

// Write puts all that belongs to the CA into the archive.
func (s *StepCA) Write(ctx context.Context, w *archive.Writer) ([]string, error) {
	ca, err := stepca.Read(s.Place)
	if err != nil {
		return nil, err
	}
	saved, err := ca.Save(ctx, w, quiesced(s.Quiesced))
	warnings := saved.Warnings // with those of the CA
	if s.Place.PasswordElsewhere {
		what := "the password of the CA's keys is not in the backup: without it the CA is lost all the same"
		if at, err := filepath.Rel(ca.Place.Dir, ca.Place.PasswordFile); err == nil && filepath.IsLocal(at) {
			what = "what looks like the password of the CA's keys is in its directory, and so in the backup: " + at
		}
		warnings = append(warnings, what)
	}
	if len(ca.External) > 0 {
		warnings = append(warnings, "this belongs to the CA and is in no file, so not in the backup: "+strings.Join(ca.External, "; "))
	}
	return warnings, err
}

func quiesced(said bool) stepca.Quiesced {
	if said {
		return stepca.Yes
	}
	return stepca.Unknown
}
