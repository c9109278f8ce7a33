package live

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
)

// Probe is a use of a key that KMS may be asked about.
type Probe struct {
	// Account is the caller's, Caller its ARN.
	Account, Caller string
	Action          string // kms:Decrypt
	Key             string // ARN
	// Via is the service that would forward the call.
	Via string
	// Context is the encryption context; "?" for a value that nobody knows.
	Context map[string]string
	// Grants are the operations of the grant that a CreateGrant makes.
	Grants []string
}

// Proved is what an answer about a use rests on.
type Proved string

// The ways in which a use is proved: by KMS itself, by the policies alone because KMS
// gave no answer, or not by KMS because the call cannot be made by whoever asks.
const (
	ProvedLive     Proved = "live"
	ProvedByPolicy Proved = "policy"
	NotProvable    Proved = "not provable from here"
)

// Answer is what KMS says about a use.
type Answer struct {
	Proved  Proved
	Allowed bool   // by KMS, when it was asked
	Text    string // KMS's words, or why it was not asked
}

// Probe asks KMS whether a use would be allowed, with a dry run that performs nothing.
// It is made only as the principal whose use it is, and only when it can be as the use
// will be: what a service forwards has a kms:ViaService that nobody else can set. An
// error means that the context was cancelled. See
// https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html.
func (c *Cloud) Probe(ctx context.Context, p Probe) (Answer, error) {
	if p.Via != "" {
		return Answer{NotProvable, false, "only " + p.Via + " can make this call, on behalf of its caller"}, nil
	}
	for name, value := range p.Context {
		if value == "?" {
			return Answer{NotProvable, false, "the encryption context " + name + " is not known before"}, nil
		}
	}
	key, err := arn.Parse(p.Key)
	if err != nil || !key.IsKMSKey() {
		return Answer{NotProvable, false, "which key it is is not known"}, nil
	}
	if why, err := c.isNot(ctx, p.Account, p.Caller); err != nil || why != "" {
		return Answer{NotProvable, false, why}, err
	}
	cfg, err := c.as(ctx, p.Caller, p.Account, key.Region)
	if err == nil {
		err = dryRun(ctx, kms.NewFromConfig(cfg), &p)
	}
	if ctx.Err() != nil {
		return Answer{}, context.Cause(ctx)
	}
	if errors.Is(err, errNoDryRun) {
		return Answer{ProvedByPolicy, false, "KMS has no dry run of " + p.Action}, nil
	}
	return answerOf(&p, c.failed(err, p.Action, p.Account, key.Region)), nil
}

// isNot says why calls to an account are not made as somebody; nothing when they are.
func (c *Cloud) isNot(ctx context.Context, account, wanted string) (string, error) {
	want, err := arn.ParsePrincipal(wanted)
	if err != nil || want.IsServiceLinked() {
		return "nobody can act as " + wanted, nil
	}
	if c.options.SignIn != nil {
		return "", nil // it signs in as everybody
	}
	caller, err := c.Caller(ctx, account)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return err.Error(), nil
	}
	got, err := arn.ParsePrincipal(caller)
	same := err == nil && got.Account == want.Account && got.Name == want.Name
	if same && (want.Kind == arn.User) == (got.Kind == arn.User) {
		return "", nil
	}
	return "calls to account " + account + " are made as " + caller + ", and this is the use of " + wanted, nil
}

// answerOf reads KMS's answer to a dry run.
func answerOf(p *Probe, err error) Answer {
	var e *cloud.Error
	switch {
	case err == nil:
		return Answer{ProvedLive, true, "KMS allows it"}
	case !errors.As(err, &e):
		return Answer{ProvedByPolicy, false, err.Error()}
	case e.Code == "DryRunOperationException":
		return Answer{ProvedLive, true, e.Err.Error()}
	}
	switch e.Kind {
	case cloud.Denied:
		other := map[string]string{"kms:ReEncryptFrom": "kms:ReEncryptTo", "kms:ReEncryptTo": "kms:ReEncryptFrom"}[p.Action]
		if other != "" && strings.Contains(e.Err.Error(), other) {
			// A dry run of ReEncrypt asks for both, and the other one was refused.
			return Answer{ProvedByPolicy, false, e.Err.Error()}
		}
		return Answer{ProvedLive, false, e.Err.Error()}
	case cloud.NotFound, cloud.State, cloud.Invalid:
		return Answer{ProvedLive, false, e.Err.Error()}
	}
	return Answer{ProvedByPolicy, false, "KMS gave no answer: " + e.Err.Error()}
}

var errNoDryRun = errors.New("no dry run")

// dryRun makes the call of a use without its effect. Looking a key up has none.
func dryRun(ctx context.Context, c *kms.Client, p *Probe) (err error) {
	yes := aws.Bool(true)
	without := []types.DryRunModifierType{types.DryRunModifierTypeIgnoreCiphertext}
	switch p.Action {
	case "kms:DescribeKey":
		_, err = c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &p.Key})
	case "kms:Encrypt":
		_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: &p.Key, Plaintext: []byte("keyreach"), EncryptionContext: p.Context, DryRun: yes})
	case "kms:Decrypt":
		_, err = c.Decrypt(ctx, &kms.DecryptInput{KeyId: &p.Key, EncryptionContext: p.Context, DryRun: yes, DryRunModifiers: without})
	case "kms:GenerateDataKey":
		_, err = c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &p.Key, KeySpec: types.DataKeySpecAes256, EncryptionContext: p.Context, DryRun: yes})
	case "kms:GenerateDataKeyWithoutPlaintext":
		_, err = c.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &p.Key, KeySpec: types.DataKeySpecAes256, EncryptionContext: p.Context, DryRun: yes})
	case "kms:ReEncryptFrom", "kms:ReEncryptTo":
		_, err = c.ReEncrypt(ctx, &kms.ReEncryptInput{
			SourceKeyId: &p.Key, DestinationKeyId: &p.Key, SourceEncryptionContext: p.Context, DestinationEncryptionContext: p.Context, DryRun: yes, DryRunModifiers: without,
		})
	case "kms:CreateGrant":
		in := &kms.CreateGrantInput{KeyId: &p.Key, GranteePrincipal: &p.Caller, DryRun: yes}
		for _, op := range p.Grants {
			in.Operations = append(in.Operations, types.GrantOperation(op))
		}
		if len(in.Operations) == 0 {
			in.Operations = []types.GrantOperation{types.GrantOperationDecrypt}
		}
		_, err = c.CreateGrant(ctx, in)
	default:
		return errNoDryRun
	}
	return err
}
