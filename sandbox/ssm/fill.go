package ssm

import (
	"cmp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
)

// The type of parameters in an estate, and their attributes.
const (
	parameterType = "ssm:Parameter"
	typeIs        = "type"
	policyIs      = "policy"
)

// filledValue is the value of parameters that an estate brings: none says what is in
// them.
const filledValue = "from an estate"

// Kept are the types that the service takes from an estate. See behalf.Filler.
func (s *Service) Kept() map[string][]string {
	return map[string][]string{parameterType: {typeIs, policyIs}}
}

// Fill makes a parameter of an estate with one version: a SecureString when it has a key.
// See behalf.Filler.
func (s *Service) Fill(w behalf.World, r *estate.Resource) error {
	fromARN := r.ID == ""
	r.ID = behalf.NameIn(r, "parameter/")
	switch {
	case r.ID == "":
		r.ID = "parameter-" + s.IDs.Hex(8)
	case fromARN && strings.Contains(r.ID, "/"):
		r.ID = "/" + r.ID // an ARN leaves it out, and a path has one
	}
	p := &Parameter{Account: r.Account, Region: r.Region, Name: r.ID, Policy: r.Attributes[policyIs]}
	if p.Policy != "" {
		p.PolicyID = s.IDs.UUID()
	}
	v := Version{
		Number: 1, Type: types.ParameterType(r.Attributes[typeIs]), Tier: types.ParameterTierStandard, DataType: "text", At: w.Now,
		By: "arn:" + awsfacts.PartitionName(r.Region) + ":iam::" + r.Account + ":root",
	}
	if v.Type == "" {
		v.Type = types.ParameterTypeString
		if r.Key != "" {
			v.Type = types.ParameterTypeSecureString
		}
	}
	if v.secure() {
		v.KeyID = cmp.Or(r.Key, defaultKey)
		k, err := w.Keys.Named(r.Account, r.Region, v.KeyID, w.Now)
		if err != nil {
			return err
		}
		v.Key, v.Blob = k.ARN, w.Keys.Seal(k.ARN, []byte(filledValue), contextOf(p))
	} else {
		v.Value = filledValue
	}
	p.Versions = []Version{v}
	s.parameters.Put(p.row(), p)
	return nil
}

// Resources are the parameters. See gate.Holder.
func (s *Service) Resources(time.Time) []estate.Resource {
	var list []estate.Resource
	for _, p := range s.parameters.All("") {
		v := p.latest()
		r := estate.Resource{
			Type: parameterType, ID: p.Name, ARN: p.arn(), Account: p.Account, Region: p.Region, Key: behalf.KeyIn(p.Account, p.Region, v.KeyID),
			Attributes: map[string]string{typeIs: string(v.Type)},
		}
		if p.Policy != "" {
			r.Attributes[policyIs] = p.Policy
		}
		list = append(list, r)
	}
	return list
}
