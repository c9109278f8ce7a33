package estate

import (
	"strconv"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
)

// Origin says where a context value comes from.
type Origin string

// A value was given by the asker, follows from the request or the estate, is
// not known, or the request does not have the key.
const (
	FromAsker   Origin = "given"
	FromRequest Origin = "derived"
	NotKnown    Origin = "not known"
	NotThere    Origin = "absent"
)

// Lookup returns the value of a context key, given in lower case. A value that
// was given wins over one that follows from the request.
func (c *Case) Lookup(name string) policy.ContextValue {
	if v, ok := c.Request.Context.lookup(name); ok {
		return v
	}
	return c.derive(name)
}

// Describe returns the value of a context key and where it comes from.
func (c *Case) Describe(name string) (policy.ContextValue, Origin) {
	name = strings.ToLower(name)
	if v, ok := c.Request.Context.lookup(name); ok {
		if v.Presence == policy.NotKnown {
			return v, NotKnown
		}
		return v, FromAsker
	}
	v := c.derive(name)
	switch v.Presence {
	case policy.Present:
		return v, FromRequest
	case policy.NotKnown:
		return v, NotKnown
	}
	return v, NotThere
}

// derive works out a key that follows from the request, the caller, the
// resource or the estate.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
// and https://docs.aws.amazon.com/kms/latest/developerguide/policy-conditions.html.
func (c *Case) derive(name string) policy.ContextValue {
	if strings.HasPrefix(name, "kms:") {
		return c.deriveKMS(name)
	}
	if v, ok := c.deriveCaller(name); ok {
		return v
	}
	if v, ok := c.deriveRequest(name); ok {
		return v
	}
	return c.notGiven(name)
}

// notGiven is the value of a key that nothing tells: absent in a case file or
// when the action never has the key, otherwise not known.
func (c *Case) notGiven(name string) policy.ContextValue {
	if !c.facts.estate {
		return policy.ContextValue{}
	}
	if carries, known := awsfacts.Carries(c.Request.Action, name); known && !carries {
		return policy.ContextValue{}
	}
	return policy.NotGiven()
}

func (c *Case) deriveCaller(name string) (policy.ContextValue, bool) {
	caller := &c.Request.Caller
	service := caller.Kind == arn.Service
	switch name {
	case "aws:principalarn":
		return present(principalARN(caller)), true
	case "aws:principalaccount":
		return present(caller.Account), true
	case "aws:principaltype":
		return present(principalType(caller.Kind)), true
	case "aws:principalisawsservice":
		return policy.One(strconv.FormatBool(service)), true
	case "aws:principalservicename":
		if service {
			return policy.One(caller.Text), true
		}
		return policy.ContextValue{}, true
	case "aws:userid":
		if caller.ID != "" {
			return policy.One(caller.ID), true
		}
		return policy.ContextValue{}, false
	case "aws:username":
		if caller.Kind == arn.User {
			return policy.One(caller.Name), true
		}
		return policy.ContextValue{}, true
	case "aws:principalorgid":
		return c.orgID(c.facts.callerOrg, service), true
	case "aws:principalorgpaths":
		return c.orgPaths(c.facts.callerOrg, service), true
	case "aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths":
		// Only calls that a service makes for itself have these.
		return policy.ContextValue{}, !service
	case "aws:sourceidentity":
		return c.sourceIdentity(), true
	}
	if tag, ok := strings.CutPrefix(name, "aws:principaltag/"); ok {
		return c.principalTag(tag), true
	}
	return policy.ContextValue{}, false
}

func (c *Case) deriveRequest(name string) (policy.ContextValue, bool) {
	switch name {
	case "aws:requestedregion":
		if c.Request.Target.Region != "" {
			return policy.One(c.Request.Target.Region), true
		}
	case "aws:resourceaccount":
		return present(c.Request.ResourceAccount), true
	case "aws:resourceorgid":
		return c.orgID(c.facts.resourceOrg, false), true
	case "aws:resourceorgpaths":
		return c.orgPaths(c.facts.resourceOrg, false), true
	case "aws:viaawsservice":
		v := c.Lookup("kms:viaservice")
		if v.Presence == policy.NotKnown {
			return v, true
		}
		return policy.One(strconv.FormatBool(v.Presence == policy.Present)), true
	case "aws:calledvia", "aws:calledviafirst", "aws:calledvialast",
		"aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip":
		// A direct call went through nobody; what a forwarding service sets is
		// documented for a few services only.
		forwarded := c.Lookup("kms:viaservice").Presence != policy.Absent
		if strings.HasPrefix(name, "aws:calledvia") != forwarded {
			return policy.ContextValue{}, true
		}
	case "aws:securetransport":
		if c.Request.Target.Service == "kms" { // KMS answers on TLS only
			return policy.One("true"), true
		}
	case "aws:currenttime":
		if !c.Request.At.IsZero() {
			return policy.One(c.Request.At.UTC().Format(time.RFC3339)), true
		}
	case "aws:epochtime":
		if !c.Request.At.IsZero() {
			return policy.One(strconv.FormatInt(c.Request.At.Unix(), 10)), true
		}
	}
	if tag, ok := strings.CutPrefix(name, "aws:resourcetag/"); ok && c.OnKMSKey() && c.keyKnown() {
		return foldedTag(c.Key, tag), true
	}
	return policy.ContextValue{}, false
}

// present is a value that is absent when empty.
func present(s string) policy.ContextValue {
	if s == "" {
		return policy.ContextValue{}
	}
	return policy.One(s)
}

func principalARN(c *policy.Caller) string {
	switch c.Kind {
	case arn.AssumedRole, arn.Role:
		return c.RoleARN
	case arn.User, arn.FederatedUser, arn.AccountRoot:
		return c.Text
	}
	return ""
}

// principalType gives the words of aws:PrincipalType.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable.
func principalType(k arn.Kind) string {
	switch k {
	case arn.AccountRoot:
		return "Account"
	case arn.User:
		return "User"
	case arn.Role, arn.AssumedRole:
		return "AssumedRole"
	case arn.FederatedUser:
		return "FederatedUser"
	}
	return ""
}

func (c *Case) orgID(p place, service bool) policy.ContextValue {
	switch {
	case service, p.known && p.org == "":
		return policy.ContextValue{}
	case p.known:
		return policy.One(p.org)
	}
	return c.unknownIfEstate()
}

func (c *Case) orgPaths(p place, service bool) policy.ContextValue {
	switch {
	case service:
		return policy.ContextValue{}
	case p.known:
		return policy.Many(p.paths...)
	}
	return c.unknownIfEstate()
}

func (c *Case) unknownIfEstate() policy.ContextValue {
	if c.facts.estate {
		return policy.NotGiven()
	}
	return policy.ContextValue{}
}

func (c *Case) sourceIdentity() policy.ContextValue {
	switch {
	case c.Request.SourceIdentity != "":
		return policy.One(c.Request.SourceIdentity)
	case c.Request.Caller.Kind == arn.Role || c.Request.Caller.Kind == arn.AssumedRole:
		return c.unknownIfEstate()
	}
	return policy.ContextValue{}
}

// principalTag looks a tag up among the session's tags and then the
// principal's. A session whose tags nobody stated may have any.
func (c *Case) principalTag(fold string) policy.ContextValue {
	if v, ok := tagFold(c.Request.SessionTags, fold); ok {
		return v
	}
	if v, ok := tagFold(c.facts.callerTags, fold); ok {
		return v
	}
	session := c.Request.Caller.Kind == arn.Role || c.Request.Caller.Kind == arn.AssumedRole
	if c.facts.tagsKnown && (!session || c.Request.SessionTags != nil) {
		return policy.ContextValue{}
	}
	return c.unknownIfEstate()
}

func foldedTag(k *Key, fold string) policy.ContextValue {
	if k != nil {
		if v, ok := tagFold(k.Tags, fold); ok {
			return v
		}
	}
	return policy.ContextValue{}
}

// tagFold finds the tag whose key, compared as condition keys are, is fold.
// Where several keys differ in letter case only, AWS does not say which counts:
// the value is then not known.
func tagFold(tags map[string]string, fold string) (v policy.ContextValue, found bool) {
	for k, value := range tags {
		if !strings.EqualFold(k, fold) {
			continue
		}
		if found && v.One != value {
			return policy.NotGiven(), true
		}
		v, found = policy.One(value), true
	}
	return v, found
}
