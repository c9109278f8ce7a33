// Package secretsmanager is AWS Secrets Manager in a sandbox: secrets whose values are
// encrypted under keys of KMS, used as whoever calls, and shared by resource policies.
// It rotates and replicates nothing.
package secretsmanager

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Config is what Secrets Manager needs from the sandbox.
type Config struct {
	DB     *state.DB
	IDs    *state.IDs
	Gate   *gate.Gate
	Agent  *behalf.Agent
	Agenda *state.Agenda
}

// Service is Secrets Manager.
type Service struct {
	Config
	secrets *state.Table[Secret] // account, Region, name
}

// New returns Secrets Manager on a sandbox's state.
func New(c Config) *Service {
	return &Service{Config: c, secrets: state.NewTable(c.DB, "secretsmanager.secrets", (*Secret).ready)}
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "secretsmanager" }

func refuse(code, text string) error { return wire.Refuse(code, text) }

func badParameter(text string) error { return refuse("InvalidParameterException", text) }

func badRequest(text string) error { return refuse("InvalidRequestException", text) }

// Operations are those of secrets, versions and policies. Each stands with what has to
// be allowed for it.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html.
func (s *Service) Operations() []gate.Operation {
	const reads, writes = gate.Reads, gate.Writes
	return []gate.Operation{
		gate.Op(writes, s.asksCreate, s.CreateSecret),
		gate.Op(writes, on(s, "PutSecretValue", func(in *secretsmanager.PutSecretValueInput, _ *given) *string { return in.SecretId }), s.PutSecretValue),
		gate.Op(writes, on(s, "UpdateSecret", func(in *secretsmanager.UpdateSecretInput, g *given) *string {
			g.one("secretsmanager:Description", aws.ToString(in.Description))
			g.one("secretsmanager:KmsKeyArn", aws.ToString(in.KmsKeyId))
			return in.SecretId
		}), s.UpdateSecret),
		gate.Op(reads, on(s, "GetSecretValue", func(in *secretsmanager.GetSecretValueInput, g *given) *string {
			g.one("secretsmanager:VersionId", aws.ToString(in.VersionId))
			g.one("secretsmanager:VersionStage", aws.ToString(in.VersionStage))
			if in.VersionId == nil && in.VersionStage == nil { // what is read then: assumed to be told so
				g.one("secretsmanager:VersionStage", current)
			}
			return in.SecretId
		}), s.GetSecretValue),
		gate.Op(reads, onAny[secretsmanager.BatchGetSecretValueInput]("BatchGetSecretValue"), s.BatchGetSecretValue),
		gate.Op(reads, on(s, "DescribeSecret", func(in *secretsmanager.DescribeSecretInput, _ *given) *string { return in.SecretId }), s.DescribeSecret),
		gate.Op(reads, onAny[secretsmanager.ListSecretsInput]("ListSecrets"), s.ListSecrets),
		gate.Op(reads, on(s, "ListSecretVersionIds", func(in *secretsmanager.ListSecretVersionIdsInput, _ *given) *string { return in.SecretId }), s.ListSecretVersionIds),
		gate.Op(writes, on(s, "UpdateSecretVersionStage", func(in *secretsmanager.UpdateSecretVersionStageInput, g *given) *string {
			g.one("secretsmanager:VersionStage", aws.ToString(in.VersionStage))
			return in.SecretId
		}), s.UpdateSecretVersionStage),
		gate.Op(writes, on(s, "DeleteSecret", func(in *secretsmanager.DeleteSecretInput, g *given) *string {
			if in.RecoveryWindowInDays != nil {
				g.one("secretsmanager:RecoveryWindowInDays", strconv.FormatInt(*in.RecoveryWindowInDays, 10))
			}
			g.one("secretsmanager:ForceDeleteWithoutRecovery", strconv.FormatBool(set(in.ForceDeleteWithoutRecovery)))
			return in.SecretId
		}), s.DeleteSecret),
		gate.Op(writes, on(s, "RestoreSecret", func(in *secretsmanager.RestoreSecretInput, _ *given) *string { return in.SecretId }), s.RestoreSecret),
		gate.Op(writes, on(s, "PutResourcePolicy", func(in *secretsmanager.PutResourcePolicyInput, g *given) *string {
			g.one("secretsmanager:BlockPublicPolicy", strconv.FormatBool(set(in.BlockPublicPolicy)))
			return in.SecretId
		}), s.PutResourcePolicy),
		gate.Op(reads, on(s, "GetResourcePolicy", func(in *secretsmanager.GetResourcePolicyInput, _ *given) *string { return in.SecretId }), s.GetResourcePolicy),
		gate.Op(writes, on(s, "DeleteResourcePolicy", func(in *secretsmanager.DeleteResourcePolicyInput, _ *given) *string { return in.SecretId }), s.DeleteResourcePolicy),
		gate.Op(reads, s.asksValidate, s.ValidateResourcePolicy),
		gate.Op(reads, onAny[secretsmanager.GetRandomPasswordInput]("GetRandomPassword"), s.GetRandomPassword),
		gate.Op(writes, on(s, "TagResource", func(in *secretsmanager.TagResourceInput, g *given) *string {
			g.tags(in.Tags, nil)
			return in.SecretId
		}), s.TagResource),
		gate.Op(writes, on(s, "UntagResource", func(in *secretsmanager.UntagResourceInput, g *given) *string {
			g.tags(nil, in.TagKeys)
			return in.SecretId
		}), s.UntagResource),
	}
}

func set(b *bool) bool { return b != nil && *b }

type asks[I any] func(*gate.Call, *I) ([]gate.Ask, error)

// given collects the condition keys of a request.
type given struct{ list estate.Given }

func (g *given) one(name, value string) {
	if value != "" {
		g.list = append(g.list, estate.NewEntry(name, policy.One(value)))
	}
}

func (g *given) tags(tags []types.Tag, taken []string) {
	keys := map[string]bool{}
	for _, t := range tags {
		g.one("aws:RequestTag/"+aws.ToString(t.Key), aws.ToString(t.Value))
		keys[aws.ToString(t.Key)] = true
	}
	for _, key := range taken {
		keys[key] = true
	}
	if len(keys) > 0 {
		g.list = append(g.list, estate.NewEntry("aws:TagKeys", policy.Many(slices.Sorted(maps.Keys(keys))...)))
	}
}

func onAny[I any](action string) asks[I] {
	return func(*gate.Call, *I) ([]gate.Ask, error) {
		return []gate.Ask{{Action: "secretsmanager:" + action, Resource: "*"}}, nil
	}
}

// on is what an operation needs that is about one secret.
func on[I any](s *Service, action string, id func(*I, *given) *string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		var g given
		return []gate.Ask{s.ask(c, action, *id(in, &g), g.list)}, nil
	}
}

// ask is the question about a secret. One that is not there is asked about by what its
// ARN would be, so that who may not read it does not learn whether it is there.
func (s *Service) ask(c *gate.Call, action, id string, context estate.Given) gate.Ask {
	a := gate.Ask{Action: "secretsmanager:" + action, Context: append(context, estate.NewEntry("secretsmanager:SecretId", policy.One(id)))}
	if x := s.find(c, id); x != nil {
		a.Resource, a.Target, a.Owner, a.Policy = x.arn(), x.target, x.Account, x.policy
		for _, t := range x.Tags {
			a.Context = append(a.Context, estate.NewEntry("aws:ResourceTag/"+t.Key, policy.One(t.Value)), estate.NewEntry("secretsmanager:ResourceTag/"+t.Key, policy.One(t.Value)))
		}
		c.Resources = append(c.Resources, gate.Resource{ARN: x.arn(), Account: x.Account, Type: "AWS::SecretsManager::Secret"})
		return a
	}
	a.Resource = id
	if !strings.HasPrefix(id, "arn:") {
		a.Resource = behalf.ARN("secretsmanager", c.Region, c.Caller.Account, "secret:", id)
	}
	if target, err := arn.Parse(a.Resource); err == nil {
		a.Target, a.Owner = target, target.Account
	}
	return a
}

// asksCreate asks about the secret that is to be: the end of its ARN is not known yet.
func (s *Service) asksCreate(c *gate.Call, in *secretsmanager.CreateSecretInput) ([]gate.Ask, error) {
	var g given
	g.one("secretsmanager:Name", *in.Name)
	g.one("secretsmanager:Description", aws.ToString(in.Description))
	g.one("secretsmanager:KmsKeyArn", aws.ToString(in.KmsKeyId))
	g.tags(in.Tags, nil)
	name := behalf.ARN("secretsmanager", c.Region, c.Caller.Account, "secret:", *in.Name, "-??????")
	target, _ := arn.Parse(name) // made here
	list := []gate.Ask{{Action: "secretsmanager:CreateSecret", Resource: name, Target: target, Context: g.list}}
	if len(in.Tags) > 0 {
		list = append(list, gate.Ask{Action: "secretsmanager:TagResource", Resource: name, Target: target, Context: g.list})
	}
	return list, nil
}

func (s *Service) asksValidate(c *gate.Call, in *secretsmanager.ValidateResourcePolicyInput) ([]gate.Ask, error) {
	if in.SecretId == nil {
		return []gate.Ask{{Action: "secretsmanager:ValidateResourcePolicy", Resource: "*"}}, nil
	}
	return []gate.Ask{s.ask(c, "ValidateResourcePolicy", *in.SecretId, nil)}, nil
}

// find leads from a name or an ARN, with or without its last characters, to a secret. A
// secret of another account is found by its whole ARN only.
func (s *Service) find(c *gate.Call, id string) *Secret {
	if !strings.HasPrefix(id, "arn:") {
		return s.secrets.Get(state.Key(c.Caller.Account, c.Region, id))
	}
	a, err := arn.Parse(id)
	name, ok := strings.CutPrefix(a.Resource, "secret:")
	if err != nil || a.Service != "secretsmanager" || a.Region != c.Region || !ok {
		return nil
	}
	if n := len(name) - 7; n > 0 {
		if x := s.secrets.Get(state.Key(a.Account, a.Region, name[:n])); x != nil && x.arn() == id {
			return x
		}
	}
	x := s.secrets.Get(state.Key(a.Account, a.Region, name))
	if x == nil || a.Account != c.Caller.Account {
		return nil
	}
	return x
}

// secret finds the secret of a request; one that is to be deleted only where that does
// not matter. The texts are those that users report
// (https://github.com/aws/copilot-cli/pull/4871, https://github.com/ibm-mas/cli/pull/937).
func (s *Service) secret(c *gate.Call, id string, deleted bool) (*Secret, error) {
	x := s.find(c, id)
	if x == nil {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	if x.Deleted != nil && !deleted {
		return nil, badRequest("You can't perform this operation on the secret because it was marked for deletion.")
	}
	return x, nil
}

// paged cuts a page from a list.
func paged[T any](list []T, token *string, limit *int32) ([]T, *string, error) {
	page, next, ok := gate.Page(list, token, limit, 100)
	if !ok {
		return nil, nil, refuse("InvalidNextTokenException", "The NextToken is not valid.") // assumed text
	}
	return page, next, nil
}
