package rds

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// usable are the statuses in which an instance or cluster can be changed.
var usable = []string{"available", "backing-up", "storage-optimization"}

// in refuses an instance that is in none of some statuses.
func (i *Instance) in(now time.Time, statuses ...string) error {
	if slices.Contains(statuses, i.Phases.at(now)) {
		return nil
	}
	return refuse("InvalidDBInstanceState", "Instance "+i.ID+" is not in available state.")
}

// changed finds an instance to change in some statuses and copies it.
func (s *Service) changed(c *gate.Call, id string, statuses ...string) (*Instance, error) {
	old, err := s.instance(c, id)
	if err != nil {
		return nil, err
	}
	if err := old.in(c.At, statuses...); err != nil {
		return nil, err
	}
	i := *old
	return &i, nil
}

// ModifyDBInstance changes an instance. Everything counts at once; on AWS some of it
// waits for the maintenance window without ApplyImmediately.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html.
func (s *Service) ModifyDBInstance(ctx context.Context, in *rds.ModifyDBInstanceInput) (*rds.ModifyDBInstanceOutput, error) {
	c := gate.From(ctx)
	i, err := s.changed(c, *in.DBInstanceIdentifier, append(usable, "stopped")...)
	if err != nil {
		return nil, err
	}
	o := settingsOf(in)
	if err := o.check(); err != nil {
		return nil, err
	}
	e, err := engineOf(or(in.Engine, aws.ToString(i.DB.Engine)))
	if err != nil {
		return nil, err
	}
	version, m, err := e.version(first(in.EngineVersion, i.DB.EngineVersion))
	if err != nil {
		return nil, err
	}
	backups := aws.ToInt32(i.DB.BackupRetentionPeriod)
	take(&i.DB, in)
	if err := classOf(i.DB.DBInstanceClass); err != nil {
		return nil, err
	}
	i.DB.EngineVersion, i.DB.EnabledCloudwatchLogsExports = &version, o.logs(i.DB.EnabledCloudwatchLogsExports)
	i.DB.IAMDatabaseAuthenticationEnabled = first(o.EnableIAMDatabaseAuthentication, i.DB.IAMDatabaseAuthenticationEnabled)
	i.DB.PerformanceInsightsEnabled = first(o.EnablePerformanceInsights, i.DB.PerformanceInsightsEnabled)
	if o.VpcSecurityGroupIds != nil {
		i.DB.VpcSecurityGroups = o.securityGroups()
	}
	if o.Port != nil {
		i.Port = *o.Port
	}
	i.Subnets, i.Parameters, i.Options = or(o.DBSubnetGroupName, i.Subnets), or(o.DBParameterGroupName, i.Parameters), or(o.OptionGroupName, i.Options)
	if err := s.groupsOf(c, i, m); err != nil {
		return nil, err
	}
	if err := s.rename(c, i, in.NewDBInstanceIdentifier); err != nil {
		return nil, err
	}
	if i.Phases.at(c.At) == "available" {
		i.Phases = i.Phases.then(c.At, during(c.At, "modifying", changing, "available")...)
	}
	s.putInstance(i)
	s.backupsChanged(c, i, backups)
	return &rds.ModifyDBInstanceOutput{DBInstance: s.shown(i, c.At)}, nil
}

// rename gives an instance another identifier.
func (s *Service) rename(c *gate.Call, i *Instance, to *string) error {
	if to == nil {
		return nil
	}
	name, err := identifier("NewDBInstanceIdentifier", *to, 63)
	if err != nil || name == i.ID {
		return err
	}
	if s.instances.Get(key(i.Account, i.Region, name)) != nil {
		return refuse("DBInstanceAlreadyExists", "DB instance already exists")
	}
	tags := s.tagsOf(i.arn())
	s.instances.Delete(i.row())
	s.tags.Delete(i.arn())
	i.ID = name
	if len(tags) > 0 {
		s.tags.Put(i.arn(), &tags)
	}
	if aws.ToInt32(i.DB.BackupRetentionPeriod) > 0 && i.Cluster == "" {
		s.later(c, c.At.Add(day), taskBackUp, key(kindSnapshot, i.Account, i.Region, i.ID, aws.ToString(i.DB.DbiResourceId)))
	}
	return nil
}

const day = 24 * time.Hour

// backupsChanged begins or ends automated backups: when they end, the automated
// snapshots are deleted.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.Enabling.html.
func (s *Service) backupsChanged(c *gate.Call, i *Instance, before int32) {
	now := aws.ToInt32(i.DB.BackupRetentionPeriod)
	switch {
	case i.Cluster != "":
	case before == 0 && now > 0:
		s.later(c, c.At, taskBackUp, key(kindSnapshot, i.Account, i.Region, i.ID, aws.ToString(i.DB.DbiResourceId)))
	case before > 0 && now == 0:
		s.dropAutomated(kindSnapshot, i.Account, i.Region, aws.ToString(i.DB.DbiResourceId))
	}
}

// RebootDBInstance restarts an instance.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RebootDBInstance.html.
func (s *Service) RebootDBInstance(ctx context.Context, in *rds.RebootDBInstanceInput) (*rds.RebootDBInstanceOutput, error) {
	c := gate.From(ctx)
	i, err := s.changed(c, *in.DBInstanceIdentifier, usable...)
	if err != nil {
		return nil, err
	}
	i.Phases = i.Phases.then(c.At, during(c.At, "rebooting", changing, "available")...)
	s.putInstance(i)
	s.tell(c, c.At.Add(changing), kindInstance, i.ID, "RDS-EVENT-0006", "availability", "DB instance restarted")
	return &rds.RebootDBInstanceOutput{DBInstance: s.shown(i, c.At)}, nil
}

// stopsFor is how long a database stays stopped before AWS starts it again.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html.
const stopsFor = 7 * day

// StopDBInstance stops an instance for at most seven days.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_StopDBInstance.html.
func (s *Service) StopDBInstance(ctx context.Context, in *rds.StopDBInstanceInput) (*rds.StopDBInstanceOutput, error) {
	c := gate.From(ctx)
	i, err := s.changed(c, *in.DBInstanceIdentifier, "available")
	if err != nil {
		return nil, err
	}
	if i.Cluster != "" {
		return nil, invalid("A member of a DB cluster is not stopped alone.") // assumed text
	}
	if in.DBSnapshotIdentifier != nil {
		if _, err := s.snap(c, i, *in.DBSnapshotIdentifier, "manual", nil); err != nil {
			return nil, err
		}
	}
	i.Phases = i.Phases.then(c.At, during(c.At, "stopping", halting, "stopped")...)
	i.Restart = c.At.Add(stopsFor)
	s.putInstance(i)
	s.later(c, i.Restart, taskStartInstance, i.row())
	s.tell(c, c.At.Add(halting), kindInstance, i.ID, "RDS-EVENT-0087", "notification", "DB instance stopped")
	return &rds.StopDBInstanceOutput{DBInstance: s.shown(i, c.At)}, nil
}

// StartDBInstance starts a stopped instance, or one whose key is usable again.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_StartDBInstance.html.
func (s *Service) StartDBInstance(ctx context.Context, in *rds.StartDBInstanceInput) (*rds.StartDBInstanceOutput, error) {
	c := gate.From(ctx)
	i, err := s.changed(c, *in.DBInstanceIdentifier, "stopped", recoverable)
	if err != nil {
		return nil, err
	}
	if i.Cluster != "" {
		return nil, invalid("A member of a DB cluster is not started alone.") // assumed text
	}
	if s.isLost(i.Encryption.ARN) {
		return nil, inaccessible(namedKey, i.Encryption.ARN)
	}
	s.start(c, i)
	return &rds.StartDBInstanceOutput{DBInstance: s.shown(i, c.At)}, nil
}

func (s *Service) start(c *gate.Call, i *Instance) {
	i.Phases, i.Restart = i.Phases.then(c.At, during(c.At, "starting", halting, "available")...), time.Time{}
	s.putInstance(i)
	s.tell(c, c.At.Add(halting), kindInstance, i.ID, "RDS-EVENT-0088", "notification", "DB instance started")
}

// startOverdueInstance starts an instance that has been stopped for too long.
func (s *Service) startOverdueInstance(c *gate.Call, row string) {
	if old := s.instances.Get(row); old != nil && old.Restart.Equal(c.At) && old.Phases.at(c.At) == "stopped" {
		i := *old
		s.start(c, &i)
	}
}

// DeleteDBInstance ends an instance, after a last snapshot if one is asked for.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html.
func (s *Service) DeleteDBInstance(ctx context.Context, in *rds.DeleteDBInstanceInput) (*rds.DeleteDBInstanceOutput, error) {
	c := gate.From(ctx)
	old, err := s.instance(c, *in.DBInstanceIdentifier)
	if err != nil {
		return nil, err
	}
	i := *old
	final := aws.ToString(in.FinalDBSnapshotIdentifier)
	switch {
	case i.Phases.at(c.At) == "deleting":
		return nil, refuse("InvalidDBInstanceState", "Instance "+i.ID+" is already being deleted.")
	case is(i.DB.DeletionProtection):
		return nil, combination("Cannot delete protected DB Instance, please disable deletion protection and try again.")
	case i.Cluster != "" && final != "":
		return nil, combination("FinalDBSnapshotIdentifier can not be specified when deleting a cluster instance")
	case i.Cluster != "":
	case final == "" && !is(in.SkipFinalSnapshot):
		return nil, combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
	case final != "" && is(in.SkipFinalSnapshot):
		return nil, combination("FinalDBSnapshotIdentifier cannot be specified when SkipFinalSnapshot is specified.") // assumed text
	case final != "" && (i.Phases.at(c.At) == "creating" || i.Phases.at(c.At) == terminal || i.Phases.at(c.At) == recoverable):
		return nil, refuse("InvalidDBInstanceState", "Cannot create a snapshot because the database instance "+i.ID+" is not currently in the available state.")
	}
	if final != "" {
		if _, err := s.snap(c, &i, final, "manual", nil); err != nil {
			return nil, err
		}
	}
	if i.Cluster == "" {
		s.retain(c, instanceBackup(&i), in.DeleteAutomatedBackups == nil || *in.DeleteAutomatedBackups)
	}
	i.Phases = i.Phases.then(c.At, Phase{"deleting", c.At})
	s.putInstance(&i)
	s.later(c, c.At.Add(deleting), taskDropInstance, i.row())
	return &rds.DeleteDBInstanceOutput{DBInstance: s.shown(&i, c.At)}, nil
}

// dropInstance takes away an instance that was deleted.
func (s *Service) dropInstance(ctx context.Context, row string) {
	i := s.instances.Get(row)
	if i == nil {
		return
	}
	c := gate.From(ctx)
	s.instances.Delete(row)
	s.tags.Delete(i.arn())
	if i.Cluster == "" {
		s.Agent.Retire(ctx, i.Encryption.Grants)
	}
	s.tell(c, c.At, kindInstance, i.ID, "RDS-EVENT-0003", "deletion", "DB instance deleted")
}
