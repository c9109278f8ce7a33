package ec2

import (
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// isRegion reports whether there is a Region of a name.
func isRegion(name string) bool {
	_, ok := awsfacts.PartitionOf(name)
	return ok
}

// checkPresigned holds the request that a copy between Regions carries for its source's
// Region against the copy. Recorded: its signature is not looked at, and one about
// another snapshot is refused. The texts are assumed.
func checkPresigned(c *gate.Call, in *ec2.CopySnapshotInput) error {
	if aws.ToString(in.PresignedUrl) == "" {
		return nil
	}
	u, err := url.Parse(*in.PresignedUrl)
	if err != nil || u.Host == "" {
		return invalidValue("The PresignedUrl is not valid") // assumed text
	}
	for name, want := range map[string]string{
		"SourceSnapshotId": *in.SourceSnapshotId, "SourceRegion": *in.SourceRegion, "DestinationRegion": c.Region,
	} {
		if got := u.Query().Get(name); got != "" && got != want {
			return invalidValue("The PresignedUrl has " + name + " " + got + ", the request " + want) // assumed text
		}
	}
	return nil
}
