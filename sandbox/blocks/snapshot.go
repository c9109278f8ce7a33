// Package blocks keeps EBS snapshots: what they are, who may see them and what their
// blocks hold. EC2 and the EBS direct APIs both work on them.
package blocks

import (
	"cmp"
	"iter"
	"maps"
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
	// Bound is what the data key's encryption context names when that is not the
	// snapshot: the volume that it is of, or an earlier copy.
	Bound string `json:",omitempty"`
	// Lineage names what shares a data key: recorded, a second copy of the same lineage
	// to the same key makes none anew.
	Lineage string `json:",omitempty"`
	// Layer is what its blocks hold, empty when nothing was ever written.
	Layer string `json:",omitempty"`
	// Copied is the ARN of the snapshot that it is a copy of, as events have it.
	Copied string `json:",omitempty"`

	// Done is when the snapshot is completed or fails; it is pending until then. Zero
	// for one that the direct APIs still write. Failed is the message with which it ends
	// in error; empty when it completes.
	Done   time.Time
	Failed string `json:",omitempty"`
	// Until is when one that is being written fails for want of writing, Timeout how
	// long after the last block that is.
	Until   time.Time     `json:",omitzero"`
	Timeout time.Duration `json:",omitempty"`

	// Shared are the accounts that may make volumes of it; Public is everybody, unless
	// Hidden: the owner's account blocks all public sharing.
	Shared []string `json:",omitempty"`
	Public bool     `json:",omitempty"`
	Hidden bool     `json:",omitempty"`
	// Tags are by the account that set them: those of others are not seen.
	Tags map[string]map[string]string `json:",omitempty"`
}

// DoneTask is what EC2 has to do when a snapshot is done, as the agenda has it.
const DoneTask = "snapshot-done"

// States of a snapshot.
const (
	Pending   = "pending"
	Completed = "completed"
	Failed    = "error"
)

// State is what the snapshot is at a time.
func (s *Snapshot) State(now time.Time) string {
	switch {
	case s.Done.IsZero() && !s.Until.IsZero() && !now.Before(s.Until):
		return Failed
	case s.Done.IsZero() || now.Before(s.Done):
		return Pending
	case s.Failed != "":
		return Failed
	}
	return Completed
}

// SharedWith reports whether an account other than the owner may make volumes of it.
func (s *Snapshot) SharedWith(account string) bool {
	return s.Public && !s.Hidden || slices.Contains(s.Shared, account)
}

// Seen reports whether an account sees the snapshot: its own, and what is shared with it.
func (s *Snapshot) Seen(account string) bool { return s.Account == account || s.SharedWith(account) }

// ARN is the snapshot's. IAM knows snapshots without an account: recorded.
func (s *Snapshot) ARN() string { return behalf.ARN("ec2", s.Region, "", "snapshot/", s.ID) }

// Context is the encryption context of the snapshot's data key.
func (s *Snapshot) Context() map[string]string {
	return map[string]string{"aws:ebs:id": cmp.Or(s.Bound, s.ID)}
}

// TagsOf are the tags that an account has given the snapshot. Recorded: the owner and
// each recipient see their own only.
func (s *Snapshot) TagsOf(account string) map[string]string { return s.Tags[account] }

// Clone is a copy that may be changed and put.
func (s *Snapshot) Clone() *Snapshot {
	n := *s
	n.Shared, n.Grants = slices.Clone(s.Shared), slices.Clone(s.Grants)
	n.Tags = maps.Clone(s.Tags)
	return &n
}

// Store is the snapshots of a sandbox.
type Store struct {
	snapshots *state.Table[Snapshot] // Region, id
	dataKeys  *state.Table[dataKey]  // account, Region, lineage, key
	layers    *state.Table[layer]    // id
	blocks    *state.Table[block]    // layer, index
	content   *state.Table[content]  // checksum
	users     *state.Table[users]    // checksum
}

// dataKey is the data key of the copies of a lineage under a key, and what its context
// names.
type dataKey struct {
	Blob  []byte
	Bound string
}

// NewStore adds the snapshots to a DB.
func NewStore(db *state.DB) *Store {
	return &Store{
		snapshots: state.NewTable[Snapshot](db, "ebs.snapshots", nil),
		dataKeys:  state.NewTable[dataKey](db, "ebs.datakeys", nil),
		layers:    state.NewTable[layer](db, "ebs.layers", nil),
		blocks:    state.NewTable[block](db, "ebs.blocks", nil),
		content:   state.NewTable[content](db, "ebs.content", nil),
		users:     state.NewTable[users](db, "ebs.content.users", nil),
	}
}

// Get returns a snapshot of a Region, or nil.
func (s *Store) Get(region, id string) *Snapshot { return s.snapshots.Get(state.Key(region, id)) }

// Put stores a snapshot.
func (s *Store) Put(n *Snapshot) { s.snapshots.Put(state.Key(n.Region, n.ID), n) }

// Delete takes a snapshot away, with what only it held.
func (s *Store) Delete(n *Snapshot) {
	s.Release(n.Layer)
	s.snapshots.Delete(state.Key(n.Region, n.ID))
}

// Everywhere runs over the snapshots of all Regions.
func (s *Store) Everywhere() iter.Seq2[string, *Snapshot] { return s.snapshots.All("") }

// All runs over the snapshots of a Region, of all accounts, in the order of their ids.
func (s *Store) All(region string) iter.Seq[*Snapshot] {
	return func(yield func(*Snapshot) bool) {
		for _, n := range s.snapshots.All(state.Key(region, "")) {
			if !yield(n) {
				return
			}
		}
	}
}

// DataKey returns the data key that copies of a lineage have under a key, and what its
// encryption context names; nil when there was none yet.
func (s *Store) DataKey(account, region, lineage, keyARN string) (blob []byte, bound string) {
	if k := s.dataKeys.Get(state.Key(account, region, lineage, keyARN)); k != nil {
		return k.Blob, k.Bound
	}
	return nil, ""
}

// KeepDataKey remembers the data key of a copy for those of the same lineage.
func (s *Store) KeepDataKey(n *Snapshot) {
	s.dataKeys.Put(state.Key(n.Account, n.Region, n.Lineage, n.KeyARN), &dataKey{n.DataKey, cmp.Or(n.Bound, n.ID)})
}
