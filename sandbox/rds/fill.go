package rds

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// The types of RDS's resources in an estate.
const (
	instanceType        = "rds:DBInstance"
	clusterType         = "rds:DBCluster"
	snapshotType        = "rds:DBSnapshot"
	clusterSnapshotType = "rds:DBClusterSnapshot"
)

// Attributes of RDS's resources in an estate.
const (
	engineName    = "engine"
	inCluster     = "dbClusterIdentifier"
	ofInstance    = "dbInstanceIdentifier"
	snapshotIs    = "snapshotType"
	filledClass   = "db.t3.medium"
	filledStorage = 20 // GiB, the least that RDS takes
	filledUser    = "keyreach"
)

// Kept are the types that the service takes from an estate. See behalf.Filler.
func (s *Service) Kept() map[string][]string {
	return map[string][]string{
		instanceType: {engineName, inCluster}, clusterType: {engineName},
		snapshotType: {engineName, ofInstance, snapshotIs}, clusterSnapshotType: {engineName, inCluster, snapshotIs},
	}
}

// Fill makes a database or a snapshot of an estate. One of an engine that the sandbox
// does not have is not held. See behalf.Filler.
func (s *Service) Fill(w behalf.World, r *estate.Resource) error {
	c := &gate.Call{Region: r.Region, At: w.Now, Writing: true}
	c.Caller.Account = r.Account
	k, err := w.Keys.Named(r.Account, r.Region, r.Key, w.Now)
	if err != nil {
		return err
	}
	f := filling{Service: s, c: c, r: r, key: Encryption{ARN: k.ARN, Default: k.Managed}}
	if cl := s.clusters.Get(key(r.Account, r.Region, strings.ToLower(r.Attributes[inCluster]))); cl != nil && r.Type == instanceType {
		return f.instance(cl)
	}
	switch r.Type {
	case instanceType:
		return f.instance(nil)
	case clusterType:
		return f.cluster()
	case snapshotType:
		return f.snapshot()
	}
	return f.clusterSnapshot()
}

// filling makes one resource of an estate.
type filling struct {
	*Service
	c   *gate.Call
	r   *estate.Resource
	key Encryption
}

// name gives the resource its identifier, as RDS writes it.
func (f *filling) name(kind string) string {
	f.r.ID = strings.ToLower(behalf.NameIn(f.r, kind+":"))
	if f.r.ID == "" {
		f.r.ID = kind + "-" + f.IDs.Hex(8)
	}
	return f.r.ID
}

// engine is the engine of the resource, of a cluster or not.
func (f *filling) engine(aurora bool) (*engine, string, *major, error) {
	name := f.r.Attributes[engineName]
	if name == "" && aurora {
		name = "aurora-postgresql"
	} else if name == "" {
		name = "postgres"
	}
	e, err := engineOf(name)
	if err != nil || aurora && !e.aurora {
		return nil, "", nil, behalf.ErrNotHeld
	}
	version, m, err := e.version(nil)
	return e, version, m, err
}

// under is the key of the database with a resource id.
func (f *filling) under(resource string) Encryption {
	e := f.key
	if e.ARN != "" {
		e.Context = resource
	}
	return e
}

// drafted is an instance with what an estate does not say.
func (f *filling) drafted(id string) (*Instance, error) {
	e, version, m, err := f.engine(false)
	if err != nil {
		return nil, err
	}
	i := &Instance{
		Account: f.r.Account, Region: f.r.Region, ID: id, DB: plain(f.c, e), Port: e.port, Ready: f.c.At, Phases: Phases{{"available", f.c.At}},
		Subnets: "default", Parameters: "default." + m.family, Options: e.optionGroup(m),
	}
	i.DB.Engine, i.DB.EngineVersion, i.DB.DbiResourceId, i.DB.InstanceCreateTime = &e.name, &version, new(f.resourceID("db-")), new(f.c.At)
	i.DB.DBInstanceClass, i.DB.AllocatedStorage, i.DB.MasterUsername = new(filledClass), new(int32(filledStorage)), new(filledUser)
	i.Encryption = f.under(*i.DB.DbiResourceId)
	return i, nil
}

func (f *filling) instance(cl *Cluster) error {
	i, err := f.drafted(f.name(kindInstance))
	if err != nil {
		return err
	}
	if cl != nil {
		i.DB.Engine, i.DB.EngineVersion = cl.DB.Engine, cl.DB.EngineVersion
		cl.adopt(i)
	}
	f.putInstance(i)
	return nil
}

func (f *filling) draftedCluster(id string) (*Cluster, error) {
	e, version, m, err := f.engine(true)
	if err != nil {
		return nil, err
	}
	cl := &Cluster{Account: f.r.Account, Region: f.r.Region, ID: id, DB: plainCluster(e), Ready: f.c.At, Phases: Phases{{"available", f.c.At}}}
	cl.DB.Engine, cl.DB.EngineVersion, cl.DB.DbClusterResourceId, cl.DB.ClusterCreateTime = &e.name, &version, new(f.resourceID("cluster-")), new(f.c.At)
	cl.DB.MasterUsername = new(filledUser)
	cl.Encryption = f.under(*cl.DB.DbClusterResourceId)
	return cl, f.setCluster(f.c, cl, m, &settings{})
}

func (f *filling) cluster() error {
	cl, err := f.draftedCluster(f.name(kindCluster))
	if err != nil {
		return err
	}
	f.putCluster(cl)
	return nil
}

// kept completes and stores a snapshot.
func (f *filling) kept(n *Snapshot) {
	n.Account, n.Region, n.ID, n.Created, n.Done, n.Encryption = f.r.Account, f.r.Region, f.r.ID, f.c.At, f.c.At, f.under(n.Resource)
	n.Type = or(aws.String(f.r.Attributes[snapshotIs]), "manual")
	n.Shared = slices.Clone(f.r.SharedWith)
	f.snapshots.Put(n.row(), n)
}

func (f *filling) snapshot() error {
	id := f.name(kindSnapshot)
	i, err := f.drafted(or(aws.String(f.r.Attributes[ofInstance]), id))
	if err != nil {
		return err
	}
	v := &types.DBSnapshot{}
	take(v, &i.DB)
	v.TagList, v.BackupRetentionPeriod, v.PreferredBackupWindow = nil, nil, nil
	v.Port, v.OptionGroupName, v.VpcId = new(i.Port), new(i.Options), new(vpcOf(i.Account, i.Region))
	v.OriginalSnapshotCreateTime, v.SnapshotDatabaseTime, v.SnapshotTarget = new(f.c.At), new(f.c.At), new("region")
	f.kept(&Snapshot{Kind: kindSnapshot, Source: i.ID, Resource: *i.DB.DbiResourceId, Class: filledClass, Instance: v})
	return nil
}

func (f *filling) clusterSnapshot() error {
	id := f.name(kindClusterSnapshot)
	cl, err := f.draftedCluster(or(aws.String(f.r.Attributes[inCluster]), id))
	if err != nil {
		return err
	}
	v := &types.DBClusterSnapshot{}
	take(v, &cl.DB)
	v.TagList, v.BackupRetentionPeriod, v.PreferredBackupWindow, v.VpcId = nil, nil, nil, new(vpcOf(cl.Account, cl.Region))
	v.AvailabilityZones = []string{cl.Region + "a", cl.Region + "b", cl.Region + "c"}
	f.kept(&Snapshot{Kind: kindClusterSnapshot, Source: cl.ID, Resource: *cl.DB.DbClusterResourceId, Cluster: v})
	return nil
}

// Resources are the databases and their snapshots. See gate.Holder.
func (s *Service) Resources(now time.Time) []estate.Resource {
	var list []estate.Resource
	for _, i := range s.instances.All("") {
		if i.Phases.at(now) == "deleting" {
			continue
		}
		r := estate.Resource{
			Type: instanceType, ID: i.ID, ARN: i.arn(), Account: i.Account, Region: i.Region, Key: i.Encryption.ARN,
			Attributes: map[string]string{engineName: aws.ToString(i.DB.Engine)},
		}
		if i.Cluster != "" {
			r.Attributes[inCluster] = i.Cluster
		}
		list = append(list, r)
	}
	for _, cl := range s.clusters.All("") {
		if cl.Phases.at(now) != "deleting" {
			list = append(list, estate.Resource{
				Type: clusterType, ID: cl.ID, ARN: cl.arn(), Account: cl.Account, Region: cl.Region, Key: cl.Encryption.ARN,
				Attributes: map[string]string{engineName: aws.ToString(cl.DB.Engine)},
			})
		}
	}
	for _, n := range s.snapshots.All("") {
		r := estate.Resource{
			Type: snapshotType, ID: n.ID, ARN: n.arn(), Account: n.Account, Region: n.Region, Key: n.Encryption.ARN, SharedWith: slices.Clone(n.Shared),
			Attributes: map[string]string{engineName: n.engine(), snapshotIs: n.Type, ofInstance: n.Source},
		}
		if n.Kind == kindClusterSnapshot {
			r.Type = clusterSnapshotType
			delete(r.Attributes, ofInstance)
			r.Attributes[inCluster] = n.Source
		}
		list = append(list, r)
	}
	return list
}
