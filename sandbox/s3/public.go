package s3

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
)

// A bucket policy is public when it lets in everybody, without a condition that holds
// them to values that stand fixed.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status.

// statement is as much of a statement as that takes.
type statement struct {
	Effect       string
	Principal    json.RawMessage
	NotPrincipal json.RawMessage
	Action       any
	Resource     any
	NotResource  any
	Condition    map[string]map[string]any
}

func statements(text string) []statement {
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(text), &doc) != nil {
		return nil // it was read before it was stored
	}
	var list []statement
	if json.Unmarshal(doc.Statement, &list) != nil {
		var one statement
		if json.Unmarshal(doc.Statement, &one) == nil {
			list = []statement{one}
		}
	}
	return list
}

func isPublic(text string) bool {
	return slices.ContainsFunc(statements(text), func(v statement) bool {
		return v.Effect == "Allow" && (v.NotPrincipal != nil || everybody(v.Principal)) && !holds(v.Condition)
	})
}

// texts are the strings of a member that may be one or several.
func texts(v any) (list []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, item := range v {
			list = append(list, texts(item)...)
		}
	}
	return list
}

// principals are the accounts, roles and users that an element names.
func principals(raw json.RawMessage) []string {
	var v struct{ AWS any }
	if json.Unmarshal(raw, &v) != nil {
		return nil // "*", or none
	}
	return texts(v.AWS)
}

func everybody(raw json.RawMessage) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	if kinds, ok := v.(map[string]any); ok {
		v = kinds["AWS"]
	}
	return slices.Contains(texts(v), "*")
}

// fixing are the condition keys that hold a statement to somebody.
var fixing = []string{
	"aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount", "aws:userid", "aws:principalorgid", "aws:principalarn",
	"aws:principalaccount", "aws:principalorgpaths", "aws:sourceip", "s3:dataaccesspointarn", "s3:dataaccesspointaccount", "s3:x-amz-server-side-encryption-aws-kms-key-id",
}

// holds reports whether conditions hold a statement to fixed values.
func holds(conditions map[string]map[string]any) bool {
	for operator, keys := range conditions {
		operator = strings.ToLower(operator)
		if strings.Contains(operator, "not") || strings.HasSuffix(operator, "ifexists") || strings.HasPrefix(operator, "null") {
			continue
		}
		for key, v := range keys {
			values := texts(v)
			if slices.Contains(fixing, strings.ToLower(key)) && len(values) > 0 && !slices.ContainsFunc(values, func(t string) bool { return loose(strings.ToLower(key), t) }) {
				return true
			}
		}
	}
	return false
}

// loose reports whether a value fixes nothing.
func loose(key, v string) bool {
	if key == "aws:sourceip" {
		p, err := netip.ParsePrefix(v)
		return err == nil && (p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 32)
	}
	if key == "aws:userid" {
		return strings.HasPrefix(v, "*")
	}
	return strings.ContainsAny(v, "*?$")
}

// aboutBucket refuses a policy that is about other resources than the bucket and what is
// in it.
func (s *Service) aboutBucket(text string, b *Bucket) error {
	for _, v := range statements(text) {
		if v.Principal == nil && v.NotPrincipal == nil {
			return bad("MalformedPolicy", "Missing required field Principal")
		}
		for _, who := range append(principals(v.Principal), principals(v.NotPrincipal)...) {
			// Accounts and services are taken as they are; roles and users have to exist.
			p, err := arn.ParsePrincipal(who)
			if err != nil || p.Kind != arn.Role && p.Kind != arn.User {
				continue
			}
			if _, there := s.Agent.Principals.UniqueID(p); !there {
				e := bad("MalformedPolicy", "Invalid principal in policy")
				e.Fields = map[string]string{"Detail": `"AWS" : "` + who + `"`}
				return e
			}
		}
		for _, r := range append(texts(v.Resource), texts(v.NotResource)...) {
			if r == b.arn() || strings.HasPrefix(r, b.arn()+"/") || strings.HasPrefix(r, b.arn()+"*") || r == "*" || r == "arn:"+awsfacts.PartitionName(b.Region)+":s3:::*" {
				continue
			}
			return bad("MalformedPolicy", "Policy has invalid resource")
		}
		if idle(&v, b) {
			return bad("MalformedPolicy", "Action does not apply to any resource(s) in statement")
		}
	}
	return nil
}

// onObjects are actions on objects, and onBuckets such on buckets, that policies often
// have with the resource of the other; of further ones the sandbox takes all resources.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html.
var (
	onObjects = []string{
		"s3:getobject", "s3:getobjectversion", "s3:getobjecttagging", "s3:getobjectacl", "s3:getobjectattributes", "s3:putobject", "s3:putobjecttagging", "s3:putobjectacl",
		"s3:deleteobject", "s3:deleteobjectversion", "s3:abortmultipartupload", "s3:listmultipartuploadparts",
	}
	onBuckets = []string{
		"s3:listbucket", "s3:listbucketversions", "s3:listbucketmultipartuploads", "s3:getbucketlocation", "s3:getbucketversioning", "s3:putbucketversioning", "s3:getbucketpolicy",
		"s3:putbucketpolicy", "s3:getencryptionconfiguration", "s3:putencryptionconfiguration", "s3:getbucketacl", "s3:deletebucket",
	}
)

// idle reports whether an action of a statement applies to none of its resources, as users
// report that AWS refuses it.
func idle(v *statement, b *Bucket) bool {
	resources := texts(v.Resource)
	if len(resources) == 0 {
		return false
	}
	for _, action := range texts(v.Action) {
		action = strings.ToLower(action)
		fits := func(r string) bool {
			rest, named := strings.CutPrefix(r, b.arn())
			return !named || strings.HasPrefix(rest, "*") || strings.HasPrefix(rest, "/") == slices.Contains(onObjects, action)
		}
		if (slices.Contains(onObjects, action) || slices.Contains(onBuckets, action)) && !slices.ContainsFunc(resources, fits) {
			return true
		}
	}
	return false
}
