package drs

import (
	"context"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// The stages of a server in a job. Each does its work and says which comes next.
const (
	cleanupStage   = "clean up"
	snapshotStage  = "snapshot"
	waitStage      = "snapshot taken"
	shareStage     = "share"
	convertStage   = "convert"
	launchStage    = "launch"
	launchedStage  = "launched"
	terminateStage = "terminate"
	goneStage      = "terminated"
	failbackStage  = "fail back"
)

var stages = map[string]func(*work){
	cleanupStage: (*work).cleanup, snapshotStage: (*work).snapshot, waitStage: (*work).wait, shareStage: (*work).share, convertStage: (*work).convert,
	launchStage: (*work).launch, launchedStage: (*work).launched, terminateStage: (*work).terminate, goneStage: (*work).gone, failbackStage: (*work).failback,
}

// cleanup terminates the recovery instance of an earlier recovery, for who started the
// job. That a new recovery ends the old one's instance is assumed from the log events.
func (w *work) cleanup() {
	if w.v.Instance != "" {
		w.log(types.JobLogEventCleanupStart, "")
		if err := w.s.endInstance(w.asCaller(), w.v.Instance); err != nil {
			w.log(types.JobLogEventCleanupFail, raw("TerminateInstances", err))
		} else {
			w.log(types.JobLogEventCleanupEnd, "")
			v := *w.v
			v.Instance = ""
			w.s.putServer(&v)
			w.v = &v
		}
	}
	w.next(snapshotStage, types.LaunchStatusInProgress)
}

// asCaller is a context whose calls are made for who started the job.
func (w *work) asCaller() context.Context { return as(w.ctx, w.job.Caller) }

// snapshot chooses the point to recover to. A server of the account gets a new one; an
// extended one has the latest of its staging account.
func (w *work) snapshot() {
	source := w.v
	if w.v.Staging != nil {
		w.v = w.s.look(w.ctx, w.v)
		source = w.s.stagedServer(w.v)
	}
	switch {
	case source == nil:
		w.fail(types.JobLogEventSnapshotFail, w.v.Staging.Message)
	case w.p.Point != "":
		if p := w.s.point(source, w.p.Point); p == nil || p.Done.IsZero() || p.Failed {
			w.fail(types.JobLogEventUsingPreviousSnapshotFailed, "The recovery snapshot "+w.p.Point+" does not exist.") // assumed text
			return
		}
		w.previous(w.p.Point)
	case w.v.Staging != nil || source.State != types.DataReplicationStateContinuous:
		w.previousOf(source)
	default:
		w.log(types.JobLogEventSnapshotStart, "")
		p, err := w.s.newPoint(w.ctx, source)
		if err != nil {
			w.log(types.JobLogEventSnapshotFail, raw("CreateSnapshot", err))
			w.previousOf(source)
			return
		}
		w.p.Point = p.ID
		w.next(waitStage, types.LaunchStatusInProgress)
	}
}

// previousOf goes on with the latest point that is there.
func (w *work) previousOf(source *Server) {
	p := w.s.latest(source)
	if p == nil {
		w.fail(types.JobLogEventUsingPreviousSnapshotFailed, "The source server "+w.v.ID+" has no recovery snapshot.") // assumed text
		return
	}
	w.previous(p.ID)
}

func (w *work) previous(point string) {
	w.p.Point = point
	w.log(types.JobLogEventUsingPreviousSnapshot, "")
	w.next(shareStage, types.LaunchStatusInProgress)
}

// wait waits for a new point.
func (w *work) wait() {
	switch p := w.s.point(w.v, w.p.Point); {
	case p == nil || p.Failed:
		w.log(types.JobLogEventSnapshotFail, "The snapshots of "+w.p.Point+" failed.") // assumed text
		w.previousOf(w.v)
	case !p.Done.IsZero():
		w.log(types.JobLogEventSnapshotEnd, "")
		w.next(shareStage, types.LaunchStatusInProgress)
	}
}

// share has the role of the staging account share the snapshots of an extended server
// with the target account. That a refusal shows as SNAPSHOT_FAIL is assumed; its text was
// reported.
func (w *work) share() {
	w.next(convertStage, types.LaunchStatusInProgress)
	x := w.v.Staging
	if x == nil {
		return
	}
	role, err := w.s.staging(w.ctx, x.Account)
	if err != nil {
		w.fail(types.JobLogEventSnapshotFail, raw("AssumeRole", err))
		return
	}
	for _, id := range w.snapshots() {
		_, err := ask[ec2.ModifySnapshotAttributeOutput](role, w.s, "ModifySnapshotAttribute", &ec2.ModifySnapshotAttributeInput{
			SnapshotId: &id, Attribute: ec2types.SnapshotAttributeNameCreateVolumePermission, OperationType: ec2types.OperationTypeAdd, UserIds: []string{w.job.Account},
		})
		if err != nil {
			w.fail(types.JobLogEventSnapshotFail, raw("ModifySnapshotAttribute", err))
			return
		}
	}
	w.converted()
}

// converted tells the staging account that the target had a snapshot converted. What the
// job's log has is assumed.
func (w *work) converted() {
	x := w.v.Staging
	j := w.s.newJob(gate.From(own(w.ctx, x.Account, w.job.Region)), types.JobTypeCreateConvertedSnapshot, types.InitiatedByTargetAccount, nil)
	j.Status, j.Ended = types.JobStatusCompleted, w.c.At
	j.Servers = []Participant{{Server: x.Server, Point: w.p.Point}}
	for _, event := range []types.JobLogEvent{types.JobLogEventJobStart, types.JobLogEventConversionStart, types.JobLogEventConversionEnd, types.JobLogEventJobEnd} {
		e := entry{At: w.c.At, Event: event}
		if event != types.JobLogEventJobStart && event != types.JobLogEventJobEnd {
			e.Server = x.Server
		}
		j.Log = append(j.Log, e)
	}
	w.s.putJob(j)
}

// snapshots are those of the point to recover to.
func (w *work) snapshots() []string {
	source := w.v
	if w.v.Staging != nil {
		source = w.s.stagedServer(w.v)
	}
	if source != nil {
		if p := w.s.point(source, w.p.Point); p != nil {
			return p.Snapshots
		}
	}
	return nil
}

// device is the name of a disk on the recovery instance.
func device(i int) string {
	if i == 0 {
		return "/dev/sda1"
	}
	return fmt.Sprintf("/dev/sd%c", 'a'+i)
}

// convert makes an image of the snapshots, as the service-linked role: the conversion
// server of AWS, which makes a disk start on EC2, is left out.
func (w *work) convert() {
	if w.p.Image != "" {
		w.log(types.JobLogEventConversionEnd, "")
		w.next(launchStage, types.LaunchStatusInProgress)
		return
	}
	w.log(types.JobLogEventConversionStart, "")
	in := &ec2.RegisterImageInput{
		Name: new("drs-" + w.v.ID + "-" + w.job.ID), Architecture: ec2types.ArchitectureValuesX8664, VirtualizationType: new("hvm"), RootDeviceName: new(device(0)),
		TagSpecifications: w.v.tagged(ec2types.ResourceTypeImage, nil),
	}
	for i, id := range w.snapshots() {
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, ec2types.BlockDeviceMapping{
			DeviceName: new(device(i)), Ebs: &ec2types.EbsBlockDevice{SnapshotId: &id, VolumeType: ec2types.VolumeTypeGp3, DeleteOnTermination: new(true)},
		})
	}
	out, err := asLinked[ec2.RegisterImageOutput](w.ctx, w.s, "RegisterImage", in)
	if err != nil {
		w.fail(types.JobLogEventConversionFail, raw("RegisterImage", err))
		return
	}
	w.p.Image = aws.ToString(out.ImageId)
}

// dropImage takes the image back when the instance was launched, or was not.
func (w *work) dropImage() {
	if w.p.Image != "" {
		_, _ = asLinked[ec2.DeregisterImageOutput](w.ctx, w.s, "DeregisterImage", &ec2.DeregisterImageInput{ImageId: &w.p.Image})
		w.p.Image = ""
	}
}

// launch starts the recovery instance. In the account that replicated the server the
// service-linked role does it. An extended server is launched for who started the
// recovery, who needs the rights on the staging account's key; the volumes go under the
// key of the target's own settings, and under its default key when they name none.
// See https://docs.aws.amazon.com/drs/latest/userguide/multi-account.html.
func (w *work) launch() {
	w.log(types.JobLogEventLaunchStart, "")
	tags := maps.Clone(w.v.Tags)
	if !aws.ToBool(w.v.Launch.CopyTags) {
		tags = map[string]string{}
	}
	if tags == nil {
		tags = map[string]string{}
	}
	tags["Name"] = w.v.Hostname
	in := &ec2.RunInstancesInput{
		ImageId: &w.p.Image, MinCount: aws.Int32(1), MaxCount: aws.Int32(1), InstanceType: ec2types.InstanceTypeC5Large,
		TagSpecifications: append(w.v.tagged(ec2types.ResourceTypeInstance, tags), w.v.tagged(ec2types.ResourceTypeVolume, tags)...),
	}
	var out *ec2.RunInstancesOutput
	var err error
	if w.v.Staging == nil {
		out, err = asLinked[ec2.RunInstancesOutput](w.ctx, w.s, "RunInstances", in)
	} else {
		if w.v.Replication.EbsEncryption == types.ReplicationConfigurationEbsEncryptionCustom {
			for i := range w.v.Disks {
				in.BlockDeviceMappings = append(in.BlockDeviceMappings, ec2types.BlockDeviceMapping{
					DeviceName: new(device(i)), Ebs: &ec2types.EbsBlockDevice{Encrypted: new(true), KmsKeyId: w.v.Replication.EbsEncryptionKeyArn},
				})
			}
		}
		out, err = ask[ec2.RunInstancesOutput](w.asCaller(), w.s, "RunInstances", in)
	}
	if err == nil && len(out.Instances) == 0 {
		err = refuse("InternalError", "EC2 launched nothing.")
	}
	if err != nil {
		w.fail(types.JobLogEventLaunchFailed, raw("RunInstances", err))
		return
	}
	w.p.Instance = aws.ToString(out.Instances[0].InstanceId)
	w.next(launchedStage, types.LaunchStatusInProgress)
}

// launched waits for the instance. EC2 ends one whose volumes cannot be encrypted, and
// says why.
func (w *work) launched() {
	found, err := w.s.ec2Instance(w.ctx, w.p.Instance)
	if err != nil {
		w.fail(types.JobLogEventLaunchFailed, raw("DescribeInstances", err))
		return
	}
	switch found.State.Name {
	case ec2types.InstanceStateNamePending:
	case ec2types.InstanceStateNameRunning:
		w.finish()
	default:
		text := "The instance " + w.p.Instance + " is " + string(found.State.Name) + "." // assumed text
		if r := found.StateReason; r != nil && r.Message != nil {
			text = *r.Message
		}
		w.fail(types.JobLogEventLaunchFailed, text)
		w.p.Instance = ""
	}
}

// ec2Instance is what EC2 says of an instance.
func (s *Service) ec2Instance(ctx context.Context, id string) (*ec2types.Instance, error) {
	out, err := asLinked[ec2.DescribeInstancesOutput](ctx, s, "DescribeInstances", &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return nil, err
	}
	for _, r := range out.Reservations {
		if len(r.Instances) > 0 {
			return &r.Instances[0], nil
		}
	}
	return nil, refuse("InvalidInstanceID.NotFound", "The instance ID '"+id+"' does not exist")
}

// finish makes the recovery instance of an instance that runs.
func (w *work) finish() {
	w.dropImage()
	if w.v.Launch.LaunchDisposition == types.LaunchDispositionStopped {
		_, _ = asLinked[ec2.StopInstancesOutput](w.ctx, w.s, "StopInstances", &ec2.StopInstancesInput{InstanceIds: []string{w.p.Instance}})
	}
	w.p.Stage, w.p.Launch = "", types.LaunchStatusLaunched
	v := *w.v
	v.Instance = w.p.Instance
	w.v = &v
	w.ended(types.LastLaunchResultSucceeded)
	w.tell("SUCCEEDED")
	r := &Instance{
		Account: w.job.Account, Region: w.job.Region, ID: w.p.Instance, Server: v.ID, Job: w.job.ID, Created: w.c.At, Drill: w.job.By == types.InitiatedByStartDrill,
		Origin: types.OriginEnvironmentOnPremises, OriginZone: v.OriginZone, Failback: types.FailbackStateFailbackNotStarted,
	}
	if v.OriginRegion != "" {
		r.Origin = types.OriginEnvironmentAws
	}
	source := &v
	if v.Staging != nil {
		source = w.s.stagedServer(&v)
	}
	if source != nil {
		if p := w.s.point(source, w.p.Point); p != nil {
			r.Point = p.Expected
		}
	}
	r.Settings.RecoveryInstanceID, r.Settings.Name, r.Settings.UsePrivateIP = &r.ID, &v.Hostname, new(false)
	r.Settings.InternetProtocol = types.InternetProtocolIpv4
	w.s.putInstance(r)
}
