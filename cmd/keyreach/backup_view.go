package main

import (
	"errors"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/estate"
)

// backupView is a backup as JSON has it.
type backupView struct {
	FormatVersion int               `json:"format_version,omitempty"`
	ID            string            `json:"id"`
	Kind          string            `json:"kind,omitempty"`
	Name          string            `json:"name,omitempty"`
	Created       time.Time         `json:"created,omitzero"`
	Store         string            `json:"store,omitempty"`
	Location      string            `json:"location"`
	Size          int64             `json:"size"`
	VersionID     string            `json:"version_id,omitempty"`
	Checksum      string            `json:"checksum,omitempty"`
	LockedUntil   time.Time         `json:"locked_until,omitzero"`
	Unchanged     bool              `json:"unchanged,omitempty"`
	Recent        bool              `json:"recent,omitempty"`
	Files         int               `json:"files,omitempty"`
	Bytes         int64             `json:"bytes,omitempty"`
	Notes         map[string]string `json:"notes,omitempty"`
	Warnings      []string          `json:"warnings,omitempty"`
}

func storedView(b *backup.Backup) backupView {
	return backupView{ID: b.Object.ID, Kind: b.ID.Kind, Name: b.ID.Name, Created: b.ID.Created, Location: b.Location, Size: b.Size,
		VersionID: b.VersionID, Checksum: b.Checksum, LockedUntil: b.LockedUntil}
}

// contents are what an archive says is in it.
func (v *backupView) contents(m *archive.Manifest) {
	v.Files, v.Bytes, v.Notes = m.Files(), m.Total, m.Notes
}

func bytesText(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// print tells of a backup that was made.
func (f *createFlags) print(s *streams, m *backup.Made) error {
	v := backupView{FormatVersion: estate.FormatVersion, ID: m.ID, Kind: m.Kind, Name: m.Name, Created: m.Created, Store: f.at, Location: m.Location,
		Size: m.Size, VersionID: m.VersionID, Checksum: m.Checksum, LockedUntil: m.LockedUntil, Unchanged: m.Unchanged, Recent: m.Recent}
	v.contents(&m.Manifest)
	v.Warnings = m.Warnings
	if f.format.format != textFormat {
		return f.format.writeLine(s.out, v)
	}
	p := &printer{w: s.out}
	if m.Recent {
		p.line(0, 0, "%s was made %s ago and is in %s: no other was made. It was not opened: keyreach backup verify does that.", m.ID, backup.Age(time.Since(m.Created)), f.at)
		return p.err
	}
	if m.Unchanged {
		p.line(0, 0, "Nothing has changed since %s of %s, which is in %s: no backup was made.", m.ID, clockText(m.Created), f.at)
		return p.err
	}
	p.line(0, 0, "%s", m.ID)
	p.line(2, 0, "%s in %s; encrypted %s", bytesText(v.Bytes), count(v.Files, "file"), bytesText(m.Size))
	p.line(2, 0, "%s", m.Location)
	if m.VersionID != "" {
		p.line(2, 0, "version %s", m.VersionID)
	}
	p.line(2, 0, "read back, decrypted and compared while it was written")
	for _, w := range v.Warnings {
		p.line(2, len("WARNING: "), "WARNING: %s", w)
	}
	return p.err
}

// refusal is why one key did not open a backup, in one line.
func refusal(err error) string {
	var tried *envelope.AttemptsError
	if errors.As(err, &tried) && len(tried.Attempts) == 1 && tried.Attempts[0].Err != nil {
		err = tried.Attempts[0].Err
	}
	return oneLine(err)
}

// oneLine is an error's text without line breaks.
func oneLine(err error) string {
	text := ""
	for line := range strings.Lines(err.Error()) {
		line = strings.Join(strings.Fields(line), " ")
		switch {
		case line == "" || text == "":
			text += line
		case strings.HasSuffix(text, ":"):
			text += " " + line
		default:
			text += "; " + line
		}
	}
	return text
}

// keyView is one way into a backup, tried.
type keyView struct {
	Type     string    `json:"type"`
	Key      string    `json:"key,omitempty"`
	Called   string    `json:"called,omitempty"` // a replica of the key, whose state it is then
	Opens    bool      `json:"opens"`
	State    string    `json:"state,omitempty"`
	Deletion time.Time `json:"deletion_date,omitzero"`
	Error    string    `json:"error,omitempty"`
}

func keysView(v *backup.Verified) []keyView {
	list := []keyView{}
	for i := range v.Keys {
		k := &v.Keys[i]
		one := keyView{Type: envelope.StanzaType, Key: k.ARN, Opens: k.Err == nil, State: k.Key.State, Deletion: k.Key.Deletion}
		if k.Called != k.ARN {
			one.Called = k.Called
		}
		if k.Err != nil {
			one.Error = refusal(k.Err)
		}
		list = append(list, one)
	}
	for _, other := range v.Others {
		one := keyView{Type: other.Type, Opens: other.Opens}
		if !other.Opens {
			one.Error = "none of the identities and passphrases at hand opens it"
		}
		list = append(list, one)
	}
	return list
}
