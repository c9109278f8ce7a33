package live

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// Own returns the number of the account that calls are made in when nothing names one.
func (c *Cloud) Own(ctx context.Context) (string, error) {
	account, _, err := c.OwnIn(ctx)
	return account, err
}

// OwnIn is Own with the partition of the account: aws, aws-cn or aws-us-gov.
func (c *Cloud) OwnIn(ctx context.Context) (account, partition string, err error) {
	cfg, err := c.base(ctx, "")
	if err != nil {
		return "", "", err
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", "", c.failed(err, "sts:GetCallerIdentity", "", cfg.Region)
	}
	if p, err := arn.Parse(aws.ToString(out.Arn)); err == nil {
		partition = p.Partition
	}
	return aws.ToString(out.Account), partition, nil
}

// readAccount looks up which Regions an account has enabled.
func (r *reader) readAccount(ctx context.Context, a *ScopeAccount) error {
	found := estate.Account{ID: a.ID, Name: a.Name}
	if caller, err := r.cloud.Caller(ctx, a.ID); err == nil {
		if p, err := arn.Parse(caller); err == nil && p.Partition != "aws" {
			found.Partition = p.Partition
		}
	}
	out, err := ec2.NewFromConfig(r.cfg).DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	if err != nil {
		if _, err := r.refused(err, "ec2:DescribeRegions"); err != nil {
			return err
		}
	} else {
		for _, region := range out.Regions {
			found.Regions = append(found.Regions, aws.ToString(region.RegionName))
		}
	}
	slices.Sort(found.Regions)
	r.add(func(e *estate.Estate) { e.Accounts = append(e.Accounts, found) })
	return nil
}

// nowhere reports whether a call failed because its host is not known: a service that
// a Region does not have.
func nowhere(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// collectedDocument is a policy that AWS gave. One that cannot be read is kept as such.
func collectedDocument(name, text string) *estate.Document {
	d, findings, err := policy.Read(name, []byte(text))
	if err != nil {
		return &estate.Document{Unreadable: "it is no policy that can be read: " + err.Error()}
	}
	doc := estate.NewDocument(d)
	doc.Findings = findings
	return doc
}

// finish puts everything into its order and makes the estate ready for questions.
func (k *collector) finish() error {
	k.lock.Lock()
	defer k.lock.Unlock()
	e := k.estate
	e.CollectedAt = new(k.began.UTC().Truncate(1e9))
	slices.SortFunc(e.Accounts, func(a, b estate.Account) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(e.Principals, func(a, b estate.Principal) int { return cmp.Compare(a.ARN, b.ARN) })
	slices.SortFunc(e.Keys, func(a, b estate.Key) int { return cmp.Compare(a.ARN, b.ARN) })
	slices.SortFunc(e.Resources, func(a, b estate.Resource) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(e.Endpoints, func(a, b estate.Endpoint) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region), strings.Compare(a.ID, b.ID))
	})
	return e.Index()
}
