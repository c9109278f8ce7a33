package rds

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// Cluster is an Aurora DB cluster.
type Cluster struct {
	Account, Region, ID string
	// DB is what answers show that is not worked out for each.
	DB         types.DBCluster
	Encryption Encryption
	Phases     Phases
	Ready      time.Time
	Restart    time.Time `json:",omitzero"`
}

func (cl *Cluster) row() string { return key(cl.Account, cl.Region, cl.ID) }
func (cl *Cluster) arn() string { return arnOf(cl.Region, cl.Account, kindCluster, cl.ID) }

func (s *Service) putCluster(cl *Cluster) { s.clusters.Put(cl.row(), cl) }

// cluster finds a cluster of the caller by its identifier or ARN.
func (s *Service) cluster(c *gate.Call, id string) (*Cluster, error) {
	if cl := s.clusters.Get(rowOf(c, kindCluster, id)); cl != nil {
		return cl, nil
	}
	return nil, noCluster(id)
}

// adopt makes an instance a member: its storage, versions and backups are the cluster's.
func (cl *Cluster) adopt(i *Instance) {
	i.Cluster, i.Subnets, i.Encryption = cl.ID, aws.ToString(cl.DB.DBSubnetGroup), cl.Encryption.inherited()
	i.DB.StorageType, i.DB.AllocatedStorage, i.DB.MasterUsername, i.DB.DBName = new(or(cl.DB.StorageType, "aurora")), new(int32(1)), cl.DB.MasterUsername, cl.DB.DatabaseName
	i.DB.BackupRetentionPeriod, i.DB.PreferredBackupWindow, i.DB.VpcSecurityGroups = cl.DB.BackupRetentionPeriod, cl.DB.PreferredBackupWindow, cl.DB.VpcSecurityGroups
	i.Port = aws.ToInt32(cl.DB.Port)
	if i.DB.PromotionTier == nil {
		i.DB.PromotionTier = new(int32(1))
	}
}

// members are the instances of a cluster, the writer first: the one that is there the
// longest.
func (s *Service) members(cl *Cluster) []*Instance {
	var list []*Instance
	for _, i := range s.instances.All(key(cl.Account, cl.Region, "")) {
		if i.Cluster == cl.ID {
			list = append(list, i)
		}
	}
	slices.SortStableFunc(list, func(a, b *Instance) int { return a.Ready.Compare(b.Ready) })
	return list
}

// shownCluster is the cluster as answers have it.
func (s *Service) shownCluster(cl *Cluster, now time.Time) *types.DBCluster {
	v := cl.DB
	v.DBClusterIdentifier, v.DBClusterArn, v.Status = &cl.ID, new(cl.arn()), new(cl.Phases.at(now))
	v.KmsKeyId, v.StorageEncrypted, v.TagList = cl.Encryption.shown(), new(cl.Encryption.ARN != ""), s.tagsOf(cl.arn())
	host := "." + hostPart(cl.Account, cl.Region) + "." + cl.Region + ".rds.amazonaws.com"
	v.Endpoint, v.ReaderEndpoint, v.HostedZoneId = new(cl.ID+".cluster-"+host[1:]), new(cl.ID+".cluster-ro-"+host[1:]), new("Z2R2ITUGPM61AM")
	v.AvailabilityZones = []string{cl.Region + "a", cl.Region + "b", cl.Region + "c"}
	for n, i := range s.members(cl) {
		v.DBClusterMembers = append(v.DBClusterMembers, types.DBClusterMember{
			DBInstanceIdentifier: &i.ID, IsClusterWriter: new(n == 0), PromotionTier: i.DB.PromotionTier, DBClusterParameterGroupStatus: new("in-sync"),
		})
	}
	if !now.Before(cl.Ready) {
		v.EarliestRestorableTime, v.LatestRestorableTime = &cl.Ready, restorable(cl.Ready, now)
		if oldest := now.AddDate(0, 0, -int(aws.ToInt32(cl.DB.BackupRetentionPeriod))); oldest.After(cl.Ready) {
			v.EarliestRestorableTime = &oldest
		}
	}
	if !cl.Restart.IsZero() {
		v.AutomaticRestartTime = &cl.Restart
	}
	return &v
}

// plainCluster is what a new cluster has that says nothing of it.
func plainCluster(e *engine) types.DBCluster {
	return types.DBCluster{
		AllocatedStorage: new(int32(1)), BackupRetentionPeriod: new(int32(1)), MultiAZ: new(false), Port: &e.port, EngineMode: new("provisioned"),
		PreferredBackupWindow: new("03:30-04:00"), PreferredMaintenanceWindow: new("sun:05:00-sun:05:30"), DeletionProtection: new(false), CopyTagsToSnapshot: new(false),
		IAMDatabaseAuthenticationEnabled: new(false), HttpEndpointEnabled: new(false), CrossAccountClone: new(false), AutoMinorVersionUpgrade: new(true), NetworkType: new("IPV4"),
		ActivityStreamStatus: types.ActivityStreamStatusStopped, StorageType: new("aurora"), EngineLifecycleSupport: new("open-source-rds-extended-support"),
		DatabaseInsightsMode: types.DatabaseInsightsModeStandard, LocalWriteForwardingStatus: types.LocalWriteForwardingStatusDisabled,
	}
}

// draftCluster prepares a new cluster of what a request says, on top of what base says.
func (s *Service) draftCluster(c *gate.Call, id string, e *engine, m *major, version string, base *types.DBClusterSnapshot, in any) (*Cluster, error) {
	name, err := identifier("DBClusterIdentifier", id, 63)
	if err != nil {
		return nil, err
	}
	if s.clusters.Get(key(c.Caller.Account, c.Region, name)) != nil {
		return nil, refuse("DBClusterAlreadyExistsFault", "DB Cluster already exists")
	}
	o := settingsOf(in)
	if err := o.check(); err != nil {
		return nil, err
	}
	cl := &Cluster{Account: c.Caller.Account, Region: c.Region, ID: name, DB: plainCluster(e)}
	if base != nil {
		take(&cl.DB, base)
	}
	take(&cl.DB, in)
	cl.DB.Engine, cl.DB.EngineVersion, cl.DB.DbClusterResourceId, cl.DB.ClusterCreateTime, cl.DB.TagList = &e.name, &version, new(s.resourceID("cluster-")), new(c.At), nil
	if err := s.setCluster(c, cl, m, o); err != nil {
		return nil, err
	}
	return cl, s.tag(cl.arn(), o.requested("cluster"))
}

// setCluster takes over what a request says under other names than answers.
func (s *Service) setCluster(c *gate.Call, cl *Cluster, m *major, o *settings) error {
	cl.DB.IAMDatabaseAuthenticationEnabled = first(o.EnableIAMDatabaseAuthentication, cl.DB.IAMDatabaseAuthenticationEnabled)
	cl.DB.PerformanceInsightsEnabled = first(o.EnablePerformanceInsights, cl.DB.PerformanceInsightsEnabled)
	cl.DB.HttpEndpointEnabled = first(o.EnableHttpEndpoint, cl.DB.HttpEndpointEnabled)
	cl.DB.EnabledCloudwatchLogsExports = o.logs(cl.DB.EnabledCloudwatchLogsExports)
	if o.VpcSecurityGroupIds != nil {
		cl.DB.VpcSecurityGroups = o.securityGroups()
	}
	if v := o.ServerlessV2ScalingConfiguration; v != nil {
		cl.DB.ServerlessV2ScalingConfiguration = &types.ServerlessV2ScalingConfigurationInfo{MaxCapacity: v.MaxCapacity, MinCapacity: v.MinCapacity, SecondsUntilAutoPause: v.SecondsUntilAutoPause}
	}
	params, err := s.named(c, kindClusterParams, or(o.DBClusterParameterGroupName, or(cl.DB.DBClusterParameterGroup, "default."+m.family)))
	if err != nil {
		return err
	}
	if params.Family != m.family {
		return combination("The Parameter Group " + params.Name + " with DBParameterGroupFamily " + params.Family + " cannot be used for this instance. Please use a Parameter Group with DBParameterGroupFamily " + m.family)
	}
	subnets, err := s.named(c, kindSubnets, or(o.DBSubnetGroupName, or(cl.DB.DBSubnetGroup, "default")))
	if err != nil {
		return err
	}
	cl.DB.DBClusterParameterGroup, cl.DB.DBSubnetGroup = &params.Name, &subnets.Name
	return nil
}

// beginCluster stores a new cluster and has it become available.
func (s *Service) beginCluster(c *gate.Call, cl *Cluster) {
	cl.Ready = c.At.Add(creating)
	cl.Phases = Phases{{"creating", c.At}, {"available", cl.Ready}}
	s.putCluster(cl)
	s.tell(c, cl.Ready, kindCluster, cl.ID, "RDS-EVENT-0170", "creation", "DB cluster created")
	s.later(c, cl.Ready, taskBackUp, key(kindClusterSnapshot, cl.Account, cl.Region, cl.ID, aws.ToString(cl.DB.DbClusterResourceId)))
}

// auroraOf is the engine of a cluster. Those of other engines, deployed in several
// Availability Zones, are not offered.
func auroraOf(name string) (*engine, error) {
	e, err := engineOf(name)
	if err == nil && !e.aurora {
		return nil, notOffered("DB clusters of other engines than Aurora")
	}
	return e, err
}

// CreateDBCluster makes an Aurora cluster, which has no members yet.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBCluster.html.
func (s *Service) CreateDBCluster(ctx context.Context, in *rds.CreateDBClusterInput) (*rds.CreateDBClusterOutput, error) {
	c := gate.From(ctx)
	e, err := auroraOf(*in.Engine)
	if err != nil {
		return nil, err
	}
	version, m, err := e.version(in.EngineVersion)
	if err != nil {
		return nil, err
	}
	switch {
	case in.GlobalClusterIdentifier != nil || in.ReplicationSourceIdentifier != nil:
		return nil, notOffered("global databases and replicas of clusters")
	case in.EngineMode != nil && *in.EngineMode != "provisioned":
		return nil, notOffered("the engine mode " + *in.EngineMode)
	case in.MasterUsername == nil:
		return nil, refuse("MissingParameter", "The request must contain the parameter MasterUsername") // assumed text
	case in.MasterUserPassword == nil && !is(in.ManageMasterUserPassword):
		return nil, refuse("MissingParameter", "The request must contain the parameter MasterUserPassword") // assumed text
	case in.StorageEncrypted != nil && !*in.StorageEncrypted && in.KmsKeyId != nil:
		return nil, combination("KmsKeyId is given, and StorageEncrypted is false.") // assumed text
	}
	cl, err := s.draftCluster(c, *in.DBClusterIdentifier, e, m, version, nil, in)
	if err != nil {
		return nil, err
	}
	if err := s.linked(ctx); err != nil {
		return nil, err
	}
	if is(in.StorageEncrypted) || in.KmsKeyId != nil {
		enc, err := s.encrypt(ctx, "rds:CreateDBCluster", "", "database", or(in.KmsKeyId, defaultKey), namedKey, aws.ToString(cl.DB.DbClusterResourceId), nil)
		if err != nil {
			return nil, err
		}
		cl.Encryption = *enc
	}
	s.beginCluster(c, cl)
	return &rds.CreateDBClusterOutput{DBCluster: s.shownCluster(cl, c.At)}, nil
}

// DescribeDBClusters lists clusters.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusters.html.
func (s *Service) DescribeDBClusters(ctx context.Context, in *rds.DescribeDBClustersInput) (*rds.DescribeDBClustersOutput, error) {
	c := gate.From(ctx)
	w, err := wants(in.Filters, "clone-group-id", "db-cluster-id", "db-cluster-resource-id", "domain", "engine")
	if err != nil {
		return nil, err
	}
	list := []types.DBCluster{}
	add := func(cl *Cluster) {
		if w.has("db-cluster-id", cl.ID, cl.arn()) && w.has("db-cluster-resource-id", aws.ToString(cl.DB.DbClusterResourceId)) && w.has("engine", aws.ToString(cl.DB.Engine)) &&
			w.has("domain", "") && w.has("clone-group-id", "") {
			list = append(list, *s.shownCluster(cl, c.At))
		}
	}
	if in.DBClusterIdentifier != nil && *in.DBClusterIdentifier != "" {
		cl, err := s.cluster(c, *in.DBClusterIdentifier)
		if err != nil {
			return nil, err
		}
		add(cl)
	} else {
		for _, cl := range s.clusters.All(key(c.Caller.Account, c.Region, "")) {
			add(cl)
		}
	}
	part, next, err := page(list, in.Marker, in.MaxRecords)
	return &rds.DescribeDBClustersOutput{DBClusters: part, Marker: next}, err
}

// DescribeGlobalClusters lists global databases: there are none.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeGlobalClusters.html.
func (s *Service) DescribeGlobalClusters(_ context.Context, in *rds.DescribeGlobalClustersInput) (*rds.DescribeGlobalClustersOutput, error) {
	if in.GlobalClusterIdentifier != nil {
		return nil, refuse("GlobalClusterNotFoundFault", "Global cluster '"+*in.GlobalClusterIdentifier+"' does not exist.") // assumed text
	}
	return &rds.DescribeGlobalClustersOutput{GlobalClusters: []types.GlobalCluster{}}, nil
}

// DescribePendingMaintenanceActions lists what waits for a maintenance window: nothing
// ever does.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribePendingMaintenanceActions.html.
func (s *Service) DescribePendingMaintenanceActions(context.Context, *rds.DescribePendingMaintenanceActionsInput) (*rds.DescribePendingMaintenanceActionsOutput, error) {
	return &rds.DescribePendingMaintenanceActionsOutput{PendingMaintenanceActions: []types.ResourcePendingMaintenanceActions{}}, nil
}
