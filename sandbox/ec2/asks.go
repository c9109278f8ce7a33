package ec2

import (
	"strconv"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// askOn asks for an action on one resource of an account, the caller's when it is empty.
func askOn(c *gate.Call, operation, resource, owner, kind string, context estate.Given) gate.Ask {
	target, _ := arn.Parse(resource) // the zero ARN names no service, and no policy
	if owner == "" {
		owner = c.Caller.Account
	}
	c.Resources = append(c.Resources, gate.Resource{ARN: resource, Account: owner, Type: kind})
	return gate.Ask{Action: "ec2:" + operation, Resource: resource, Target: target, Owner: owner, Context: context}
}

// one adds a condition key to a list.
func one(g *estate.Given, name, value string) {
	if value != "" {
		*g = append(*g, estate.NewEntry(name, policy.One(value)))
	}
}

// askSnapshot asks for an action on a snapshot that may not be there, or not for the
// caller: then it is asked about as one of the caller's, and the operation does not find
// it.
func (s *Service) askSnapshot(c *gate.Call, operation, region, id string, more estate.Given) gate.Ask {
	resource := behalf.ARN("ec2", region, "", "snapshot/", id)
	n := s.Snapshots.Get(region, id)
	if n == nil || !n.Seen(c.Caller.Account) {
		return askOn(c, operation, resource, "", "AWS::EC2::Snapshot", more)
	}
	return askOn(c, operation, resource, n.Account, "AWS::EC2::Snapshot", append(snapshotGiven(c, n), more...))
}

// snapshotGiven are the condition keys of a snapshot.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html.
func snapshotGiven(c *gate.Call, n *blocks.Snapshot) estate.Given {
	g := gate.ResourceTags(n.TagsOf(c.Caller.Account), "ec2:resourcetag")
	one(&g, "ec2:owner", n.Account)
	one(&g, "ec2:snapshotid", n.ID)
	one(&g, "ec2:encrypted", strconv.FormatBool(n.KeyARN != ""))
	one(&g, "ec2:volumesize", strconv.Itoa(int(n.Size)))
	one(&g, "ec2:snapshottime", n.Created.Format(time.RFC3339))
	if n.VolumeID != "" {
		one(&g, "ec2:parentvolume", behalf.ARN("ec2", n.Region, n.Account, "volume/", n.VolumeID))
	}
	return g
}

// newSnapshots is the ARN of snapshots that are to be made.
func newSnapshots(c *gate.Call) string { return behalf.ARN("ec2", c.Region, "", "snapshot/*") }

// askVolume asks for an action on a volume of the caller's account, there or not.
func (s *Service) askVolume(c *gate.Call, operation, id string, more estate.Given) gate.Ask {
	resource := behalf.ARN("ec2", c.Region, c.Caller.Account, "volume/", id)
	if v := s.volume(c.Caller.Account, c.Region, id); v != nil {
		more = append(volumeGiven(v), more...)
	}
	return askOn(c, operation, resource, "", "AWS::EC2::Volume", more)
}

// volumeGiven are the condition keys of a volume.
func volumeGiven(v *Volume) estate.Given {
	g := gate.ResourceTags(v.Tags, "ec2:resourcetag")
	one(&g, "ec2:volumeid", v.ID)
	one(&g, "ec2:availabilityzone", v.Zone)
	one(&g, "ec2:encrypted", strconv.FormatBool(v.KeyARN != ""))
	one(&g, "ec2:kmskeyid", v.KeyARN)
	one(&g, "ec2:volumesize", strconv.Itoa(int(v.Size)))
	one(&g, "ec2:volumetype", v.Type)
	if v.IOPS != 0 {
		one(&g, "ec2:volumeiops", strconv.Itoa(int(v.IOPS)))
	}
	if v.SnapshotID != "" {
		one(&g, "ec2:parentsnapshot", behalf.ARN("ec2", v.Region, "", "snapshot/", v.SnapshotID))
	}
	return g
}

// pageOf cuts a page from a list.
func pageOf[T any](list []T, token *string, limit *int32, least int32) ([]T, *string, error) {
	if limit != nil && *limit < least {
		return nil, nil, invalidValue("Value ( " + strconv.Itoa(int(*limit)) + " ) for parameter maxResults is invalid. Expecting a value greater than " + strconv.Itoa(int(least)) + ".")
	}
	if token != nil && *token == "" {
		token = nil
	}
	page, next, ok := gate.Page(list, token, limit, 1000)
	if !ok {
		return nil, nil, refuse("InvalidNextToken", "The specified NextToken is not valid") // assumed text
	}
	return page, next, nil
}
