package ssm

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Parameter is a parameter with its versions, the oldest first.
type Parameter struct {
	Account, Region, Name string
	Versions              []Version
	Tags                  []Tag `json:",omitempty"`
	// Policy is the resource policy, PolicyID names it.
	Policy, PolicyID string `json:",omitempty"`

	target arn.ARN
	policy *estate.Named
}

// Tag is a tag, in the order in which tags were put.
type Tag struct{ Key, Value string }

// Version is a value of a parameter.
type Version struct {
	Number      int64
	Type        types.ParameterType
	Tier        types.ParameterTier
	DataType    string
	Description *string `json:",omitempty"`
	Pattern     *string `json:",omitempty"`
	Labels      []string
	At          time.Time
	By          string
	// Value is that of a parameter that is no SecureString.
	Value string `json:",omitempty"`
	// KeyID is the key of a SecureString as it was given, Key its ARN. Blob is the value
	// encrypted under it, or of an advanced parameter the data key, and Sealed the value.
	KeyID, Key   string `json:",omitempty"`
	Blob, Sealed []byte `json:",omitempty"`
}

func (p *Parameter) ready() {
	p.target, _ = arn.Parse(p.arn()) // made here
	p.policy = nil
	if p.Policy != "" {
		p.policy = &estate.Named{Name: "parameter policy", Document: gate.Document("parameter policy", p.Policy)}
	}
}

func (p *Parameter) arn() string { return parameterARN(p.Region, p.Account, p.Name) }
func (p *Parameter) row() string { return state.Key(p.Account, p.Region, p.Name) }

// parameterARN is the ARN of a parameter: a slash with which a name begins is not
// doubled.
func parameterARN(region, account, name string) string {
	return behalf.ARN("ssm", region, account, "parameter/", strings.TrimPrefix(name, "/"))
}

// clone is a copy whose versions may be changed.
func (p *Parameter) clone() *Parameter {
	c := *p
	c.Versions = slices.Clone(p.Versions)
	for i := range c.Versions {
		c.Versions[i].Labels = slices.Clone(c.Versions[i].Labels)
	}
	return &c
}

func (p *Parameter) latest() *Version { return &p.Versions[len(p.Versions)-1] }

func (p *Parameter) version(n int64) *Version {
	for i := range p.Versions {
		if p.Versions[i].Number == n {
			return &p.Versions[i]
		}
	}
	return nil
}

func (p *Parameter) labelled(label string) *Version {
	for i := range p.Versions {
		if slices.Contains(p.Versions[i].Labels, label) {
			return &p.Versions[i]
		}
	}
	return nil
}

// secure reports whether the value is encrypted.
func (v *Version) secure() bool { return v.Type == types.ParameterTypeSecureString }

// shown is the value as it is told without decryption.
func (v *Version) shown() string {
	if !v.secure() {
		return v.Value
	}
	return base64.StdEncoding.EncodeToString(slices.Concat(v.Blob, v.Sealed))
}

// path is the name as a place in the hierarchy.
func (p *Parameter) path() string {
	if strings.HasPrefix(p.Name, "/") {
		return p.Name
	}
	return "/" + p.Name
}

// below reports whether the parameter is below a path, or directly below it.
func (p *Parameter) below(path string, recursive bool) bool {
	rest, ok := strings.CutPrefix(p.path(), strings.TrimSuffix(path, "/")+"/")
	return ok && (recursive || !strings.Contains(rest, "/"))
}

func set(b *bool) bool { return b != nil && *b }
