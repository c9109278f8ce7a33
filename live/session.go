package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/route"
)

// Keys are the credentials of somebody.
type Keys struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time // zero when they do not
}

// Options say how to reach AWS. The zero value is the SDK's own chain of
// configuration.
type Options struct {
	// Accounts are the ways into the accounts, by the names of keyreach.yaml.
	Accounts map[string]route.Account
	// Profile, Region and Endpoint (a URL) are for all accounts that do not say
	// otherwise.
	Profile, Region, Endpoint string
	// SignIn, when set, gives the credentials of a principal instead: of an actor by its
	// ARN, of an account's administrator by the account's number. A sandbox has it.
	SignIn func(ctx context.Context, principal string) (Keys, error)
	// SessionName is the name of the sessions of roles that are assumed; it stands in
	// CloudTrail.
	SessionName string
	// SessionPolicies narrow, by account, the sessions of roles in which its calls are made;
	// one that is only on the way to another account has to assume the role there.
	SessionPolicies map[string]string
	// MaxAttempts is how often a call is made that fails in passing; 0 means 5.
	MaxAttempts int
	// MaxBackoff is the longest time between two attempts; 0 is the SDK's, 20 seconds.
	MaxBackoff time.Duration
	// HTTP makes the calls, when it is not the SDK's own client.
	HTTP aws.HTTPClient
}

// Cloud reaches AWS in several accounts and Regions. It may be used by many
// goroutines.
type Cloud struct {
	options Options
	mu      sync.Mutex
	configs map[string]aws.Config // by principal or account
	callers map[string]string     // ARN of the caller, by account
	memory  opMemory              // what ops leave for later calls
}

// Open returns a Cloud. It calls nobody yet.
func Open(o Options) *Cloud {
	if o.MaxAttempts == 0 {
		o.MaxAttempts = 5
	}
	if o.SessionName == "" {
		o.SessionName = "keyreach"
	}
	return &Cloud{options: o, configs: map[string]aws.Config{}, callers: map[string]string{}}
}

// Caller returns the ARN of whoever the calls to an account are made as. It fails with
// kind cloud.Credentials when that is somebody of another account.
func (c *Cloud) Caller(ctx context.Context, account string) (string, error) {
	if _, err := c.config(ctx, account, ""); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.callers[account], nil
}

// config is how calls to an account in a Region are made. Whoever they are made as was
// seen to be of the account.
func (c *Cloud) config(ctx context.Context, account, region string) (aws.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg, ok := c.configs[account]
	if !ok {
		var err error
		if cfg, err = c.way(ctx, account, nil); err != nil {
			return cfg, err
		}
		caller, err := c.identity(ctx, cfg, account)
		if err != nil {
			return cfg, err
		}
		c.configs[account], c.callers[account] = cfg, caller
	}
	return in(cfg, region), nil
}

// as is how an actor makes its calls. Where credentials of a principal can be had, they
// are the actor's own; elsewhere the account's way in stands for it.
func (c *Cloud) as(ctx context.Context, actor, account, region string) (aws.Config, error) {
	p, err := arn.ParsePrincipal(actor)
	if c.options.SignIn == nil || err != nil || p.IsServiceLinked() {
		return c.config(ctx, account, region)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg, ok := c.configs[actor]
	if !ok {
		if cfg, err = c.base(ctx, ""); err != nil {
			return cfg, err
		}
		cfg.Credentials = aws.NewCredentialsCache(signIn{c.options.SignIn, actor})
		c.configs[actor] = cfg
	}
	return in(cfg, region), nil
}

func in(cfg aws.Config, region string) aws.Config {
	if region != "" {
		cfg.Region = region
	}
	return cfg
}

// identity asks who the calls are made as, and refuses another account's.
func (c *Cloud) identity(ctx context.Context, cfg aws.Config, account string) (string, error) {
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		err = c.failed(err, "sts:GetCallerIdentity", account, cfg.Region)
		var e *cloud.Error
		if errors.As(err, &e) && (e.Kind == cloud.Other || e.Kind == cloud.Denied) {
			e.Kind = cloud.Credentials
		}
		return "", err
	}
	if got := aws.ToString(out.Account); got != account {
		return "", &cloud.Error{Kind: cloud.Credentials, Operation: "sts:GetCallerIdentity", Account: account,
			Err: fmt.Errorf("the credentials for account %s are those of %s of account %s", account, aws.ToString(out.Arn), got)}
	}
	return aws.ToString(out.Arn), nil
}

// base is the SDK's configuration with what the options say for all accounts.
func (c *Cloud) base(ctx context.Context, profile string) (aws.Config, error) {
	if profile == "" {
		profile = c.options.Profile
	}
	load := []func(*config.LoadOptions) error{
		config.WithAPIOptions([]func(*middleware.Stack) error{steady}),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
				o.StandardOptions = append(o.StandardOptions, c.patience)
			})
		}),
	}
	if c.options.SignIn != nil {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("unset", "unset", "")),
			config.WithSharedConfigFiles([]string{}), config.WithSharedCredentialsFiles([]string{}))
	} else if profile != "" {
		load = append(load, config.WithSharedConfigProfile(profile))
	}
	if c.options.Region != "" {
		load = append(load, config.WithRegion(c.options.Region))
	}
	if c.options.Endpoint != "" {
		load = append(load, config.WithBaseEndpoint(c.options.Endpoint))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return cfg, &cloud.Error{Kind: cloud.Credentials, Operation: "reading the AWS configuration", Err: err}
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if c.options.HTTP != nil {
		cfg.HTTPClient = c.options.HTTP // not before: where AWS_CA_BUNDLE is set, the SDK takes none but its own
	}
	return cfg, nil
}

// patience says how often and how soon a call is made again.
func (c *Cloud) patience(o *retry.StandardOptions) {
	o.MaxAttempts = c.options.MaxAttempts
	if c.options.MaxBackoff > 0 {
		o.MaxBackoff = c.options.MaxBackoff
	}
}

// way is the way into an account: the one keyreach.yaml names, or the common one.
func (c *Cloud) way(ctx context.Context, account string, through []string) (aws.Config, error) {
	if c.options.SignIn != nil {
		cfg, err := c.base(ctx, "")
		cfg.Credentials = aws.NewCredentialsCache(signIn{c.options.SignIn, account})
		return cfg, err
	}
	access := c.accessOf(account)
	var cfg aws.Config
	var err error
	switch {
	case access.Via != "":
		via, ok := c.options.Accounts[access.Via]
		if !ok {
			return cfg, &cloud.Error{Kind: cloud.Credentials, Operation: "finding the way", Account: account, Err: fmt.Errorf("keyreach.yaml has no account %q, via which account %s is reached", access.Via, account)}
		}
		for _, before := range through {
			if before == via.ID {
				return cfg, &cloud.Error{Kind: cloud.Credentials, Operation: "finding the way", Account: account, Err: fmt.Errorf("the way into account %s goes round in a circle, via %q", account, access.Via)}
			}
		}
		cfg, err = c.way(ctx, via.ID, append(through, account))
	default:
		cfg, err = c.base(ctx, access.Profile)
	}
	if err != nil || access.RoleARN == "" {
		return cfg, err
	}
	policy := c.options.SessionPolicies[account]
	if len(through) > 0 {
		policy = "" // on the way to another account, whose role has to be assumed from here
	}
	return c.assume(cfg, policy, access), nil
}

// assume is a session of a role, narrowed by a policy where there is one.
func (c *Cloud) assume(cfg aws.Config, policy string, access route.Access) aws.Config {
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), access.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = c.options.SessionName
		if access.ExternalID != "" {
			o.ExternalID = &access.ExternalID
		}
		if policy != "" {
			o.Policy = &policy
		}
	})
	cfg.Credentials = aws.NewCredentialsCache(provider)
	return cfg
}

func (c *Cloud) accessOf(account string) route.Access {
	for _, a := range c.options.Accounts {
		if a.ID == account {
			return a.Access
		}
	}
	return route.Access{}
}

// signIn has the credentials of one principal renewed when they end.
type signIn struct {
	get       func(ctx context.Context, principal string) (Keys, error)
	principal string
}

// Retrieve returns the credentials.
func (s signIn) Retrieve(ctx context.Context) (aws.Credentials, error) {
	k, err := s.get(ctx, s.principal)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("signing in as %s: %w", s.principal, err)
	}
	return aws.Credentials{
		AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken,
		CanExpire: !k.Expires.IsZero(), Expires: k.Expires, Source: "keyreach",
	}, nil
}
