package estate

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
)

// The attributes under which a backup vault has its access policy, and the accounts
// that it lets copy into it.
const (
	VaultAccessPolicy = "accessPolicy"
	VaultCopyFrom     = "copyIntoAllowedFor"
)

// Types of resources that ops change.
const (
	typeVault  = "backup:BackupVault"
	typeBucket = "s3:Bucket"
)

func (e *Estate) applyResource(op Op) error {
	switch o := op.(type) {
	case *ReplicationEncryption:
		return e.onResource(o.Type, o.ID, o.Account, o.Region, func(r *Resource) error {
			r.Attributes["ebsEncryption"], r.Key = o.Encryption, o.Key
			return nil
		})
	case *VaultPolicy:
		return e.onResource(typeVault, o.Vault, o.Account, o.Region, func(r *Resource) error { return applyVault(r, o.Document) })
	case *NewBucket:
		e.Resources = slices.DeleteFunc(e.Resources, func(r Resource) bool { return r.Type == typeBucket && r.ID == o.Bucket })
		if !o.Absent {
			e.Resources = append(e.Resources, Resource{Type: typeBucket, ID: o.Bucket, ARN: "arn:" + awsfacts.PartitionName(o.Region) + ":s3:::" + o.Bucket, Account: o.Account, Region: o.Region,
				// S3 encrypts every new bucket so. See
				// https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html.
				Attributes: map[string]string{BucketEncryption: "AES256"}})
		}
		return nil
	case *BucketSetting:
		return e.onResource(typeBucket, o.Bucket, o.Account, o.Region, func(r *Resource) error { applyBucket(r, o); return nil })
	case *Share:
		return e.onResource(o.Type, o.ID, o.Account, o.Region, func(r *Resource) error {
			r.SharedWith = slices.DeleteFunc(slices.Clone(r.SharedWith), func(id string) bool { return id == o.With })
			if !o.Off {
				r.SharedWith = append(r.SharedWith, o.With)
			}
			return nil
		})
	}
	return fmt.Errorf("there is no such op: %T", op)
}

// resource finds a resource, by its id or ARN.
func (e *Estate) resource(typ, id, account, region string) *Resource {
	for i := range e.Resources {
		r := &e.Resources[i]
		if r.Type == typ && (r.ID == id || r.ARN == id) && r.Account == account && (r.Region == "" || r.Region == region) {
			return r
		}
	}
	return nil
}

// onResource changes a resource of a copied estate.
func (e *Estate) onResource(typ, id, account, region string, change func(*Resource) error) error {
	r := e.resource(typ, id, account, region)
	if r == nil {
		return ErrNoSubject
	}
	r.Attributes = maps.Clone(r.Attributes)
	if r.Attributes == nil {
		r.Attributes = map[string]string{}
	}
	return change(r)
}

func applyVault(r *Resource, document string) error {
	delete(r.Attributes, VaultAccessPolicy)
	r.Attributes[VaultCopyFrom] = ""
	if document == "" {
		return nil
	}
	d, err := documentOfText(document)
	if err != nil {
		return err
	}
	r.Attributes[VaultAccessPolicy] = document
	r.Attributes[VaultCopyFrom] = strings.Join(CopyFrom(d), ",")
	return nil
}

// CopyFrom returns the accounts that a vault's access policy names in a statement that
// allows backup:CopyIntoBackupVault. See
// https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html.
func CopyFrom(d *Document) []string {
	var accounts []string
	for i := range d.Source.Statements {
		s := &d.Source.Statements[i]
		if s.Effect == nil || s.Effect.Text != "Allow" || s.Action == nil || s.Principal == nil {
			continue
		}
		if !slices.ContainsFunc(s.Action.Values, func(v policy.Value) bool { return arn.Glob(strings.ToLower(v.Text), "backup:copyintobackupvault") }) {
			continue
		}
		for p := range policy.Whole(*s).Principals() {
			if p.Account != "" && !slices.Contains(accounts, p.Account) {
				accounts = append(accounts, p.Account)
			}
		}
	}
	return accounts
}

// applyBucket writes a setting. The key under which a bucket encrypts is the
// resource's.
func applyBucket(r *Resource, o *BucketSetting) {
	if o.Setting == BucketEncryption {
		r.Key = ""
		delete(r.Attributes, BucketEncryption)
		switch {
		case strings.HasPrefix(o.Text, "arn:"):
			r.Key, r.Attributes[BucketEncryption] = o.Text, "aws:kms"
		case o.Text != "":
			r.Attributes[BucketEncryption] = o.Text
		}
		return
	}
	if o.Text == "" {
		delete(r.Attributes, o.Setting)
		return
	}
	r.Attributes[o.Setting] = o.Text
}

// managed is a managed policy of AWS's as a principal has it.
func managed(policyARN string) Attached {
	a := Attached{Name: path.Base(policyARN), Kind: "managed", ARN: policyARN}
	known, ok := awsfacts.ManagedPolicies()[a.Name]
	if !ok {
		a.Document = &Document{Unreadable: "the text of the managed policy is not known here"}
		return a
	}
	d, err := documentOfText(string(known.Document))
	if err != nil {
		d = &Document{Unreadable: err.Error()}
	}
	a.Document = d
	return a
}

// MarshalOp writes an op as a JSON object whose member op says which it is.
func MarshalOp(op Op) ([]byte, error) {
	text, err := json.Marshal(op)
	if err != nil {
		return nil, fmt.Errorf("writing an op: %w", err)
	}
	head, _ := json.Marshal(op.Slot().Kind) // a text
	if string(text) == "{}" {
		return []byte(`{"op":` + string(head) + `}`), nil
	}
	return []byte(`{"op":` + string(head) + `,` + string(text[1:])), nil
}

// UnmarshalOp reads what MarshalOp wrote.
func UnmarshalOp(data []byte) (Op, error) {
	var head struct {
		Kind string `json:"op"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("reading an op: %w", err)
	}
	op, ok := NewOp(head.Kind)
	if !ok {
		return nil, fmt.Errorf("reading an op: there is no op %q", head.Kind)
	}
	if err := json.Unmarshal(data, op); err != nil {
		return nil, fmt.Errorf("reading an op: %w", err)
	}
	return op, nil
}
