package rds

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// Instance is a DB instance.
type Instance struct {
	Account, Region, ID string
	// DB is what answers show that is not worked out for each.
	DB types.DBInstance
	// Cluster is the cluster that the instance is a member of, empty for none.
	Cluster                      string `json:",omitempty"`
	Subnets, Parameters, Options string
	Port                         int32
	Encryption                   Encryption
	Phases                       Phases
	// Ready is from when it has an endpoint.
	Ready time.Time
	// Restart is when AWS starts it again, when it is stopped.
	Restart time.Time `json:",omitzero"`
}

func (i *Instance) row() string { return key(i.Account, i.Region, i.ID) }
func (i *Instance) arn() string { return arnOf(i.Region, i.Account, kindInstance, i.ID) }

func (s *Service) putInstance(i *Instance) { s.instances.Put(i.row(), i) }

// instance finds an instance of the caller by its identifier or ARN.
func (s *Service) instance(c *gate.Call, id string) (*Instance, error) {
	if i := s.instances.Get(rowOf(c, kindInstance, id)); i != nil {
		return i, nil
	}
	return nil, noInstance(id)
}

// hostPart is the part of host names that is the same for all databases of an account
// and Region.
func hostPart(account, region string) string {
	sum := sha256.Sum256([]byte("host " + account + region))
	return "c" + hex.EncodeToString(sum[:6])[:11]
}

// restorable is how far a database can be restored, when it has backups: to within the
// last five minutes.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html.
func restorable(ready, now time.Time) *time.Time {
	if now.Before(ready) {
		return nil
	}
	if latest := now.Add(-5 * time.Minute); latest.After(ready) {
		return &latest
	}
	return &ready
}

// shown is the instance as answers have it.
func (s *Service) shown(i *Instance, now time.Time) *types.DBInstance {
	v := i.DB
	v.DBInstanceIdentifier, v.DBInstanceArn = &i.ID, new(i.arn())
	v.DBInstanceStatus = new(i.Phases.at(now))
	v.KmsKeyId, v.StorageEncrypted = i.Encryption.shown(), new(i.Encryption.ARN != "")
	v.TagList = s.tagsOf(i.arn())
	v.DbInstancePort = new(int32(0))
	if g := s.group(kindSubnets, i.Account, i.Region, i.Subnets); g != nil {
		v.DBSubnetGroup = g.subnets()
	}
	v.DBParameterGroups = []types.DBParameterGroupStatus{{DBParameterGroupName: &i.Parameters, ParameterApplyStatus: new("in-sync")}}
	v.OptionGroupMemberships = []types.OptionGroupMembership{{OptionGroupName: &i.Options, Status: new("in-sync")}}
	if i.Cluster != "" {
		v.DBClusterIdentifier = &i.Cluster
	}
	if now.Before(i.Ready) {
		v.InstanceCreateTime = nil
	} else {
		v.Endpoint = &types.Endpoint{Address: new(fmt.Sprintf("%s.%s.%s.rds.amazonaws.com", i.ID, hostPart(i.Account, i.Region), i.Region)), Port: &i.Port, HostedZoneId: new("Z2R2ITUGPM61AM")}
		if aws.ToInt32(i.DB.BackupRetentionPeriod) > 0 && i.Cluster == "" {
			v.LatestRestorableTime = restorable(i.Ready, now)
		}
	}
	if !i.Restart.IsZero() {
		v.AutomaticRestartTime = &i.Restart
	}
	v.PendingModifiedValues = &types.PendingModifiedValues{}
	return &v
}

// plain is what a new instance has that says nothing of it.
func plain(c *gate.Call, e *engine) types.DBInstance {
	return types.DBInstance{
		AutoMinorVersionUpgrade: new(true), MultiAZ: new(false), PubliclyAccessible: new(false), CopyTagsToSnapshot: new(false), DeletionProtection: new(false),
		MonitoringInterval: new(int32(0)), PerformanceInsightsEnabled: new(false), IAMDatabaseAuthenticationEnabled: new(false), CustomerOwnedIpEnabled: new(false),
		DedicatedLogVolume: new(false), MultiTenant: new(false), IsStorageConfigUpgradeAvailable: new(false), StorageType: new(e.storage()[0]), BackupRetentionPeriod: new(int32(1)),
		PreferredBackupWindow: new("03:30-04:00"), PreferredMaintenanceWindow: new("sun:05:00-sun:05:30"), CACertificateIdentifier: new("rds-ca-rsa2048-g1"), NetworkType: new("IPV4"),
		AvailabilityZone: new(c.Region + "a"), LicenseModel: &e.license, BackupTarget: new("region"), StorageThroughput: new(int32(0)), ActivityStreamStatus: types.ActivityStreamStatusStopped,
		EngineLifecycleSupport: new("open-source-rds-extended-support"), DatabaseInsightsMode: types.DatabaseInsightsModeStandard,
	}
}

// resourceID is the id of a database that never changes.
func (s *Service) resourceID(prefix string) string {
	return s.IDs.Unique(prefix) + s.IDs.Unique("")[:9]
}

// draft prepares a new instance of what a request says, on top of what base says.
func (s *Service) draft(c *gate.Call, id string, e *engine, m *major, version, class string, base *types.DBSnapshot, in any) (*Instance, error) {
	name, err := identifier("DBInstanceIdentifier", id, 63)
	if err != nil {
		return nil, err
	}
	if s.instances.Get(key(c.Caller.Account, c.Region, name)) != nil {
		return nil, refuse("DBInstanceAlreadyExists", "DB instance already exists")
	}
	o := settingsOf(in)
	if err := o.check(); err != nil {
		return nil, err
	}
	i := &Instance{Account: c.Caller.Account, Region: c.Region, ID: name, DB: plain(c, e), Port: e.port}
	if base != nil {
		take(&i.DB, base)
		i.DB.DBInstanceClass = &class
	}
	take(&i.DB, in)
	if err := classOf(i.DB.DBInstanceClass); err != nil {
		return nil, err
	}
	i.DB.Engine, i.DB.EngineVersion, i.DB.DbiResourceId, i.DB.InstanceCreateTime, i.DB.TagList = &e.name, &version, new(s.resourceID("db-")), new(c.At), nil
	if o.Port != nil {
		i.Port = *o.Port
	}
	i.DB.IAMDatabaseAuthenticationEnabled = first(o.EnableIAMDatabaseAuthentication, i.DB.IAMDatabaseAuthenticationEnabled)
	i.DB.PerformanceInsightsEnabled = first(o.EnablePerformanceInsights, i.DB.PerformanceInsightsEnabled)
	i.DB.EnabledCloudwatchLogsExports, i.DB.VpcSecurityGroups = o.logs(nil), o.securityGroups()
	i.Subnets, i.Parameters, i.Options = or(o.DBSubnetGroupName, "default"), or(o.DBParameterGroupName, "default."+m.family), or(o.OptionGroupName, e.optionGroup(m))
	if err := s.groupsOf(c, i, m); err != nil {
		return nil, err
	}
	return i, s.tag(i.arn(), o.requested("db-instance"))
}

// groupsOf checks that the groups that an instance is to have are there.
func (s *Service) groupsOf(c *gate.Call, i *Instance, m *major) error {
	if _, err := s.named(c, kindSubnets, i.Subnets); err != nil {
		return err
	}
	g, err := s.named(c, kindParameters, i.Parameters)
	if err != nil {
		return err
	}
	if g.Family != m.family {
		return combination("The Parameter Group " + g.Name + " with DBParameterGroupFamily " + g.Family + " cannot be used for this instance. Please use a Parameter Group with DBParameterGroupFamily " + m.family)
	}
	if !strings.HasPrefix(i.Options, "default:") {
		return noGroup(kindOptions, i.Options)
	}
	i.Subnets, i.Parameters = strings.ToLower(i.Subnets), strings.ToLower(i.Parameters)
	return nil
}

func first[T any](p, q *T) *T {
	if p != nil {
		return p
	}
	return q
}

func classOf(class *string) error {
	if !strings.HasPrefix(aws.ToString(class), "db.") {
		return invalid("Invalid DB Instance class: " + aws.ToString(class))
	}
	return nil
}

// begin stores a new instance and has it become available.
func (s *Service) begin(c *gate.Call, i *Instance, restored string) {
	i.Ready = c.At.Add(creating)
	i.Phases = Phases{{"creating", c.At}}
	backed := aws.ToInt32(i.DB.BackupRetentionPeriod) > 0 && i.Cluster == ""
	done := i.Ready
	if backed {
		i.Phases = append(i.Phases, Phase{"backing-up", done})
		done = done.Add(backing)
	}
	i.Phases = append(i.Phases, Phase{"available", done})
	s.putInstance(i)
	if restored == "" {
		s.tell(c, i.Ready, kindInstance, i.ID, "RDS-EVENT-0005", "creation", "DB instance created")
	} else {
		s.tell(c, i.Ready, kindInstance, i.ID, "RDS-EVENT-0043", "restoration", "Restored from snapshot "+restored)
	}
	if backed {
		s.later(c, i.Ready, taskBackUp, key(kindSnapshot, i.Account, i.Region, i.ID, aws.ToString(i.DB.DbiResourceId)))
	}
}

// CreateDBInstance makes an instance, or a member of an Aurora cluster.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html.
func (s *Service) CreateDBInstance(ctx context.Context, in *rds.CreateDBInstanceInput) (*rds.CreateDBInstanceOutput, error) {
	c := gate.From(ctx)
	e, err := engineOf(*in.Engine)
	if err != nil {
		return nil, err
	}
	version, m, err := e.version(in.EngineVersion)
	if err != nil {
		return nil, err
	}
	var cl *Cluster
	if in.DBClusterIdentifier != nil {
		if cl, err = s.cluster(c, *in.DBClusterIdentifier); err != nil {
			return nil, err
		}
		if aws.ToString(cl.DB.Engine) != e.name {
			return nil, combination("The engine name requested for your DB instance (" + e.name + ") doesn't match the engine name of your DB cluster (" + aws.ToString(cl.DB.Engine) + ").")
		}
		version, m, _ = e.version(cl.DB.EngineVersion)
	}
	if err := complete(in, e, cl); err != nil {
		return nil, err
	}
	i, err := s.draft(c, *in.DBInstanceIdentifier, e, m, version, "", nil, in)
	if err != nil {
		return nil, err
	}
	if err := s.linked(ctx); err != nil {
		return nil, err
	}
	if cl != nil {
		cl.adopt(i)
	} else if is(in.StorageEncrypted) || in.KmsKeyId != nil {
		enc, err := s.encrypt(ctx, "rds:CreateDBInstance", "", "database", or(in.KmsKeyId, defaultKey), namedKey, aws.ToString(i.DB.DbiResourceId), nil)
		if err != nil {
			return nil, err
		}
		i.Encryption = *enc
	}
	s.begin(c, i, "")
	return &rds.CreateDBInstanceOutput{DBInstance: s.shown(i, c.At)}, nil
}

// complete refuses requests that do not fit together.
func complete(in *rds.CreateDBInstanceInput, e *engine, cl *Cluster) error {
	switch {
	case cl == nil && e.aurora:
		return combination("Aurora instances are members of a DB cluster: DBClusterIdentifier is missing.") // assumed text
	case cl != nil && in.StorageEncrypted != nil && *in.StorageEncrypted != (cl.Encryption.ARN != ""):
		return combination("The encryption of a member is that of its DB cluster.") // assumed text
	case in.StorageEncrypted != nil && !*in.StorageEncrypted && in.KmsKeyId != nil:
		return combination("KmsKeyId is given, and StorageEncrypted is false.") // assumed text
	case cl == nil && in.MasterUsername == nil:
		return refuse("MissingParameter", "The request must contain the parameter MasterUsername") // assumed text
	case cl == nil && in.MasterUserPassword == nil && !is(in.ManageMasterUserPassword):
		return refuse("MissingParameter", "The request must contain the parameter MasterUserPassword") // assumed text
	case cl == nil && in.AllocatedStorage == nil:
		return refuse("MissingParameter", "The request must contain the parameter AllocatedStorage") // assumed text
	}
	return nil
}

// DescribeDBInstances lists instances.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstances.html.
func (s *Service) DescribeDBInstances(ctx context.Context, in *rds.DescribeDBInstancesInput) (*rds.DescribeDBInstancesOutput, error) {
	c := gate.From(ctx)
	w, err := wants(in.Filters, "db-cluster-id", "db-instance-id", "dbi-resource-id", "domain", "engine")
	if err != nil {
		return nil, err
	}
	list := []types.DBInstance{}
	add := func(i *Instance) {
		if w.has("db-instance-id", i.ID, i.arn()) && w.has("dbi-resource-id", aws.ToString(i.DB.DbiResourceId)) && w.has("engine", aws.ToString(i.DB.Engine)) &&
			w.has("db-cluster-id", i.Cluster, clusterARN(i)) && w.has("domain", "") {
			list = append(list, *s.shown(i, c.At))
		}
	}
	if in.DBInstanceIdentifier != nil && *in.DBInstanceIdentifier != "" {
		i, err := s.instance(c, *in.DBInstanceIdentifier)
		if err != nil {
			return nil, err
		}
		add(i)
	} else {
		for _, i := range s.instances.All(key(c.Caller.Account, c.Region, "")) {
			add(i)
		}
	}
	part, next, err := page(slices.Clip(list), in.Marker, in.MaxRecords)
	return &rds.DescribeDBInstancesOutput{DBInstances: part, Marker: next}, err
}

func clusterARN(i *Instance) string {
	if i.Cluster == "" {
		return ""
	}
	return arnOf(i.Region, i.Account, kindCluster, i.Cluster)
}
