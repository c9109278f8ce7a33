package ec2

import (
	"maps"
	"slices"
	"time"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Volume is an EBS volume as the state keeps it.
type Volume struct {
	Account, Region, ID string
	Created             time.Time
	Zone, Type          string
	Size                int32
	IOPS, Throughput    int32  `json:",omitempty"`
	MultiAttach         bool   `json:",omitempty"`
	SnapshotID          string `json:",omitempty"`

	// KeyARN is the KMS key, empty for a plain volume; DataKey the data key under it,
	// whose encryption context names the volume (aws:ebs:id).
	KeyARN  string         `json:",omitempty"`
	DataKey []byte         `json:",omitempty"`
	Grants  []behalf.Grant `json:",omitempty"`
	// Layer is what its blocks hold.
	Layer string `json:",omitempty"`

	// Ready is when the volume is no longer being made. It is gone then if Lost says
	// why: a key could not be used.
	Ready time.Time
	Lost  string `json:",omitempty"`
	// Gone is when a volume that is being deleted is gone.
	Gone time.Time `json:",omitzero"`

	Attached []Attachment `json:",omitempty"`
	// Changed is the last modification.
	Changed *modification `json:",omitempty"`
	// Snapped is when it was last snapshotted.
	Snapped      time.Time `json:",omitzero"`
	AutoEnableIO bool      `json:",omitempty"`
	Tags         map[string]string
}

// Attachment is that of a volume to an instance.
type Attachment struct {
	Instance, Device    string
	At                  time.Time
	DeleteOnTermination bool `json:",omitempty"`
	// Ready is when it is attached, Gone when one that is being detached is gone.
	Ready time.Time
	Gone  time.Time `json:",omitzero"`
}

// clone is a copy that may be changed and put.
func (v *Volume) clone() *Volume {
	n := *v
	n.Grants, n.Attached, n.Tags = slices.Clone(v.Grants), slices.Clone(v.Attached), maps.Clone(v.Tags)
	return &n
}

// ARN is the volume's.
func (v *Volume) ARN() string { return behalf.ARN("ec2", v.Region, v.Account, "volume/", v.ID) }

// context is the encryption context of the volume's data key.
func (v *Volume) context() map[string]string { return map[string]string{"aws:ebs:id": v.ID} }

// state is what the volume is at a time.
func (v *Volume) state(now time.Time) string {
	switch {
	case now.Before(v.Ready):
		return "creating"
	case !v.Gone.IsZero():
		return "deleting"
	case len(v.Attached) > 0:
		return "in-use"
	}
	return "available"
}

// volume returns a volume of an account, or nil.
func (s *Service) volume(account, region, id string) *Volume {
	return s.volumes.Get(state.Key(account, region, id))
}

func (s *Service) putVolume(v *Volume) { s.volumes.Put(state.Key(v.Account, v.Region, v.ID), v) }

// volumeTask has something done with a volume at a time.
func (s *Service) volumeTask(v *Volume, at time.Time, what string) {
	s.Agenda.Add(state.Task{At: at, Service: "ec2", Account: v.Account, Region: v.Region, What: what, Subject: v.ID})
}
