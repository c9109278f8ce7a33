package live

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// Current returns the op that leaves the slot of an op as it is on AWS now. What is
// not there comes in the absent form of the op: Absent or Off, an empty Document, Text
// or Key. A key that AWS named comes by that name. Where the thing is gone of which the
// slot is a part, a key, a role, a bucket, it fails with kind cloud.NotFound.
func (c *Cloud) Current(ctx context.Context, op estate.Op) (estate.Op, error) {
	switch o := op.(type) {
	case *estate.KeyPolicy:
		return nilSafe(c.currentKeyPolicy(ctx, o))
	case *estate.NewKey:
		return nilSafe(c.currentKey(ctx, o))
	case *estate.KeyState:
		return nilSafe(c.currentKeyState(ctx, o))
	case *estate.Alias:
		return nilSafe(c.currentAlias(ctx, o))
	case *estate.Rotation:
		return nilSafe(c.currentRotation(ctx, o))
	case *estate.GrantTo:
		return nilSafe(c.currentGrant(ctx, o))
	case *estate.InlinePolicy:
		return nilSafe(c.currentInline(ctx, o))
	case *estate.NewRole:
		return nilSafe(c.currentRole(ctx, o))
	case *estate.LinkedRole:
		return nilSafe(c.currentLinked(ctx, o))
	case *estate.EBSEncryption:
		return nilSafe(c.currentEBS(ctx, o))
	case *estate.ReplicationEncryption:
		return nilSafe(c.currentReplication(ctx, o))
	case *estate.VaultPolicy:
		return nilSafe(c.currentVault(ctx, o))
	case *estate.NewBucket:
		return nilSafe(c.currentBucket(ctx, o))
	case *estate.BucketSetting:
		return nilSafe(c.currentSetting(ctx, o))
	case *estate.Share:
		return nilSafe(c.currentShare(ctx, o))
	}
	return nil, noSuchOp(op)
}

// Perform writes the op. An op that is as it should be already does no harm: what is
// there is taken over. For a key that AWS names it returns the real ARN by the
// provisional one, also for one that an earlier run made.
func (c *Cloud) Perform(ctx context.Context, op estate.Op) (made map[string]string, err error) {
	switch o := op.(type) {
	case *estate.KeyPolicy:
		err = c.putKeyPolicy(ctx, o)
	case *estate.NewKey:
		return c.makeKey(ctx, o)
	case *estate.KeyState:
		err = c.setKeyState(ctx, o)
	case *estate.Alias:
		err = c.putAlias(ctx, o)
	case *estate.Rotation:
		err = c.setRotation(ctx, o)
	case *estate.GrantTo:
		err = c.putGrant(ctx, o)
	case *estate.InlinePolicy:
		err = c.putInline(ctx, o)
	case *estate.NewRole:
		err = c.putRole(ctx, o)
	case *estate.LinkedRole:
		err = c.putLinked(ctx, o)
	case *estate.EBSEncryption:
		err = c.setEBS(ctx, o)
	case *estate.ReplicationEncryption:
		err = c.setReplication(ctx, o)
	case *estate.VaultPolicy:
		err = c.putVaultPolicy(ctx, o)
	case *estate.NewBucket:
		err = c.putBucket(ctx, o)
	case *estate.BucketSetting:
		err = c.putSetting(ctx, o)
	case *estate.Share:
		err = c.putShare(ctx, o)
	default:
		err = noSuchOp(op)
	}
	return nil, err
}

// nilSafe keeps an op that is not there from becoming an interface that is.
func nilSafe[O any, P interface {
	*O
	estate.Op
}](op P, err error) (estate.Op, error) {
	if err != nil {
		return nil, err
	}
	return op, nil
}

func noSuchOp(op estate.Op) error {
	return &cloud.Error{Kind: cloud.Invalid, Operation: "writing", Err: fmt.Errorf("there is no such op: %T", op)}
}

// opMemory is what the ops of this process leave for its later calls. It is nowhere
// stored or printed.
type opMemory struct {
	mu     sync.Mutex
	tokens map[string][]string // grant tokens, by the ARN of the key
	keys   map[string]string   // the real ARNs of keys, by their provisional ones
}

// addToken keeps the token of a new grant, which makes the grant count at once. See
// https://docs.aws.amazon.com/kms/latest/developerguide/using-grant-token.html.
func (m *opMemory) addToken(key, token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tokens == nil {
		m.tokens = map[string][]string{}
	}
	m.tokens[key] = append(m.tokens[key], token)
	if over := len(m.tokens[key]) - maxTokens; over > 0 {
		m.tokens[key] = m.tokens[key][over:]
	}
}

// maxTokens is how many grant tokens a call takes; the newest count. See
// https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html.
const maxTokens = 10

// tokensOf returns the tokens of the grants on a key that this process made.
func (m *opMemory) tokensOf(key string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.tokens[key]...)
}

// withTokens makes a call that takes the tokens of the grants on a key, and once more
// without when KMS no longer takes them because a grant has ended meanwhile.
func (m *opMemory) withTokens(key string, call func(tokens []string) error) error {
	tokens := m.tokensOf(key)
	err := call(tokens)
	if len(tokens) == 0 || opCode(err) != "InvalidGrantTokenException" {
		return err
	}
	m.mu.Lock()
	delete(m.tokens, key)
	m.mu.Unlock()
	return call(nil)
}

func (m *opMemory) setKey(provisional, real string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil {
		m.keys = map[string]string{}
	}
	m.keys[provisional] = real
}

func (m *opMemory) key(provisional string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keys[provisional]
}

// place is where the calls of an op go: an account in a Region.
type opPlace struct {
	c               *Cloud
	account, region string
	cfg             aws.Config
}

// at reaches a place.
func (c *Cloud) at(ctx context.Context, account, region string) (*opPlace, error) {
	cfg, err := c.config(ctx, account, region)
	if err != nil {
		return nil, err
	}
	return &opPlace{c, account, region, cfg}, nil
}

// atARN reaches the account and the Region of what an ARN names. What has no Region,
// as roles, is reached in one of its partition.
func (c *Cloud) atARN(ctx context.Context, text string) (*opPlace, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return nil, &cloud.Error{Kind: cloud.Invalid, Operation: "finding the account", Err: err}
	}
	p, err := c.at(ctx, a.Account, a.Region)
	if err != nil || a.Region != "" {
		return p, err
	}
	if known, ok := awsfacts.PartitionOf(p.cfg.Region); ok && known.Name == a.Partition {
		return p, nil
	}
	for _, other := range awsfacts.Partitions() {
		if other.Name == a.Partition && len(other.Regions) > 0 {
			p.cfg.Region = other.Regions[0]
		}
	}
	return p, nil
}

// ask makes one call of an operation. A failure says which it was, and where.
func opAsk[I, O, F any](ctx context.Context, p *opPlace, operation string, call func(context.Context, *I, ...func(*F)) (*O, error), in *I) (*O, error) {
	out, err := call(ctx, in)
	if err != nil {
		return nil, p.c.failed(err, operation, p.account, p.region)
	}
	return out, nil
}

// tell is ask for a call whose answer says nothing.
func opTell[I, O, F any](ctx context.Context, p *opPlace, operation string, call func(context.Context, *I, ...func(*F)) (*O, error), in *I) error {
	_, err := opAsk(ctx, p, operation, call, in)
	return err
}

// missing is the failure of looking for something that a list does not have.
func (p *opPlace) missing(operation, text string) error {
	return &cloud.Error{Kind: cloud.NotFound, Operation: operation, Account: p.account, Region: p.region, Err: errors.New(text)}
}

// gone reports whether a call failed because what it is about is not there.
func opGone(err error) bool { return cloud.KindOf(err) == cloud.NotFound }

// done takes a failure that says that nothing is left to do for none.
func opDone(err error, kinds ...cloud.Kind) error {
	for _, k := range kinds {
		if cloud.KindOf(err) == k {
			return nil
		}
	}
	return err
}

// codeOf is AWS's code of a failure.
func opCode(err error) string {
	var e *cloud.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
