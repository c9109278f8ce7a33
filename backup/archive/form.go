package archive

import "time"

// FormatVersion is the version of the form of headers and manifests.
const FormatVersion = 1

// Header is the first member.
type Header struct {
	FormatVersion int    `json:"format_version"`
	Tool          string `json:"tool"` // keyreach and its version
	// ID is the backup's own, as in its name and its encryption context.
	ID string `json:"id"`
	// Kind is what it is of: etcd, step-ca, files. Name tells it from others of the kind.
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	// Notes are what the source tells beforehand, such as whether it stood still
	// (quiesced: yes or no).
	Notes map[string]string `json:"notes,omitempty"`
}

// Manifest is the last member. A backup without one is not whole.
type Manifest struct {
	FormatVersion int     `json:"format_version"`
	Entries       []Entry `json:"entries"`
	// Count and Total are the number of entries, and the bytes of all files.
	Count int   `json:"count"`
	Total int64 `json:"total"`
	// Notes are what the source tells afterwards, such as the revision of etcd.
	Notes map[string]string `json:"notes,omitempty"`
}

// Files is how many of the entries are files.
func (m *Manifest) Files() int {
	n := 0
	for i := range m.Entries {
		if m.Entries[i].Type == typeFile {
			n++
		}
	}
	return n
}

// Entry is one member between the two.
type Entry struct {
	// Path is relative, with slashes.
	Path string `json:"path"`
	// Type is file, dir or symlink.
	Type string `json:"type"`
	Size int64  `json:"size,omitempty"`
	// Mode has the permission bits only.
	Mode uint32 `json:"mode"`
	// SHA256 is of a file's content, in hexadecimal; Target is a symlink's.
	SHA256 string `json:"sha256,omitempty"`
	Target string `json:"target,omitempty"`
}

// End returns the last bytes of the compressed stream: a skippable frame, which zstd
// passes over. By it a stream that lacks its end is told from one that was changed.
func End() []byte {
	return []byte("\x5e\x2a\x4d\x18\x08\x00\x00\x00KEYREACH")
}

// Begin returns the first bytes of the compressed stream: zstd's magic number.
func Begin() []byte { return []byte("\x28\xb5\x2f\xfd") }
