package secretsmanager

import (
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
)

// The type of secrets in an estate, the attribute that has the resource policy, and the
// key of secrets that name none.
const (
	secretType = "secretsmanager:Secret"
	policyIs   = "policy"
	defaultKey = "alias/aws/secretsmanager"
)

// filledValue is the value of secrets that an estate brings: none says what is in them.
const filledValue = `{"from":"an estate"}`

// Kept are the types that the service takes from an estate. See behalf.Filler.
func (s *Service) Kept() map[string][]string { return map[string][]string{secretType: {policyIs}} }

// suffixSize is how many characters the ARN of a secret has after its name and a hyphen.
const suffixSize = 6

// Fill makes a secret of an estate, with one version. See behalf.Filler.
func (s *Service) Fill(w behalf.World, r *estate.Resource) error {
	x := &Secret{Account: r.Account, Region: r.Region, Policy: r.Attributes[policyIs], Created: w.Now, Changed: w.Now, Key: r.Key}
	x.Name, x.Suffix = parted(r)
	if x.Name == "" {
		x.Name = "secret-" + s.IDs.Hex(8)
	}
	if old := s.secrets.Get(x.row()); x.Suffix == "" && old != nil {
		x.Suffix = old.Suffix
	} else if x.Suffix == "" {
		x.Suffix = suffix(s.IDs.Bytes(suffixSize))
	}
	r.ID = x.Name
	if x.Key == defaultKey {
		x.Key = "" // as Secrets Manager has it
	}
	k, err := w.Keys.Named(r.Account, r.Region, or(r.Key, defaultKey), w.Now)
	if err != nil {
		return err
	}
	v := Version{ID: s.IDs.UUID(), Stages: []string{current}, Created: w.Now, Key: k.ARN}
	value := &content{bytes: []byte(filledValue)}
	plain := behalf.DataKey(32)
	v.Blob, v.Print = w.Keys.Seal(k.ARN, plain, x.contextOf(v.ID)), value.print(x, v.ID)
	if v.Sealed, err = behalf.Seal(plain, value.bytes, x.arn()+"\x00"+v.ID); err != nil {
		return err
	}
	x.Versions = []Version{v}
	s.secrets.Put(x.row(), x)
	return nil
}

// parted are the name of a secret and the end of its ARN, as far as an estate has them.
func parted(r *estate.Resource) (name, end string) {
	if name = behalf.NameIn(r, "secret:"); name == r.ID && r.ARN == "" {
		return name, ""
	}
	full := behalf.NameIn(&estate.Resource{ARN: r.ARN, ID: r.ID}, "secret:")
	if r.ARN != "" {
		full = behalf.NameIn(&estate.Resource{ARN: r.ARN}, "secret:")
	}
	if at := len(full) - suffixSize - 1; at > 0 && full[at] == '-' {
		return full[:at], full[at+1:]
	}
	return name, ""
}

func or(text, plain string) string {
	if text == "" {
		return plain
	}
	return text
}

// Resources are the secrets that are not deleted. See gate.Holder.
func (s *Service) Resources(time.Time) []estate.Resource {
	var list []estate.Resource
	for _, x := range s.secrets.All("") {
		if x.Deleted != nil {
			continue
		}
		r := estate.Resource{
			Type: secretType, ID: x.Name, ARN: x.arn(), Account: x.Account, Region: x.Region, Key: or(behalf.KeyIn(x.Account, x.Region, x.Key), defaultKey),
		}
		if x.Policy != "" {
			r.Attributes = map[string]string{policyIs: x.Policy}
		}
		list = append(list, r)
	}
	return list
}
