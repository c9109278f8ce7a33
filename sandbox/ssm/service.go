// Package ssm is the Parameter Store of AWS Systems Manager in a sandbox: parameters,
// of which SecureStrings are encrypted under keys of KMS as whoever calls.
package ssm

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Config is what Systems Manager needs from the sandbox.
type Config struct {
	DB    *state.DB
	IDs   *state.IDs
	Agent *behalf.Agent
}

// Service is Systems Manager.
type Service struct {
	Config
	parameters *state.Table[Parameter] // account, Region, name
}

// New returns Systems Manager on a sandbox's state.
func New(c Config) *Service {
	return &Service{Config: c, parameters: state.NewTable(c.DB, "ssm.parameters", (*Parameter).ready)}
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "ssm" }

func refuse(code, text string) error { return wire.Refuse(code, text) }

func invalid(text string) error { return refuse("ValidationException", text) }

// Operations are those of parameters. Each stands with what has to be allowed for it.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html.
func (s *Service) Operations() []gate.Operation {
	const reads, writes = gate.Reads, gate.Writes
	return []gate.Operation{
		gate.Op(writes, s.asksPut, s.PutParameter),
		gate.Op(reads, on(s, "GetParameter", func(in *ssm.GetParameterInput, _ *given) []string { return []string{*in.Name} }), s.GetParameter),
		gate.Op(reads, on(s, "GetParameters", func(in *ssm.GetParametersInput, _ *given) []string { return in.Names }), s.GetParameters),
		gate.Op(reads, s.asksPath, s.GetParametersByPath),
		gate.Op(reads, on(s, "GetParameterHistory", func(in *ssm.GetParameterHistoryInput, _ *given) []string { return []string{*in.Name} }), s.GetParameterHistory),
		gate.Op(reads, onAny[ssm.DescribeParametersInput]("DescribeParameters"), s.DescribeParameters),
		gate.Op(writes, on(s, "DeleteParameter", func(in *ssm.DeleteParameterInput, _ *given) []string { return []string{*in.Name} }), s.DeleteParameter),
		gate.Op(writes, on(s, "DeleteParameters", func(in *ssm.DeleteParametersInput, _ *given) []string { return in.Names }), s.DeleteParameters),
		gate.Op(writes, on(s, "LabelParameterVersion", func(in *ssm.LabelParameterVersionInput, _ *given) []string { return []string{*in.Name} }), s.LabelParameterVersion),
		gate.Op(writes, on(s, "UnlabelParameterVersion", func(in *ssm.UnlabelParameterVersionInput, _ *given) []string { return []string{*in.Name} }), s.UnlabelParameterVersion),
		gate.Op(writes, on(s, "PutResourcePolicy", func(in *ssm.PutResourcePolicyInput, _ *given) []string { return []string{*in.ResourceArn} }), s.PutResourcePolicy),
		gate.Op(reads, on(s, "GetResourcePolicies", func(in *ssm.GetResourcePoliciesInput, _ *given) []string { return []string{*in.ResourceArn} }), s.GetResourcePolicies),
		gate.Op(writes, on(s, "DeleteResourcePolicy", func(in *ssm.DeleteResourcePolicyInput, _ *given) []string { return []string{*in.ResourceArn} }), s.DeleteResourcePolicy),
		gate.Op(writes, on(s, "AddTagsToResource", func(in *ssm.AddTagsToResourceInput, g *given) []string {
			g.tags(in.Tags, nil)
			return []string{*in.ResourceId}
		}), s.AddTagsToResource),
		gate.Op(writes, on(s, "RemoveTagsFromResource", func(in *ssm.RemoveTagsFromResourceInput, g *given) []string {
			g.tags(nil, in.TagKeys)
			return []string{*in.ResourceId}
		}), s.RemoveTagsFromResource),
		gate.Op(reads, on(s, "ListTagsForResource", func(in *ssm.ListTagsForResourceInput, _ *given) []string { return []string{*in.ResourceId} }), s.ListTagsForResource),
	}
}

type asks[I any] func(*gate.Call, *I) ([]gate.Ask, error)

// given collects the condition keys of a request.
type given struct{ list estate.Given }

func (g *given) one(name, value string) {
	g.list = append(g.list, estate.NewEntry(name, policy.One(value)))
}

func (g *given) tags(tags []types.Tag, taken []string) {
	keys := map[string]bool{}
	for _, t := range tags {
		g.one("aws:RequestTag/"+*t.Key, aws.ToString(t.Value))
		keys[*t.Key] = true
	}
	for _, key := range taken {
		keys[key] = true
	}
	if len(keys) > 0 {
		g.list = append(g.list, estate.NewEntry("aws:TagKeys", policy.Many(slices.Sorted(maps.Keys(keys))...)))
	}
}

func onAny[I any](action string) asks[I] {
	return func(c *gate.Call, _ *I) ([]gate.Ask, error) {
		all := behalf.ARN("ssm", c.Region, c.Caller.Account, "*")
		target, _ := arn.Parse(all) // made here
		return []gate.Ask{{Action: "ssm:" + action, Resource: all, Target: target}}, nil
	}
}

// on is what an operation needs that is about parameters, by name or ARN, which may end
// with a version or a label.
func on[I any](s *Service, action string, names func(*I, *given) []string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		var g given
		var list []gate.Ask
		for _, name := range names(in, &g) {
			list = append(list, s.ask(c, action, name, g.list))
		}
		return list, nil
	}
}

// ask is the question about a parameter, whether it is there or not.
func (s *Service) ask(c *gate.Call, action, name string, context estate.Given) gate.Ask {
	r := s.resolve(c, name)
	full := parameterARN(c.Region, r.account, r.name)
	target, _ := arn.Parse(full) // made here
	a := gate.Ask{Action: "ssm:" + action, Resource: full, Target: target, Owner: r.account, Context: slices.Clone(context)}
	if p := s.parameters.Get(state.Key(r.account, c.Region, r.name)); p != nil {
		a.Policy = p.policy
		for _, t := range p.Tags {
			a.Context = append(a.Context, estate.NewEntry("aws:ResourceTag/"+t.Key, policy.One(t.Value)), estate.NewEntry("ssm:ResourceTag/"+t.Key, policy.One(t.Value)))
		}
	}
	c.Resources = append(c.Resources, gate.Resource{ARN: full, Account: r.account, Type: "AWS::SSM::Parameter"})
	return a
}

func (s *Service) asksPut(c *gate.Call, in *ssm.PutParameterInput) ([]gate.Ask, error) {
	var g given
	g.tags(in.Tags, nil)
	g.one("ssm:Overwrite", strconv.FormatBool(set(in.Overwrite)))
	list := []gate.Ask{s.ask(c, "PutParameter", *in.Name, g.list)}
	if len(in.Tags) > 0 {
		list = append(list, s.ask(c, "AddTagsToResource", *in.Name, g.list))
	}
	return list, nil
}

func (s *Service) asksPath(c *gate.Call, in *ssm.GetParametersByPathInput) ([]gate.Ask, error) {
	var g given
	g.one("ssm:Recursive", strconv.FormatBool(set(in.Recursive)))
	return []gate.Ask{s.ask(c, "GetParametersByPath", strings.TrimSuffix(*in.Path, "/")+"/", g.list)}, nil
}

// named is what a name in a request means.
type named struct{ account, name, selector string }

// resolve reads a name or an ARN with its selector, the version or label after a colon.
func (s *Service) resolve(c *gate.Call, text string) named {
	r := named{account: c.Caller.Account, name: text}
	if a, err := arn.Parse(text); err == nil && a.Service == "ssm" && a.Region == c.Region && arn.IsAccount(a.Account) {
		r.account = a.Account
		r.name = strings.TrimPrefix(a.Resource, "parameter")
	}
	if i := strings.IndexByte(r.name, ':'); i >= 0 {
		r.name, r.selector = r.name[:i], r.name[i:]
	}
	// An ARN does not tell whether the name begins with a slash.
	if short := strings.TrimPrefix(r.name, "/"); text != r.name+r.selector && s.parameters.Get(state.Key(r.account, c.Region, short)) != nil {
		r.name = short
	}
	return r
}

// find finds a parameter, and the version that was asked for.
func (s *Service) find(c *gate.Call, text string) (*Parameter, *Version, error) {
	r := s.resolve(c, text)
	p := s.parameters.Get(state.Key(r.account, c.Region, r.name))
	if p == nil {
		return nil, nil, notFound()
	}
	selector := strings.TrimPrefix(r.selector, ":")
	if selector == "" {
		return p, p.latest(), nil
	}
	if n, err := strconv.ParseInt(selector, 10, 64); err == nil {
		if v := p.version(n); v != nil {
			return p, v, nil
		}
		return nil, nil, refuse("ParameterVersionNotFound", "Systems Manager could not find version "+selector+" of "+p.Name+". Verify the version and try again.") // assumed text
	}
	if v := p.labelled(selector); v != nil {
		return p, v, nil
	}
	return nil, nil, refuse("ParameterVersionNotFound", "Systems Manager could not find version "+selector+" of "+p.Name+". Verify the version and try again.") // assumed text
}

// notFound has no text: assumed.
func notFound() error { return refuse("ParameterNotFound", "") }

// paged cuts a page from a list.
func paged[T any](list []T, token *string, limit *int32, plain int) ([]T, *string, error) {
	page, next, ok := gate.Page(list, token, limit, plain)
	if !ok {
		return nil, nil, refuse("InvalidNextToken", "The specified token isn't valid.") // assumed text
	}
	return page, next, nil
}
