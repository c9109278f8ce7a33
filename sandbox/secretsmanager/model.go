package secretsmanager

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Secret is a secret with its versions.
type Secret struct {
	Account, Region, Name string
	Suffix                string // six characters, with which the ARN ends
	Description, Type     *string
	// Key is as it was given; empty for aws/secretsmanager.
	Key      string `json:",omitempty"`
	Policy   string `json:",omitempty"`
	Tags     []Tag  `json:",omitempty"`
	Versions []Version
	Created  time.Time
	Changed  time.Time
	Accessed *time.Time `json:",omitempty"`
	// Deleted is when the deletion was asked for, Gone when the secret ends.
	Deleted, Gone *time.Time `json:",omitempty"`

	target arn.ARN
	policy *estate.Named
}

// Tag is a tag, in the order in which tags were put.
type Tag struct{ Key, Value string }

// Version is a value of a secret, encrypted under a data key of its own.
type Version struct {
	ID      string
	Stages  []string
	Created time.Time
	// Key is the ARN of the KMS key, Blob the data key encrypted under it.
	Key          string
	Blob, Sealed []byte
	Binary       bool `json:",omitempty"`
	// Print tells whether a value is the same, without telling the value.
	Print    []byte
	Accessed *time.Time `json:",omitempty"`
}

func (x *Secret) ready() {
	x.target, _ = arn.Parse(x.arn()) // made here
	x.policy = nil
	if x.Policy != "" {
		x.policy = &estate.Named{Name: "secret policy", Document: gate.Document("secret policy", x.Policy)}
	}
}

func (x *Secret) arn() string {
	return behalf.ARN("secretsmanager", x.Region, x.Account, "secret:", x.Name, "-", x.Suffix)
}

func (x *Secret) row() string { return state.Key(x.Account, x.Region, x.Name) }

// clone is a copy whose versions may be changed.
func (x *Secret) clone() *Secret {
	c := *x
	c.Versions = slices.Clone(x.Versions)
	for i := range c.Versions {
		c.Versions[i].Stages = slices.Clone(c.Versions[i].Stages)
	}
	return &c
}

// Stages that Secrets Manager moves itself.
// See https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

// version finds a version by its id.
func (x *Secret) version(id string) *Version {
	for i := range x.Versions {
		if x.Versions[i].ID == id {
			return &x.Versions[i]
		}
	}
	return nil
}

// staged finds the version with a label.
func (x *Secret) staged(stage string) *Version {
	for i := range x.Versions {
		if slices.Contains(x.Versions[i].Stages, stage) {
			return &x.Versions[i]
		}
	}
	return nil
}

// move puts a label on a version and takes it from the one that had it. With AWSCURRENT
// goes AWSPREVIOUS, to the version that was current.
func (x *Secret) move(stage, to string) {
	from := x.staged(stage)
	if from != nil && from.ID == to {
		return
	}
	if from != nil {
		from.unstage(stage)
	}
	if v := x.version(to); v != nil {
		v.Stages = append(v.Stages, stage)
	}
	if stage == current && from != nil {
		x.move(previous, from.ID)
		if v := x.version(to); v != nil {
			v.unstage(previous)
		}
	}
}

func (v *Version) unstage(stage string) {
	v.Stages = slices.DeleteFunc(v.Stages, func(s string) bool { return s == stage })
}

// maxVersions is about how many versions a secret keeps: of more, the oldest without
// a label go.
// See https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html.
const maxVersions = 100

func (x *Secret) trim() {
	for i := 0; i < len(x.Versions) && len(x.Versions) > maxVersions; {
		if len(x.Versions[i].Stages) == 0 {
			x.Versions = slices.Delete(x.Versions, i, i+1)
		} else {
			i++
		}
	}
}

// stages are the labels of the versions that have some.
func (x *Secret) stages() map[string][]string {
	m := map[string][]string{}
	for i := range x.Versions {
		if v := &x.Versions[i]; len(v.Stages) > 0 {
			m[v.ID] = v.Stages
		}
	}
	return m
}

func (x *Secret) shownTags() []types.Tag {
	var list []types.Tag
	for i := range x.Tags {
		list = append(list, types.Tag{Key: &x.Tags[i].Key, Value: &x.Tags[i].Value})
	}
	return list
}
