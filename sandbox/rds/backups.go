package rds

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// Backup is the automated backups of a database. Of one that is there it is worked out;
// of one that was deleted without them it is kept for as long as they were to be.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups-Deleting.html.
type Backup struct {
	Kind                          string // of its snapshots
	Account, Region, ID, Resource string
	Encryption                    Encryption
	Days                          int32
	Earliest                      time.Time
	Latest                        *time.Time
	Status                        string
	Class                         string                   `json:",omitempty"` // of the instance
	Instance                      *types.DBSnapshot        `json:",omitempty"`
	Cluster                       *types.DBClusterSnapshot `json:",omitempty"`
}

func (b *Backup) row() string { return key(b.Account, b.Region, b.Resource) }

func (b *Backup) arn() string {
	kind := kindBackup
	if b.Cluster != nil {
		kind = kindClusterBackup
	}
	return arnOf(b.Region, b.Account, kind, "ab-"+strings.ToLower(b.Resource[strings.IndexByte(b.Resource, '-')+1:]))
}

// instanceBackup is the backups of an instance that is there.
func instanceBackup(i *Instance) *Backup {
	v := &types.DBSnapshot{}
	take(v, &i.DB)
	v.Port, v.OptionGroupName, v.TagList = new(i.Port), new(i.Options), nil
	return &Backup{
		Kind: kindSnapshot, Account: i.Account, Region: i.Region, ID: i.ID, Resource: aws.ToString(i.DB.DbiResourceId), Encryption: i.Encryption.inherited(),
		Days: aws.ToInt32(i.DB.BackupRetentionPeriod), Earliest: i.Ready, Status: "active", Class: aws.ToString(i.DB.DBInstanceClass), Instance: v,
	}
}

func clusterBackup(cl *Cluster) *Backup {
	v := &types.DBClusterSnapshot{}
	take(v, &cl.DB)
	v.TagList = nil
	return &Backup{
		Kind: kindClusterSnapshot, Account: cl.Account, Region: cl.Region, ID: cl.ID, Resource: aws.ToString(cl.DB.DbClusterResourceId), Encryption: cl.Encryption.inherited(),
		Days: aws.ToInt32(cl.DB.BackupRetentionPeriod), Earliest: cl.Ready, Status: "active", Cluster: v,
	}
}

// by fills in how far back and ahead the backups go at a time.
func (b *Backup) by(now time.Time) *Backup {
	if b.Status == "active" {
		b.Latest = restorable(b.Earliest, now)
		if oldest := now.AddDate(0, 0, -int(b.Days)); oldest.After(b.Earliest) {
			b.Earliest = oldest
		}
	}
	return b
}

// retain ends the automated backups of a database that is deleted, or keeps them.
func (s *Service) retain(c *gate.Call, b *Backup, drop bool) {
	if b.Days == 0 {
		return
	}
	if drop {
		s.dropAutomated(b.Kind, b.Account, b.Region, b.Resource)
		return
	}
	b.by(c.At).Status = "retained"
	s.backups.Put(b.row(), b)
	s.later(c, c.At.AddDate(0, 0, int(b.Days)), taskBackUp, key(b.Kind, b.Account, b.Region, b.ID, b.Resource))
}

// dropAutomated deletes the automated snapshots of a database.
func (s *Service) dropAutomated(kind, account, region, resource string) {
	for row, n := range s.snapshots.All(key(kind, account, region, "")) {
		if n.Type == "automated" && n.Resource == resource {
			s.snapshots.Delete(row)
			s.tags.Delete(n.arn())
		}
	}
}

// backUp makes the automated snapshot of a day, deletes those that are too old, and
// comes again a day later: once a day from when the database was made, not in its
// backup window. Of a database that is gone it deletes what was kept.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.html.
func (s *Service) backUp(c *gate.Call, subject string) {
	p := strings.Split(subject, "\x00")
	kind, row, id, resource := p[0], key(p[1], p[2], p[3]), p[3], p[4]
	name := "rds:" + id + "-" + c.At.UTC().Format("2006-01-02-15-04")
	taken := s.snapshots.Get(key(kind, p[1], p[2], name)) != nil
	var days int32
	if i := s.instances.Get(row); kind == kindSnapshot && i != nil && aws.ToString(i.DB.DbiResourceId) == resource {
		days = aws.ToInt32(i.DB.BackupRetentionPeriod)
		if days > 0 && !taken && (i.in(c.At, usable...) == nil || !c.At.After(i.Ready)) {
			_, _ = s.snap(c, i, name, "automated", nil) // what can be refused is only in requests
		}
	} else if cl := s.clusters.Get(row); kind == kindClusterSnapshot && cl != nil && aws.ToString(cl.DB.DbClusterResourceId) == resource {
		days = aws.ToInt32(cl.DB.BackupRetentionPeriod)
		if days > 0 && !taken && cl.Phases.at(c.At) == "available" {
			_, _ = s.snapCluster(c, cl, name, "automated", nil)
		}
	} else if b := s.backups.Get(key(p[1], p[2], resource)); b != nil && !c.At.Before(b.Latest.AddDate(0, 0, int(b.Days))) {
		s.backups.Delete(b.row())
		s.dropAutomated(kind, p[1], p[2], resource)
	}
	if days == 0 {
		return
	}
	oldest := c.At.AddDate(0, 0, -int(days))
	for row, n := range s.snapshots.All(key(kind, p[1], p[2], "rds:"+id+"-")) {
		if n.Resource == resource && n.Created.Before(oldest) {
			s.snapshots.Delete(row)
			s.tags.Delete(n.arn())
		}
	}
	s.later(c, c.At.Add(day), taskBackUp, subject)
}

// instanceBackups finds the backups to restore an instance from.
func (s *Service) instanceBackups(c *gate.Call, id, resource, full *string) (*Backup, error) {
	var b *Backup
	if id != nil {
		i, err := s.instance(c, *id)
		if err != nil {
			return nil, err
		}
		b = instanceBackup(i)
	} else {
		for _, one := range s.allBackups(c, kindSnapshot) {
			if resource != nil && one.Resource == *resource || full != nil && one.arn() == *full {
				b = one
			}
		}
		if b == nil {
			return nil, refuse("DBInstanceAutomatedBackupNotFound", "The automated backups are not found.") // assumed text
		}
	}
	if b.Days == 0 || b.Instance == nil {
		return nil, refuse("PointInTimeRestoreNotEnabled", "The instance "+b.ID+" has no automated backups.") // assumed text
	}
	return b.by(c.At), nil
}

// clusterBackups finds the backups to restore a cluster from.
func (s *Service) clusterBackups(c *gate.Call, id, resource *string) (*Backup, error) {
	if id != nil {
		cl, err := s.cluster(c, *id)
		if err != nil {
			return nil, err
		}
		return clusterBackup(cl).by(c.At), nil
	}
	for _, b := range s.allBackups(c, kindClusterSnapshot) {
		if resource != nil && b.Resource == *resource {
			return b, nil
		}
	}
	return nil, refuse("DBClusterAutomatedBackupNotFoundFault", "The automated backups are not found.") // assumed text
}

// allBackups are the automated backups of an account and Region, of databases that are
// there and of those that are gone.
func (s *Service) allBackups(c *gate.Call, kind string) []*Backup {
	var list []*Backup
	prefix := key(c.Caller.Account, c.Region, "")
	if kind == kindSnapshot {
		for _, i := range s.instances.All(prefix) {
			if aws.ToInt32(i.DB.BackupRetentionPeriod) > 0 && i.Cluster == "" && i.Phases.at(c.At) != "deleting" {
				list = append(list, instanceBackup(i).by(c.At))
			}
		}
	} else {
		for _, cl := range s.clusters.All(prefix) {
			if cl.Phases.at(c.At) != "deleting" {
				list = append(list, clusterBackup(cl).by(c.At))
			}
		}
	}
	for _, b := range s.backups.All(prefix) {
		if b.Kind == kind {
			list = append(list, b)
		}
	}
	return list
}

// DescribeDBInstanceAutomatedBackups lists the automated backups of instances.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstanceAutomatedBackups.html.
func (s *Service) DescribeDBInstanceAutomatedBackups(ctx context.Context, in *rds.DescribeDBInstanceAutomatedBackupsInput) (*rds.DescribeDBInstanceAutomatedBackupsOutput, error) {
	c := gate.From(ctx)
	w, err := wants(in.Filters, "status", "db-instance-id", "dbi-resource-id")
	if err != nil {
		return nil, err
	}
	list := []types.DBInstanceAutomatedBackup{}
	for _, b := range s.allBackups(c, kindSnapshot) {
		if in.DbiResourceId != nil && *in.DbiResourceId != b.Resource || in.DBInstanceIdentifier != nil && *in.DBInstanceIdentifier != b.ID ||
			in.DBInstanceAutomatedBackupsArn != nil && *in.DBInstanceAutomatedBackupsArn != b.arn() ||
			!w.has("status", b.Status) || !w.has("db-instance-id", b.ID) || !w.has("dbi-resource-id", b.Resource) {
			continue
		}
		list = append(list, *b.shown())
	}
	part, next, err := page(list, in.Marker, in.MaxRecords)
	return &rds.DescribeDBInstanceAutomatedBackupsOutput{DBInstanceAutomatedBackups: part, Marker: next}, err
}

func (b *Backup) shown() *types.DBInstanceAutomatedBackup {
	v := &types.DBInstanceAutomatedBackup{}
	take(v, b.Instance)
	v.DBInstanceIdentifier, v.DbiResourceId, v.DBInstanceArn, v.DBInstanceAutomatedBackupsArn = &b.ID, &b.Resource, new(arnOf(b.Region, b.Account, kindInstance, b.ID)), new(b.arn())
	v.Region, v.Status, v.BackupRetentionPeriod, v.Encrypted, v.KmsKeyId = &b.Region, &b.Status, &b.Days, new(b.Encryption.ARN != ""), b.Encryption.shown()
	if b.Latest != nil {
		v.RestoreWindow = &types.RestoreWindow{EarliestTime: &b.Earliest, LatestTime: b.Latest}
	}
	return v
}

// DescribeDBClusterAutomatedBackups lists the automated backups of clusters.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusterAutomatedBackups.html.
func (s *Service) DescribeDBClusterAutomatedBackups(ctx context.Context, in *rds.DescribeDBClusterAutomatedBackupsInput) (*rds.DescribeDBClusterAutomatedBackupsOutput, error) {
	c := gate.From(ctx)
	w, err := wants(in.Filters, "status", "db-cluster-id", "db-cluster-resource-id")
	if err != nil {
		return nil, err
	}
	list := []types.DBClusterAutomatedBackup{}
	for _, b := range s.allBackups(c, kindClusterSnapshot) {
		if in.DbClusterResourceId != nil && *in.DbClusterResourceId != b.Resource || in.DBClusterIdentifier != nil && *in.DBClusterIdentifier != b.ID ||
			!w.has("status", b.Status) || !w.has("db-cluster-id", b.ID) || !w.has("db-cluster-resource-id", b.Resource) {
			continue
		}
		v := types.DBClusterAutomatedBackup{}
		take(&v, b.Cluster)
		v.DBClusterIdentifier, v.DbClusterResourceId, v.DBClusterArn, v.DBClusterAutomatedBackupsArn = &b.ID, &b.Resource, new(arnOf(b.Region, b.Account, kindCluster, b.ID)), new(b.arn())
		v.Region, v.Status, v.BackupRetentionPeriod, v.StorageEncrypted, v.KmsKeyId = &b.Region, &b.Status, &b.Days, new(b.Encryption.ARN != ""), b.Encryption.shown()
		if b.Latest != nil {
			v.RestoreWindow = &types.RestoreWindow{EarliestTime: &b.Earliest, LatestTime: b.Latest}
		}
		list = append(list, v)
	}
	part, next, err := page(list, in.Marker, in.MaxRecords)
	return &rds.DescribeDBClusterAutomatedBackupsOutput{DBClusterAutomatedBackups: part, Marker: next}, err
}

// DeleteDBInstanceAutomatedBackup deletes what was kept of an instance that is gone.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstanceAutomatedBackup.html.
func (s *Service) DeleteDBInstanceAutomatedBackup(ctx context.Context, in *rds.DeleteDBInstanceAutomatedBackupInput) (*rds.DeleteDBInstanceAutomatedBackupOutput, error) {
	c := gate.From(ctx)
	for _, b := range s.allBackups(c, kindSnapshot) {
		if b.Resource != aws.ToString(in.DbiResourceId) && b.arn() != aws.ToString(in.DBInstanceAutomatedBackupsArn) {
			continue
		}
		if b.Status != "retained" {
			return nil, refuse("InvalidDBInstanceAutomatedBackupState", "The automated backups of an instance that is there are not deleted.") // assumed text
		}
		s.backups.Delete(b.row())
		s.dropAutomated(b.Kind, b.Account, b.Region, b.Resource)
		v := b.shown()
		v.Status = new("deleting")
		return &rds.DeleteDBInstanceAutomatedBackupOutput{DBInstanceAutomatedBackup: v}, nil
	}
	return nil, refuse("DBInstanceAutomatedBackupNotFound", "The automated backups are not found.") // assumed text
}
