package ec2

import (
	"time"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// emit tells of something that happened. The forms of what EBS tells stand at
// https://docs.aws.amazon.com/ebs/latest/userguide/ebs-cloud-watch-events.html.
func (s *Service) emit(at time.Time, account, region, kind string, detail any, resources ...string) {
	if s.Events != nil {
		s.Events.Emit(gate.Event{At: at, Account: account, Region: region, Source: "aws.ec2", DetailType: kind, Resources: resources, Detail: detail})
	}
}

// tellVolume tells of a volume. Where a key is the cause, it is one of the resources of
// an attachment that failed.
func (s *Service) tellVolume(v *Volume, at time.Time, event, result, cause string) {
	resources := []string{v.ARN()}
	if event == "attachVolume" && cause != "" {
		resources = append(resources, v.KeyARN)
	}
	s.emit(at, v.Account, v.Region, "EBS Volume Notification", map[string]string{
		"event": event, "result": result, "cause": cause, "request-id": s.IDs.UUID(),
	}, resources...)
}

// tellSnapshot tells that a snapshot was made or copied, or failed.
func (s *Service) tellSnapshot(n *blocks.Snapshot) {
	event, source := "createSnapshot", behalf.ARN("ec2", "", n.Region, "volume/", n.VolumeID)
	if n.Copied != "" {
		event, source = "copySnapshot", n.Copied
	}
	result := "succeeded"
	if n.Failed != "" {
		result = "failed"
	}
	d := snapshotDetail(n, event, result, source, n.Created, n.Done)
	d["cause"] = n.Failed
	if event == "copySnapshot" && result == "succeeded" {
		d["incremental"], d["transferType"] = "false", "standard"
	}
	s.emit(n.Done, n.Account, n.Region, "EBS Snapshot Notification", d, toldARN(n.Region, n.ID))
}

// tellShared tells an account that a private snapshot was shared with it.
func (s *Service) tellShared(n *blocks.Snapshot, account string, at time.Time) {
	s.emit(at, account, n.Region, "EBS Snapshot Notification", snapshotDetail(n, "shareSnapshot", "succeeded", n.Account, at, at), toldARN(n.Region, n.ID))
}

func snapshotDetail(n *blocks.Snapshot, event, result, source string, from, to time.Time) map[string]string {
	return map[string]string{
		"event": event, "result": result, "cause": "", "request-id": "", "snapshot_id": toldARN(n.Region, n.ID),
		"source": source, "startTime": from.Format(time.RFC3339), "endTime": to.Format(time.RFC3339),
	}
}

// toldARN is the ARN of a snapshot as EBS's events have it: the Region stands in the
// place of the account.
func toldARN(region, id string) string { return behalf.ARN("ec2", "", region, "snapshot/", id) }
