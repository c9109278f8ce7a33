package kms

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Grant is a grant as the state keeps it.
type Grant struct {
	Account, Region, KeyID, ID string
	Name                       string `json:",omitempty"`
	Created                    time.Time
	// Tokens are the grant tokens given out for it.
	Tokens []string
	// Grantee and Retiring are ARNs, with the unique ids behind them when the grant
	// was made; GranteeService and RetiringService are names of services.
	Grantee, GranteeID   string `json:",omitempty"`
	Retiring, RetiringID string `json:",omitempty"`
	GranteeService       string `json:",omitempty"`
	RetiringService      string `json:",omitempty"`
	Issuer               string // an account
	Operations           []types.GrantOperation
	Constraints          *estate.GrantConstraints `json:",omitempty"`

	view estate.Grant
}

// ready completes a row.
func (g *Grant) ready() {
	g.view = estate.Grant{
		GrantID: g.ID, Name: g.Name, GranteePrincipal: g.Grantee, GranteePrincipalID: g.GranteeID, GranteeServicePrincipal: g.GranteeService,
		RetiringPrincipal: g.Retiring, Operations: texts(g.Operations), Constraints: g.Constraints, IssuingAccount: g.Issuer, CreatedAt: &g.Created,
	}
	if g.RetiringService != "" {
		g.view.RetiringPrincipal = g.RetiringService
	}
	// A grant of the state was checked when it was made.
	_ = g.view.Prepare(g.Account)
}

// row is the key of the row.
func (g *Grant) row() string { return state.Key(g.Account, g.Region, g.KeyID, g.ID) }

// setGrants gives a question the grants of a key: with a delay, those count that are
// old enough or whose token the call passes.
func (s *Service) setGrants(c *gate.Call, a *gate.Ask, k *Key, tokens []string) {
	if s.GrantDelay == 0 {
		a.Grants = s.viewOf(k)
		return
	}
	for _, g := range s.grants.All(state.Key(k.row(), "")) {
		passed := slices.ContainsFunc(tokens, func(t string) bool { return slices.Contains(g.Tokens, t) })
		if passed || !c.At.Before(g.Created.Add(s.GrantDelay)) {
			a.Grants = append(a.Grants, g.view)
		} else {
			a.Waiting = append(a.Waiting, g.view)
		}
	}
	a.WaitingWhy = "A grant allows it that does not count yet: it was made less than " + s.GrantDelay.String() + " ago (--grant-delay), and the call did not pass its grant token."
}

// tokenSize is the length of what a grant token holds, in bytes.
const tokenSize = 144

// genuine refuses grant tokens that KMS cannot have made. One of a grant that is
// gone, or another grant's, only does not help: assumed.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors.
func (s *Service) genuine(c *gate.Call, tokens []string) error {
	for _, t := range tokens {
		raw, err := base64.StdEncoding.DecodeString(t)
		if (err != nil || len(raw) != tokenSize) && s.byToken(c, t) == nil {
			return errToken()
		}
	}
	return nil
}

func errToken() error {
	return refuse("InvalidGrantTokenException", "The grant token is not valid.") // assumed text
}

// viewOf returns all grants of a key. The list is made once until one changes.
func (s *Service) viewOf(k *Key) []estate.Grant {
	row := k.row()
	if known, ok := s.views.Load(row); ok {
		return known.([]estate.Grant)
	}
	list := []estate.Grant{}
	for _, g := range s.grants.All(state.Key(row, "")) {
		list = append(list, g.view)
	}
	s.views.Store(row, list)
	return list
}

func badPrincipal(text string) error {
	return refuse("InvalidArnException", "ARN does not refer to a valid principal: "+text)
}

// principal reads a grantee or retiring principal and finds the unique id behind
// it. An id in place of an ARN is taken, and turned into the ARN.
func (s *Service) principal(c *gate.Call, member, text string) (principal, id string, err error) {
	p, err := arn.ParsePrincipal(text)
	if err != nil {
		if a, perr := arn.Parse(text); perr == nil && a.Service == "sts" {
			return "", "", refuse("InvalidArnException", "ARN is not valid: "+text)
		}
		return "", "", badPrincipal(text)
	}
	switch p.Kind {
	case arn.AccountRoot:
		return p.Text, p.Account, nil
	case arn.User, arn.Role, arn.AssumedRole, arn.FederatedUser:
		if id, ok := infrastructure(p); ok && c.Forward != nil && c.Forward.ForResource {
			return p.Text, id, nil
		}
		if id, ok := s.Principals.UniqueID(p); ok {
			return p.Text, id, nil
		}
		return "", "", badPrincipal(text)
	case arn.UniqueID:
		if name, ok := s.Principals.ARN(text); ok {
			return name, text, nil
		}
		return "", "", refuse("InvalidArnException", member+" does not refer to a valid principal.")
	}
	return "", "", badPrincipal(text)
}

// infrastructure is the session that stands for an instance or a volume where EC2 has
// grants made for it, and for which there is no role that anybody sees. Recorded:
// assumed-role/aws:ec2-infrastructure/INSTANCE; that its id repeats the account and the
// name is what CloudTrail shows.
// See https://docs.aws.amazon.com/kms/latest/developerguide/ct-ec2two.html.
func infrastructure(p arn.Principal) (id string, ok bool) {
	if p.Kind != arn.AssumedRole || !strings.HasPrefix(p.Name, "aws:") {
		return "", false
	}
	return p.Account + ":" + p.Name + ":" + p.Session, true
}

// CreateGrant makes a grant, or returns the one with the same name and
// parameters.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html.
func (s *Service) CreateGrant(ctx context.Context, in *kms.CreateGrantInput) (*kms.CreateGrantOutput, error) {
	c := gate.From(ctx)
	k, err := s.found(ctx, *in.KeyId, "CreateGrant")
	if err != nil {
		return nil, err
	}
	if err := k.customerGrant(c); err != nil {
		return nil, err
	}
	g, err := s.newGrant(c, k, in)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	token := s.IDs.Token(tokenSize)
	if same := s.sameGrant(k, g); same != nil {
		again := *same
		again.Tokens = append(slices.Clone(same.Tokens), token)
		s.grants.Put(again.row(), &again)
		return &kms.CreateGrantOutput{GrantId: &again.ID, GrantToken: &token}, nil
	}
	if len(s.viewOf(k)) >= awsfacts.Limits().GrantsPerKey {
		return nil, refuse("LimitExceededException", "The key has as many grants as it may have.") // assumed text
	}
	g.ID, g.Tokens, g.Created = s.IDs.Hex(64), []string{token}, c.At
	s.grants.Put(g.row(), g)
	return &kms.CreateGrantOutput{GrantId: &g.ID, GrantToken: &token}, nil
}

// customerGrant refuses grants on AWS managed keys, but to the services that make
// them for their users.
func (k *Key) customerGrant(c *gate.Call) error {
	if c.Forward != nil {
		return nil
	}
	return k.customer()
}

func (s *Service) newGrant(c *gate.Call, k *Key, in *kms.CreateGrantInput) (*Grant, error) {
	g := &Grant{
		Account: k.Account, Region: k.Region, KeyID: k.ID, Name: aws.ToString(in.Name), Issuer: c.Caller.Account,
		Operations: slices.Compact(slices.Clone(in.Operations)), GranteeService: aws.ToString(in.GranteeServicePrincipal), RetiringService: aws.ToString(in.RetiringServicePrincipal),
	}
	if len(g.Operations) == 0 {
		return nil, validation("A grant needs at least one operation.") // assumed text
	}
	if (in.GranteePrincipal == nil) == (in.GranteeServicePrincipal == nil) {
		return nil, validation("Exactly one of GranteePrincipal and GranteeServicePrincipal must be specified.") // assumed text
	}
	var err error
	if in.GranteePrincipal != nil {
		if g.Grantee, g.GranteeID, err = s.principal(c, "GranteePrincipal", *in.GranteePrincipal); err != nil {
			return nil, err
		}
	}
	if in.RetiringPrincipal != nil {
		if g.Retiring, g.RetiringID, err = s.principal(c, "RetiringPrincipal", *in.RetiringPrincipal); err != nil {
			return nil, err
		}
	}
	if err := k.grantOperations(g.Operations); err != nil {
		return nil, err
	}
	g.Constraints, err = k.constraints(in.Constraints)
	return g, err
}

// grantOperations refuses operations that a key of this usage does not have.
// See https://docs.aws.amazon.com/kms/latest/developerguide/grants.html#terms-grant-operations.
func (k *Key) grantOperations(ops []types.GrantOperation) error {
	always := []types.GrantOperation{types.GrantOperationDescribeKey, types.GrantOperationCreateGrant, types.GrantOperationRetireGrant}
	fits := map[types.KeyUsageType][]types.GrantOperation{
		types.KeyUsageTypeEncryptDecrypt: {types.GrantOperationEncrypt, types.GrantOperationDecrypt, types.GrantOperationReEncryptFrom, types.GrantOperationReEncryptTo},
		types.KeyUsageTypeSignVerify:     {types.GrantOperationSign, types.GrantOperationVerify},
		types.KeyUsageTypeGenerateVerifyMac: {
			types.GrantOperationGenerateMac, types.GrantOperationVerifyMac,
		},
		types.KeyUsageTypeKeyAgreement: {types.GrantOperationDeriveSharedSecret},
	}[k.Usage]
	if k.Spec == types.KeySpecSymmetricDefault {
		fits = append(fits, types.GrantOperationGenerateDataKey, types.GrantOperationGenerateDataKeyWithoutPlaintext,
			types.GrantOperationGenerateDataKeyPair, types.GrantOperationGenerateDataKeyPairWithoutPlaintext)
	} else if k.Usage != types.KeyUsageTypeGenerateVerifyMac {
		fits = append(fits, types.GrantOperationGetPublicKey)
	}
	for _, op := range ops {
		if !slices.Contains(always, op) && !slices.Contains(fits, op) {
			return validation("Grant operation " + string(op) + " is not valid for the key " + k.arn + " with usage " + string(k.Usage) + ".") // assumed text
		}
	}
	return nil
}

// constraints reads the constraints of a grant.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantConstraints.html.
func (k *Key) constraints(in *types.GrantConstraints) (*estate.GrantConstraints, error) {
	if in == nil || len(in.EncryptionContextEquals)+len(in.EncryptionContextSubset) == 0 && in.SourceArn == nil {
		return nil, nil
	}
	pairs := len(in.EncryptionContextEquals) + len(in.EncryptionContextSubset)
	switch limits := awsfacts.Limits(); {
	case pairs > 0 && k.Spec != types.KeySpecSymmetricDefault:
		return nil, validation("Encryption context constraints are valid for symmetric encryption keys only.") // assumed text
	case pairs > limits.GrantConstraintPairs:
		return nil, validation("A grant constraint may have 8 pairs at most.") // assumed text
	}
	return &estate.GrantConstraints{
		EncryptionContextEquals: in.EncryptionContextEquals, EncryptionContextSubset: in.EncryptionContextSubset, SourceARN: aws.ToString(in.SourceArn),
	}, nil
}

// sameGrant finds a grant with the same name and parameters. Without a name every
// call makes another.
func (s *Service) sameGrant(k *Key, g *Grant) *Grant {
	if g.Name == "" {
		return nil
	}
	for _, o := range s.grants.All(state.Key(k.row(), "")) {
		if o.Name == g.Name && o.Issuer == g.Issuer && o.GranteeID == g.GranteeID && o.Grantee == g.Grantee && o.RetiringID == g.RetiringID && o.Retiring == g.Retiring &&
			o.GranteeService == g.GranteeService && o.RetiringService == g.RetiringService && slices.Equal(o.Operations, g.Operations) && sameConstraints(o.Constraints, g.Constraints) {
			return o
		}
	}
	return nil
}

func sameConstraints(a, b *estate.GrantConstraints) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.SourceARN == b.SourceARN && maps.Equal(a.EncryptionContextEquals, b.EncryptionContextEquals) && maps.Equal(a.EncryptionContextSubset, b.EncryptionContextSubset)
}
