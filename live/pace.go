package live

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/time/rate"

	"github.com/keyreach/keyreach/awsfacts"
)

// share is the part of a published rate that Keyreach takes: the rest is left to
// those who work with the keys meanwhile.
const share = 0.4

// otherRate is how often in a second an operation is called in an account and Region
// whose rate AWS does not publish. EC2's describing operations refill at 20 a second:
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html.
const otherRate = 20 * share

// publishedRate is the rate per second at which KMS begins to throttle an operation, of
// those that reading calls. See
// https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html.
func publishedRate(operation string) (float64, bool) {
	limits := awsfacts.Limits()
	switch operation {
	case "kms:DescribeKey":
		return float64(limits.DescribeKeyPerSecond), true
	case "kms:GetKeyPolicy":
		return float64(limits.GetKeyPolicyPerSecond), true
	case "kms:ListGrants":
		return float64(limits.ListGrantsPerSecond), true
	case "kms:ListResourceTags":
		return 2000, true
	case "kms:GetKeyRotationStatus":
		return 1000, true
	case "kms:ListKeys", "kms:ListAliases":
		return 500, true
	}
	return 0, false
}

// pacer keeps calls below AWS's rates, which are those of an operation in an account
// and Region, and few at a time.
type pacer struct {
	flights chan struct{} // one for each call that may be on its way
	mu      sync.Mutex
	limits  map[[3]string]*rate.Limiter
}

func newPacer(atOnce int) *pacer {
	return &pacer{flights: make(chan struct{}, atOnce), limits: map[[3]string]*rate.Limiter{}}
}

// limit is the limiter of an operation in an account and Region.
func (p *pacer) limit(operation, account, region string) *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := [3]string{operation, account, region}
	l := p.limits[at]
	if l == nil {
		perSecond := float64(otherRate)
		if r, ok := publishedRate(operation); ok {
			perSecond = r * share
		}
		l = rate.NewLimiter(rate.Limit(perSecond), int(perSecond)+1)
		p.limits[at] = l
	}
	return l
}

// take waits until the operation may be called; the function it returns says that the
// call is over.
func (p *pacer) take(ctx context.Context, operation, account, region string) (func(), error) {
	if err := p.limit(operation, account, region).Wait(ctx); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // the limiter has words of its own
		}
		return nil, err
	}
	select {
	case p.flights <- struct{}{}:
		return func() { <-p.flights }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// paced is the configuration with which every attempt of a call waits for its turn, and
// every call is counted.
func (p *pacer) paced(cfg aws.Config, account string, count func(ctx context.Context, operation string, again bool)) aws.Config {
	turn := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		operation := operationOf(ctx)
		done, err := p.take(ctx, operation, account, cfg.Region)
		if err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, err
		}
		defer done()
		again := tried(ctx)
		count(ctx, operation, again)
		return next.HandleFinalize(ctx, in)
	}
	begin := func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(middleware.WithStackValue(ctx, attemptsKey{}, new(0)), in)
	}
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(s *middleware.Stack) error {
		if err := s.Initialize.Add(middleware.InitializeMiddlewareFunc("keyreach:begin", begin), middleware.Before); err != nil {
			return err
		}
		turned := middleware.FinalizeMiddlewareFunc("keyreach:turn", turn)
		if _, ok := s.Finalize.Get("Retry"); ok { // attempts are made below it
			return s.Finalize.Insert(turned, "Retry", middleware.After)
		}
		return s.Finalize.Add(turned, middleware.Before)
	})
	return cfg
}

type attemptsKey struct{}

// tried reports whether the call that ctx belongs to was sent before.
func tried(ctx context.Context) bool {
	n, ok := middleware.GetStackValue(ctx, attemptsKey{}).(*int)
	if !ok {
		return false
	}
	*n++
	return *n > 1
}

// operationOf is the operation of a call in the form kms:DescribeKey.
func operationOf(ctx context.Context) string {
	service := strings.ToLower(strings.ReplaceAll(awsmiddleware.GetServiceID(ctx), " ", ""))
	return service + ":" + awsmiddleware.GetOperationName(ctx)
}
