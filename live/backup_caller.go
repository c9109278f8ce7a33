package live

import (
	"context"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/logging"

	"github.com/keyreach/keyreach/arn"
)

// backupCaller is how the calls of a backup are made: as whoever runs it, whatever account
// the key or the bucket is of. A host has credentials of one account and uses keys of
// others by their policies; to go into those accounts would hide that it may not.
//
// as is empty for the SDK's own chain, the number of an account for the way into it that
// the options name, or the ARN of a principal where the options give credentials of
// principals.
func (c *Cloud) backupCaller(ctx context.Context, as, region string) (aws.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := "backup as " + as
	cfg, ok := c.configs[name]
	if !ok {
		var err error
		if cfg, err = c.backupWay(ctx, as); err != nil {
			return cfg, err
		}
		// The adaptive mode would slow all parts of an upload for one that was told to
		// slow down.
		cfg.Retryer = func() aws.Retryer { return retry.NewStandard(c.patience, cutShort) }
		cfg.Logger = logging.Nop{} // what broke off is told in errors, and read on
		c.configs[name] = cfg
	}
	return in(cfg, region), nil
}

// cutShort makes a call again whose answer broke off, which the SDK takes for one that
// cannot be read.
func cutShort(o *retry.StandardOptions) {
	o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return aws.TrueTernary
		}
		return aws.UnknownTernary
	}))
}

func (c *Cloud) backupWay(ctx context.Context, as string) (aws.Config, error) {
	if c.options.SignIn != nil {
		cfg, err := c.base(ctx, "")
		cfg.Credentials = aws.NewCredentialsCache(signIn{c.options.SignIn, as})
		return cfg, err
	}
	if p, err := arn.ParsePrincipal(as); err == nil && p.Account != "" {
		as = p.Account
	}
	if as == "" {
		return c.base(ctx, "")
	}
	return c.way(ctx, as, nil)
}
