package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyreach/keyreach/sandbox/behalf"
)

// The network of an account in a Region is the one that AWS makes for it, and cannot be
// changed: a default VPC, a subnet of it in each zone, and its default group. It is
// worked out, not stored, so that it is the same in every sandbox.
// See https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html.
type network struct{ account, region string }

// zoneLetters are the zones that every Region has here.
const zoneLetters = "abcdef"

// zones are the Availability Zones of a Region.
func zones(region string) []string {
	list := make([]string, 0, len(zoneLetters))
	for _, letter := range zoneLetters {
		list = append(list, region+string(letter))
	}
	return list
}

// knownZone reports whether a Region has a zone.
func knownZone(region, zone string) bool { return slices.Contains(zones(region), zone) }

// zoneID is the id of a zone, which is the same in every account: use1-az1.
func zoneID(region, zone string) string {
	short := ""
	for _, part := range strings.Split(region, "-") {
		switch part {
		case "northeast", "southeast", "northwest", "southwest":
			short += string(part[0]) + string(part[5])
		default:
			short += part[:min(len(part), shortened(part))]
		}
	}
	return short + "-az" + fmt.Sprint(strings.IndexByte(zoneLetters, zone[len(zone)-1])+1)
}

// shortened is how many letters of a part of a Region's name zone ids keep.
func shortened(part string) int {
	switch part {
	case "north", "south", "east", "west", "central":
		return 1
	}
	return 2
}

// fixedID is an id that depends only on what it is of.
func fixedID(prefix string, of ...string) string {
	sum := sha256.Sum256([]byte(prefix + "\x00" + strings.Join(of, "\x00")))
	return prefix + "-" + "0" + hex.EncodeToString(sum[:])[:16]
}

func (n network) vpc() string   { return fixedID("vpc", n.account, n.region) }
func (n network) group() string { return fixedID("sg", n.account, n.region) }

func (n network) subnet(zone string) string { return fixedID("subnet", n.account, n.region, zone) }

func (n network) arn(kind, id string) string {
	return behalf.ARN("ec2", n.region, n.account, kind, "/", id)
}

// zoneOf is the zone of a subnet; false for one that there is not.
func (n network) zoneOf(subnet string) (string, bool) {
	for _, zone := range zones(n.region) {
		if n.subnet(zone) == subnet {
			return zone, true
		}
	}
	return "", false
}

// block is the addresses of a subnet, without their end.
func (n network) block(zone string) string {
	return fmt.Sprintf("172.31.%d.", 16*strings.IndexByte(zoneLetters, zone[len(zone)-1]))
}

// where is where an instance stands.
type where struct {
	zone, subnet string
	groups       []string
}

// placed works out where a launch goes: into the subnet that it names, or the default
// one of a zone.
func (n network) placed(subnet, zone *string, groups []string) (where, error) {
	w := where{zone: aws.ToString(zone), groups: groups}
	if id := aws.ToString(subnet); id != "" {
		of, ok := n.zoneOf(id)
		if !ok {
			return w, refuse("InvalidSubnetID.NotFound", "The subnet ID '"+id+"' does not exist")
		}
		if w.zone != "" && w.zone != of {
			return w, invalidValue("The availability zones of the specified subnet and the Placement do not match") // assumed text
		}
		w.zone = of
	}
	if w.zone == "" {
		w.zone = zones(n.region)[0] // assumed: AWS takes one of its choosing
	}
	if !knownZone(n.region, w.zone) {
		return w, invalidValue("Invalid availability zone: [" + w.zone + "]")
	}
	w.subnet = n.subnet(w.zone)
	if len(w.groups) == 0 {
		w.groups = []string{n.group()}
	}
	for i, id := range w.groups {
		switch id {
		case n.group():
		case "default":
			w.groups = slices.Clone(w.groups)
			w.groups[i] = n.group()
		default:
			return w, refuse("InvalidGroup.NotFound", "The security group '"+id+"' does not exist in VPC '"+n.vpc()+"'")
		}
	}
	return w, nil
}

// addressAt is an address of a subnet of 4,096.
func addressAt(block string, n int) string {
	var third int
	_, _ = fmt.Sscanf(block, "172.31.%d.", &third)
	return fmt.Sprintf("172.31.%d.%d", third+n/256, n%256)
}
