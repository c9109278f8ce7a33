// Package sts is AWS STS in a sandbox: it gives out sessions and knows whose they
// are.
package sts

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Role is what STS asks of a role.
type Role struct {
	ARN, ID, Account, Name string
	Trust                  *estate.Named
	MaxSession             int32
	Tags                   map[string]string
}

// Principals tells about roles and keys. IAM does.
type Principals interface {
	UniqueID(p arn.Principal) (id string, ok bool)
	RoleByARN(roleARN string) (Role, bool)
	KeyAccount(accessKeyID string) (account string, ok bool)
	HasPolicy(account, policyARN string) bool
}

// Config is what STS needs from the sandbox.
type Config struct {
	DB         *state.DB
	Clock      *state.Clock
	IDs        *state.IDs
	Principals Principals
	// Decode opens an encoded authorization message.
	Decode func(message string) (string, bool)
}

// Service is STS.
type Service struct {
	Config
	sessions *state.Table[gate.Session] // by access key id
}

// New returns STS on a sandbox's state.
func New(c Config) *Service {
	s := &Service{Config: c}
	s.sessions = state.NewTable(c.DB, "sts.sessions", ready)
	return s
}

func ready(s *gate.Session) {
	s.Documents = nil
	for _, text := range s.Policies {
		s.Documents = append(s.Documents, gate.Document("session policy", text))
	}
	s.IssuedText = s.Issued.UTC().Format(time.RFC3339)
	// The ARNs are the sandbox's own: they can be read.
	s.Behind, _ = arn.ParsePrincipal(s.Principal)
	s.Holder, _ = arn.ParsePrincipal(s.ARN)
	if s.Holder.Kind == arn.AssumedRole {
		s.Holder = s.Holder.WithRole(s.Principal)
	}
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "sts" }

// Session returns the session with that access key, or nil.
func (s *Service) Session(accessKeyID string) *gate.Session { return s.sessions.Get(accessKeyID) }

// Sweep forgets sessions that ended more than a day ago. It is called in Update.
func (s *Service) Sweep(now time.Time) {
	for id, session := range s.sessions.All("") {
		if now.After(session.Expires.Add(24 * time.Hour)) {
			s.sessions.Delete(id)
		}
	}
}

// Operations are those that need no identity provider.
func (s *Service) Operations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Reads, nil, s.GetCallerIdentity),
		gate.Op(gate.Writes, s.asksAssumeRole, s.AssumeRole),
		gate.Op(gate.Writes, nil, s.GetSessionToken),
		gate.Op(gate.Writes, s.asksFederation, s.GetFederationToken),
		gate.Op(gate.Reads, func(*gate.Call, *sts.GetAccessKeyInfoInput) ([]gate.Ask, error) {
			return []gate.Ask{{Action: "sts:GetAccessKeyInfo", Resource: "*"}}, nil
		}, s.GetAccessKeyInfo),
		gate.Op(gate.Reads, func(*gate.Call, *sts.DecodeAuthorizationMessageInput) ([]gate.Ask, error) {
			return []gate.Ask{{Action: "sts:DecodeAuthorizationMessage", Resource: "*"}}, nil
		}, s.DecodeAuthorizationMessage),
	}
}

func refuse(code, text string) error { return wire.Refuse(code, text) }

func validation(text string) error { return refuse("ValidationError", text) }

// GetCallerIdentity says who calls. Everybody may ask.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	c := gate.From(ctx)
	return &sts.GetCallerIdentityOutput{Account: &c.Caller.Account, Arn: &c.Caller.Text, UserId: &c.Caller.ID}, nil
}

// asksAssumeRole asks the caller's policies and the role's trust policy.
func (s *Service) asksAssumeRole(c *gate.Call, in *sts.AssumeRoleInput) ([]gate.Ask, error) {
	if c.Caller.Kind == arn.AccountRoot {
		return nil, &wire.Error{Code: "AccessDenied", Message: "Roles may not be assumed by root accounts.", Status: 403}
	}
	p, err := arn.ParsePrincipal(*in.RoleArn)
	if err != nil || p.Kind != arn.Role {
		return nil, validation(*in.RoleArn + " is invalid")
	}
	target, err := arn.Parse(*in.RoleArn)
	if err != nil {
		return nil, validation(*in.RoleArn + " is invalid")
	}
	if err := tagsFit(in.Tags, in.TransitiveTagKeys); err != nil {
		return nil, err
	}
	if err := inherited(c.Caller.Session, in); err != nil {
		return nil, err
	}
	a := gate.Ask{Action: "sts:AssumeRole", Resource: *in.RoleArn, Target: target, Owner: p.Account, Context: s.given(c, in)}
	c.Resources = append(c.Resources, gate.Resource{ARN: a.Resource, Account: p.Account, Type: "AWS::IAM::Role"})
	if r, ok := s.Principals.RoleByARN(*in.RoleArn); ok {
		a.Policy = r.Trust
		for k, v := range r.Tags {
			a.Context = append(a.Context, estate.NewEntry("aws:resourcetag/"+k, policy.One(v)), estate.NewEntry("iam:resourcetag/"+k, policy.One(v)))
		}
	}
	asks := []gate.Ask{a}
	if old := c.Caller.Session; len(in.Tags) > 0 || old != nil && len(old.Transitive) > 0 {
		tag := a
		tag.Action = "sts:TagSession"
		asks = append(asks, tag)
	}
	if in.SourceIdentity != nil {
		source := a
		source.Action = "sts:SetSourceIdentity"
		asks = append(asks, source)
	}
	return asks, nil
}

// inherited refuses to change what a session passes on to those that it assumes:
// its transitive tags and its source identity.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining.
func inherited(old *gate.Session, in *sts.AssumeRoleInput) error {
	if old == nil {
		return nil
	}
	for _, t := range in.Tags {
		if slices.ContainsFunc(old.Transitive, func(k string) bool { return strings.EqualFold(k, *t.Key) }) {
			return refuse("InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
	}
	if in.SourceIdentity != nil && old.Source != "" && *in.SourceIdentity != old.Source {
		return validation("The source identity is already set for this assume role session")
	}
	return nil
}

func (s *Service) given(c *gate.Call, in *sts.AssumeRoleInput) estate.Given {
	var g estate.Given
	one := func(name string, value *string) {
		if value != nil {
			g = append(g, estate.NewEntry(name, policy.One(*value)))
		}
	}
	one("sts:externalid", in.ExternalId)
	one("sts:rolesessionname", in.RoleSessionName)
	one("sts:sourceidentity", in.SourceIdentity)
	var keys []string
	for _, t := range in.Tags {
		one("aws:requesttag/"+*t.Key, t.Value)
		keys = append(keys, *t.Key)
	}
	if len(keys) > 0 {
		g = append(g, estate.NewEntry("aws:tagkeys", policy.Many(keys...)))
	}
	if len(in.TransitiveTagKeys) > 0 {
		g = append(g, estate.NewEntry("sts:transitivetagkeys", policy.Many(in.TransitiveTagKeys...)))
	}
	return g
}

// tagsFit checks session tags.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html.
func tagsFit(tags []types.Tag, transitive []string) error {
	seen := map[string]bool{}
	for _, t := range tags {
		key := strings.ToLower(*t.Key)
		if seen[key] {
			return refuse("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[key] = true
	}
	for _, k := range transitive {
		if !seen[strings.ToLower(k)] {
			return refuse("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
	}
	return nil
}

// plainSession is how long a session of AssumeRole lasts unless asked otherwise,
// chainedSession the longest of one made by another.
const (
	plainSession   = 3600
	chainedSession = 3600
)

// AssumeRole gives out a session of a role.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
func (s *Service) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	c := gate.From(ctx)
	r, ok := s.Principals.RoleByARN(*in.RoleArn)
	if !ok { // the trust policy has let the caller in, so there is a role
		return nil, validation(*in.RoleArn + " is invalid")
	}
	seconds, err := roleSeconds(c, &r, in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	session := &gate.Session{
		Account: r.Account, ARN: "arn:aws:sts::" + r.Account + ":assumed-role/" + r.Name + "/" + *in.RoleSessionName,
		ID: r.ID + ":" + *in.RoleSessionName, Principal: r.ARN, PrincipalID: r.ID, Tags: map[string]string{},
	}
	if err := s.limit(session, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	if old := c.Caller.Session; old != nil {
		for _, k := range old.Transitive {
			session.Tags[k] = old.Tags[k]
			session.Transitive = append(session.Transitive, k)
		}
		session.Source = old.Source
	}
	for _, t := range in.Tags {
		session.Tags[*t.Key] = *t.Value
		if slices.ContainsFunc(in.TransitiveTagKeys, func(k string) bool { return strings.EqualFold(k, *t.Key) }) {
			session.Transitive = append(session.Transitive, *t.Key)
		}
	}
	if in.SourceIdentity != nil {
		session.Source = *in.SourceIdentity
	}
	out := &sts.AssumeRoleOutput{
		AssumedRoleUser: &types.AssumedRoleUser{Arn: &session.ARN, AssumedRoleId: &session.ID},
		Credentials:     s.issue(c, session, seconds, in.MinimumSessionTokenSize),
	}
	out.SessionTokenSize, out.SessionTokenUtilization = new(int32(len(session.Token))), used(out.Credentials)
	if session.Source != "" {
		out.SourceIdentity = &session.Source
	}
	if in.Policy != nil || len(in.PolicyArns) > 0 || len(in.Tags) > 0 {
		//lint:ignore SA1019 STS still answers it
		out.PackedPolicySize = new(packed(in.Policy))
	}
	return out, nil
}

// packed is how much of the space for session policies and tags is used, in per
// cent; how AWS packs is not documented.
func packed(document *string) int32 {
	if document == nil {
		return 1
	}
	return int32(min(100, 1+len(*document)*100/4096))
}

func roleSeconds(c *gate.Call, r *Role, asked *int32) (int32, error) {
	seconds := int32(plainSession)
	if asked != nil {
		seconds = *asked
	}
	if c.Caller.Session != nil && c.Caller.Kind == arn.AssumedRole && seconds > chainedSession {
		return 0, validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if seconds > r.MaxSession {
		return 0, validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return seconds, nil
}

// limit adds session policies.
func (s *Service) limit(session *gate.Session, document *string, arns []types.PolicyDescriptorType) error {
	if document != nil {
		if _, err := gate.ReadPolicy("session policy", *document, false); err != nil {
			return refuse("MalformedPolicyDocument", "The policy is not in the valid JSON format.")
		}
		session.Policies = append(session.Policies, *document)
	}
	for _, p := range arns {
		if p.Arn == nil || !s.Principals.HasPolicy(session.Account, *p.Arn) {
			return refuse("MalformedPolicyDocument", "The specified policy does not exist.") // assumed text
		}
		session.PolicyARNs = append(session.PolicyARNs, *p.Arn)
	}
	return nil
}

// plainToken is the size of a session token, maxToken the largest that may be asked
// for. STS does not say how it gets its sizes.
const plainToken, maxToken = 240, 4096

// used is how much of the largest size a token has, in per cent.
func used(c *types.Credentials) *int32 {
	return new(int32(min(100, (len(*c.SessionToken)*100+maxToken-1)/maxToken)))
}

// issue makes the credentials of a session, with a token of at least the size that
// was asked for.
func (s *Service) issue(c *gate.Call, session *gate.Session, seconds int32, longer *int32) *types.Credentials {
	size := plainToken
	if longer != nil {
		size = max(size, int(*longer))
	}
	session.AccessKeyID = s.IDs.Unique("ASIA")[:20]
	session.Secret, session.Token = state.Secret(30), state.Secret((size+3)/4*3)
	session.Issued = c.At
	session.Expires = c.At.Add(time.Duration(seconds) * time.Second).Truncate(time.Second)
	s.sessions.Put(session.AccessKeyID, session)
	return &types.Credentials{AccessKeyId: &session.AccessKeyID, Expiration: &session.Expires, SecretAccessKey: &session.Secret, SessionToken: &session.Token}
}

// GetSessionToken gives out a session with the caller's own rights.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html.
func (s *Service) GetSessionToken(ctx context.Context, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	c := gate.From(ctx)
	if c.Caller.Session != nil {
		return nil, &wire.Error{Code: "AccessDenied", Message: "Cannot call GetSessionToken with session credentials", Status: 403}
	}
	const longest, rootLongest = 129600, 3600
	seconds := int32(43200)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	seconds = min(seconds, longest)
	if c.Caller.Kind == arn.AccountRoot {
		seconds = min(seconds, rootLongest)
	}
	session := &gate.Session{Account: c.Caller.Account, ARN: c.Caller.Text, ID: c.Caller.ID, Principal: c.Caller.Text, PrincipalID: c.Caller.ID, MFA: in.TokenCode != nil}
	creds := s.issue(c, session, seconds, in.MinimumSessionTokenSize)
	return &sts.GetSessionTokenOutput{Credentials: creds, SessionTokenSize: new(int32(len(session.Token))), SessionTokenUtilization: used(creds)}, nil
}

var federatedName = regexp.MustCompile(`^[\w+=,.@-]{2,32}$`)

func (s *Service) asksFederation(c *gate.Call, in *sts.GetFederationTokenInput) ([]gate.Ask, error) {
	if c.Caller.Session != nil {
		return nil, &wire.Error{Code: "AccessDenied", Message: "Cannot call GetFederationToken with session credentials", Status: 403}
	}
	if !federatedName.MatchString(*in.Name) {
		return nil, validation("The name " + strconv.Quote(*in.Name) + " is not valid") // assumed text
	}
	if err := tagsFit(in.Tags, nil); err != nil {
		return nil, err
	}
	target := arn.ARN{Partition: "aws", Service: "sts", Account: c.Caller.Account, Resource: "federated-user/" + *in.Name}
	return []gate.Ask{{Action: "sts:GetFederationToken", Resource: target.String(), Target: target, Owner: c.Caller.Account}}, nil
}

// GetFederationToken gives out a session for somebody whom the caller vouches
// for.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html.
func (s *Service) GetFederationToken(ctx context.Context, in *sts.GetFederationTokenInput) (*sts.GetFederationTokenOutput, error) {
	c := gate.From(ctx)
	seconds := int32(43200)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	session := &gate.Session{
		Account: c.Caller.Account, ARN: "arn:aws:sts::" + c.Caller.Account + ":federated-user/" + *in.Name, ID: c.Caller.Account + ":" + *in.Name,
		Principal: c.Caller.Text, PrincipalID: c.Caller.ID, Tags: map[string]string{},
	}
	if err := s.limit(session, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	for _, t := range in.Tags {
		session.Tags[*t.Key] = *t.Value
	}
	size := int32(0)
	if in.Policy != nil || len(in.Tags) > 0 || len(in.PolicyArns) > 0 {
		size = packed(in.Policy)
	}
	out := &sts.GetFederationTokenOutput{
		Credentials:   s.issue(c, session, seconds, in.MinimumSessionTokenSize),
		FederatedUser: &types.FederatedUser{Arn: &session.ARN, FederatedUserId: &session.ID},
	}
	out.SessionTokenSize, out.SessionTokenUtilization = new(int32(len(session.Token))), used(out.Credentials)
	//lint:ignore SA1019 STS still answers it
	out.PackedPolicySize = &size
	return out, nil
}

// GetAccessKeyInfo tells the account of an access key.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html.
func (s *Service) GetAccessKeyInfo(_ context.Context, in *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
	if session := s.sessions.Get(*in.AccessKeyId); session != nil {
		return &sts.GetAccessKeyInfoOutput{Account: &session.Account}, nil
	}
	if account, ok := s.Principals.KeyAccount(*in.AccessKeyId); ok {
		return &sts.GetAccessKeyInfoOutput{Account: &account}, nil
	}
	return nil, validation("Access key ID " + *in.AccessKeyId + " is not known") // assumed text
}

// DecodeAuthorizationMessage opens the encoded message that a refusal of EC2
// carries.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html.
func (s *Service) DecodeAuthorizationMessage(_ context.Context, in *sts.DecodeAuthorizationMessageInput) (*sts.DecodeAuthorizationMessageOutput, error) {
	text, ok := s.Decode(*in.EncodedMessage)
	if !ok || !json.Valid([]byte(text)) {
		return nil, refuse("InvalidAuthorizationMessageException", "The specified message is not valid.") // assumed text
	}
	return &sts.DecodeAuthorizationMessageOutput{DecodedMessage: &text}, nil
}
