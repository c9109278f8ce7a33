// Package blocks keeps EBS snapshots: what they are, who may see them and what their
// blocks hold. EC2 and the EBS direct APIs both work on them.
package blocks

import (
	"slices"
	"time"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Snapshot is a snapshot as the state keeps it.
type Snapshot struct {
	Account, Region, ID string
	Created             time.Time
	Description         string `json:",omitempty"`
	VolumeID            string
	Size                int32  // GiB of the volume
	Parent              string `json:",omitempty"` // of one that the direct APIs wrote

	// KeyARN is the KMS key, empty for a plain snapshot; DataKey the data key under it,
	// whose encryption context names the snapshot (aws:ebs:id).
	KeyARN  string         `json:",omitempty"`
	DataKey []byte         `json:",omitempty"`
	Grants  []behalf.Grant `json:",omitempty"`
	// Default is set when the key is AWS's own of the account (aws/ebs).
	Default bool `json:",omitempty"`
	// Lineage names what shares a data key: recorded, a second copy of the same lineage
	// to the same key makes none anew.
	Lineage string `json:",omitempty"`

	// Done is when the snapshot is completed or fails; it is pending until then. Zero
	// for one that the direct APIs still write. Failed is the message with which it ends
	// in error; empty when it completes.
	Done   time.Time
	Failed string `json:",omitempty"`

	// Shared are the accounts that may make volumes of it; Public is everybody.
	Shared []string `json:",omitempty"`
	Public bool     `json:",omitempty"`
	// Tags are by the account that set them: those of others are not seen.
	Tags map[string]map[string]string `json:",omitempty"`
}

// States of a snapshot.
const (
	Pending   = "pending"
	Completed = "completed"
	Failed    = "error"
)

// State is what the snapshot is at a time.
func (s *Snapshot) State(now time.Time) string {
	switch {
	case s.Done.IsZero() || now.Before(s.Done):
		return Pending
	case s.Failed != "":
		return Failed
	}
	return Completed
}

// SharedWith reports whether an account other than the owner may make volumes of it.
func (s *Snapshot) SharedWith(account string) bool {
	return s.Public || slices.Contains(s.Shared, account)
}

// Seen reports whether an account sees the snapshot: its own, and what is shared with it.
func (s *Snapshot) Seen(account string) bool { return s.Account == account || s.SharedWith(account) }

// ARN is the snapshot's. IAM knows snapshots without an account: recorded.
func (s *Snapshot) ARN() string { return behalf.ARN("ec2", s.Region, "", "snapshot/", s.ID) }

// Context is the encryption context of the snapshot's data key.
func (s *Snapshot) Context() map[string]string { return map[string]string{"aws:ebs:id": s.ID} }

// Store is the snapshots of a sandbox.
type Store struct {
	snapshots *state.Table[Snapshot] // Region, id
}

// NewStore adds the snapshots to a DB.
func NewStore(db *state.DB) *Store {
	return &Store{snapshots: state.NewTable[Snapshot](db, "ebs.snapshots", nil)}
}

// Get returns a snapshot of a Region, or nil.
func (s *Store) Get(region, id string) *Snapshot { return s.snapshots.Get(state.Key(region, id)) }

// Put stores a snapshot.
func (s *Store) Put(n *Snapshot) { s.snapshots.Put(state.Key(n.Region, n.ID), n) }
