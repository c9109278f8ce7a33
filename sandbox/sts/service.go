// Package sts is AWS STS in a sandbox: it gives out sessions and knows whose they
// are.
package sts

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
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
	s.sessions = state.NewTable(c.DB, "sts.sessions", (*gate.Session).Ready)
	return s
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
		gate.Op(gate.Writes, asksSessionToken, s.GetSessionToken),
		gate.Op(gate.Writes, s.asksFederation, s.GetFederationToken),
		gate.Op(gate.Reads, asksOf[sts.GetAccessKeyInfoInput], s.GetAccessKeyInfo),
		gate.Op(gate.Reads, asksOf[sts.DecodeAuthorizationMessageInput], s.DecodeAuthorizationMessage),
	}
}

func refuse(code, text string) error { return wire.Refuse(code, text) }

func validation(text string) error { return refuse("ValidationError", text) }

// asksOf asks for an operation that has no resource.
func asksOf[In any](c *gate.Call, _ *In) ([]gate.Ask, error) {
	if s := c.Caller.Session; s != nil && !s.OfRole() {
		return nil, notWithSession(c)
	}
	return []gate.Ask{{Action: "sts:" + c.Operation, Resource: "*"}}, nil
}

// notWithSession is recorded for GetSessionToken and GetFederationToken, and assumed
// for what else sessions may not call.
// See https://github.com/hashicorp/vault/pull/4108 and https://github.com/aws/aws-sdk-net/issues/1704.
func notWithSession(c *gate.Call) error {
	return denied("Cannot call " + c.Operation + " with session credentials")
}

func denied(text string) error {
	return &wire.Error{Code: "AccessDenied", Message: text, Status: http.StatusForbidden}
}

// device takes any code of a device that the caller can have: one of its account
// when it is a user or the root user. IAM in the sandbox has no devices.
// The texts are recorded in https://github.com/aws/aws-cli/issues/6325 and
// https://github.com/y13i/sgviz/issues/9.
func device(c *gate.Call, serial, code *string) error {
	if serial == nil && code == nil {
		return nil
	}
	if serial == nil || code == nil {
		return denied("MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
	}
	virtual := "arn:" + c.Caller.Partition + ":iam::" + c.Caller.Account + ":mfa/"
	if c.Caller.Session.OfRole() || strings.HasPrefix(*serial, "arn:") && !strings.HasPrefix(*serial, virtual) {
		return denied("MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.")
	}
	c.MFA = true
	return nil
}

// GetCallerIdentity says who calls. Everybody may ask.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	c := gate.From(ctx)
	return &sts.GetCallerIdentityOutput{Account: &c.Caller.Account, Arn: &c.Caller.Text, UserId: &c.Caller.ID}, nil
}

// limit adds session policies, and says how much of the space for them is used.
func (s *Service) limit(session *gate.Session, document *string, arns []types.PolicyDescriptorType, tags []types.Tag) (int32, error) {
	if document != nil {
		if _, err := gate.ReadPolicy("session policy", *document, false); err != nil {
			return 0, refuse("MalformedPolicyDocument", "The policy is not in the valid JSON format.")
		}
		session.Policies = append(session.Policies, *document)
	}
	for _, p := range arns {
		if p.Arn == nil || !s.Principals.HasPolicy(session.Account, *p.Arn) {
			return 0, refuse("MalformedPolicyDocument", "The specified policy does not exist.") // assumed text
		}
		session.PolicyARNs = append(session.PolicyARNs, *p.Arn)
	}
	return packed(document, arns, tags)
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

// ownSeconds is how long a session of the caller's own rights lasts: half a day
// unless asked otherwise, an hour at most for the root user.
func ownSeconds(c *gate.Call, asked *int32) int32 {
	const plain, rootLongest = 43200, 3600
	seconds := int32(plain)
	if asked != nil {
		seconds = *asked
	}
	if c.Caller.Kind == arn.AccountRoot {
		seconds = min(seconds, rootLongest)
	}
	return seconds
}

func asksSessionToken(c *gate.Call, in *sts.GetSessionTokenInput) ([]gate.Ask, error) {
	if c.Caller.Session != nil {
		return nil, notWithSession(c)
	}
	return nil, device(c, in.SerialNumber, in.TokenCode)
}

// GetSessionToken gives out a session with the caller's own rights.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html.
func (s *Service) GetSessionToken(ctx context.Context, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	c := gate.From(ctx)
	session := &gate.Session{Account: c.Caller.Account, ARN: c.Caller.Text, ID: c.Caller.ID, Principal: c.Caller.Text, PrincipalID: c.Caller.ID, MFA: c.MFA}
	creds := s.issue(c, session, ownSeconds(c, in.DurationSeconds), in.MinimumSessionTokenSize)
	return &sts.GetSessionTokenOutput{Credentials: creds, SessionTokenSize: new(int32(len(session.Token))), SessionTokenUtilization: used(creds)}, nil
}

var federatedName = regexp.MustCompile(`^[\w+=,.@-]{2,32}$`)

func (s *Service) asksFederation(c *gate.Call, in *sts.GetFederationTokenInput) ([]gate.Ask, error) {
	if c.Caller.Session != nil {
		return nil, notWithSession(c)
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
	session := &gate.Session{
		Account: c.Caller.Account, ARN: "arn:aws:sts::" + c.Caller.Account + ":federated-user/" + *in.Name, ID: c.Caller.Account + ":" + *in.Name,
		Principal: c.Caller.Text, PrincipalID: c.Caller.ID, Tags: map[string]string{},
	}
	size, err := s.limit(session, in.Policy, in.PolicyArns, in.Tags)
	if err != nil {
		return nil, err
	}
	for _, t := range in.Tags {
		session.Tags[*t.Key] = *t.Value
	}
	out := &sts.GetFederationTokenOutput{
		Credentials:   s.issue(c, session, ownSeconds(c, in.DurationSeconds), in.MinimumSessionTokenSize),
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
