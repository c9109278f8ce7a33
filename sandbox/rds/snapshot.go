package rds

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// Snapshot is a snapshot of an instance or of a cluster.
type Snapshot struct {
	Kind                string // kindSnapshot or kindClusterSnapshot
	Account, Region, ID string
	// Source is the identifier of the database, Resource its id that never changes.
	Source, Resource string
	Type             string // manual or automated
	Class            string `json:",omitempty"` // of the instance
	Encryption       Encryption
	// Shared are the accounts that may restore it, and "all".
	Shared        []string `json:",omitempty"`
	Created, Done time.Time
	// Instance or Cluster is what answers show that is not worked out for each.
	Instance *types.DBSnapshot        `json:",omitempty"`
	Cluster  *types.DBClusterSnapshot `json:",omitempty"`
}

func (n *Snapshot) row() string { return key(n.Kind, n.Account, n.Region, n.ID) }
func (n *Snapshot) arn() string { return arnOf(n.Region, n.Account, n.Kind, n.ID) }

func (n *Snapshot) status(now time.Time) string {
	if now.Before(n.Done) {
		return "creating"
	}
	return "available"
}

func (n *Snapshot) progress(now time.Time) *int32 {
	if !now.Before(n.Done) {
		return new(int32(100))
	}
	return new(int32(100 * now.Sub(n.Created) / max(1, n.Done.Sub(n.Created))))
}

// engine is the engine of the database.
func (n *Snapshot) engine() string {
	if n.Instance != nil {
		return aws.ToString(n.Instance.Engine)
	}
	return aws.ToString(n.Cluster.Engine)
}

// open reports whether an account may use a snapshot, and how it is then listed.
func (n *Snapshot) open(account string) (string, bool) {
	switch {
	case n.Account == account && strings.HasPrefix(n.ID, ofBackup):
		return "awsbackup", true
	case n.Account == account:
		return n.Type, true
	case slices.Contains(n.Shared, account):
		return "shared", true
	case slices.Contains(n.Shared, "all"):
		return "public", true
	}
	return "", false
}

// snapshotKind is what differs between snapshots of instances and of clusters.
type snapshotKind struct {
	kind, database, word, parameter, copies  string
	notFound, alreadyExists, invalidState    string
	target                                   string // how the key of a copy is called
	eventStarts, eventDone, autoStarts, auto string
	category, what                           string
}

var kinds = map[string]*snapshotKind{
	kindSnapshot: {
		kind: kindSnapshot, database: kindInstance, word: "DBSnapshot", parameter: "DBSnapshotIdentifier", copies: "CopyDBSnapshot", notFound: "DBSnapshotNotFound",
		alreadyExists: "DBSnapshotAlreadyExists", invalidState: "InvalidDBSnapshotState", target: targetKey, eventStarts: "RDS-EVENT-0040", eventDone: "RDS-EVENT-0042",
		autoStarts: "RDS-EVENT-0090", auto: "RDS-EVENT-0091", category: "creation", what: "snapshot",
	},
	kindClusterSnapshot: {
		kind: kindClusterSnapshot, database: kindCluster, word: "DBClusterSnapshot", parameter: "DBClusterSnapshotIdentifier", copies: "CopyDBClusterSnapshot",
		notFound: "DBClusterSnapshotNotFoundFault", alreadyExists: "DBClusterSnapshotAlreadyExistsFault", invalidState: "InvalidDBClusterSnapshotStateFault", target: namedKey,
		eventStarts: "RDS-EVENT-0074", eventDone: "RDS-EVENT-0075", autoStarts: "RDS-EVENT-0168", auto: "RDS-EVENT-0169", category: "backup", what: "cluster snapshot",
	},
}

func kindOf(kind string) *snapshotKind { return kinds[kind] }

func (k *snapshotKind) missing(id string) error {
	return refuse(k.notFound, k.word+" "+id+" not found.")
}

// snapshot finds a snapshot that the caller may use: its own by identifier or ARN,
// another account's by the ARN alone. One that is not shared is not there.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ShareSnapshot.html.
func (s *Service) snapshot(c *gate.Call, k *snapshotKind, id string) (*Snapshot, error) {
	account, region, name := c.Caller.Account, c.Region, strings.ToLower(id)
	if a, kind, last, ok := split(id); ok {
		if kind != k.kind {
			return nil, k.missing(id)
		}
		account, region, name = a.Account, a.Region, last
	}
	n := s.snapshots.Get(key(k.kind, account, region, name))
	if n == nil {
		return nil, k.missing(id)
	}
	if _, open := n.open(c.Caller.Account); !open {
		return nil, k.missing(id)
	}
	return n, nil
}

// own is snapshot for calls that only the owner makes.
func (s *Service) own(c *gate.Call, k *snapshotKind, id string) (*Snapshot, error) {
	n, err := s.snapshot(c, k, id)
	if err == nil && (n.Account != c.Caller.Account || n.Region != c.Region) {
		return nil, k.missing(id)
	}
	return n, err
}

// ofBackup begins the identifiers of snapshots that AWS Backup makes, which nobody else
// may use; RDS lists them as a type of their own.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSnapshots.html.
const ofBackup = "awsbackup:"

// byBackup reports whether AWS Backup makes a snapshot of that identifier.
func byBackup(c *gate.Call, id string) bool {
	return c.Forward != nil && c.Forward.Service == "backup" && strings.HasPrefix(id, ofBackup)
}

// maxManual is how many manual snapshots an account may have in a Region.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html.
const maxManual = 100

// place checks that a manual snapshot of that identifier can be made, and returns the
// identifier as RDS writes it.
func (s *Service) place(c *gate.Call, k *snapshotKind, parameter, id string) (string, error) {
	name, err := id, error(nil)
	if !byBackup(c, id) {
		name, err = identifier(parameter, id, 255)
	}
	if err != nil {
		return "", err
	}
	if s.snapshots.Get(key(k.kind, c.Caller.Account, c.Region, name)) != nil {
		return "", refuse(k.alreadyExists, "Cannot create the snapshot because a snapshot with the identifier "+name+" already exists.")
	}
	manual := 0
	for _, n := range s.snapshots.All(key(k.kind, c.Caller.Account, c.Region, "")) {
		if n.Type == "manual" {
			manual++
		}
	}
	if manual >= maxManual {
		return "", refuse("SnapshotQuotaExceeded", "Cannot create more than 100 manual snapshots")
	}
	return name, nil
}

// keep stores a new snapshot and tells of it.
func (s *Service) keep(c *gate.Call, n *Snapshot, tags []types.Tag) error {
	k := kindOf(n.Kind)
	n.Account, n.Region, n.Created, n.Done = c.Caller.Account, c.Region, c.At, c.At.Add(snapping)
	s.snapshots.Put(n.row(), n)
	starts, done, how := k.eventStarts, k.eventDone, "manual"
	if n.Type == "automated" {
		starts, done, how = k.autoStarts, k.auto, "automated"
	}
	s.tell(c, c.At, n.Kind, n.ID, starts, k.category, "Creating "+how+" "+k.what)
	s.tell(c, n.Done, n.Kind, n.ID, done, k.category, strings.ToUpper(how[:1])+how[1:]+" "+k.what+" created")
	return s.tag(n.arn(), tags)
}

// snap makes a snapshot of an instance, under the instance's key.
func (s *Service) snap(c *gate.Call, i *Instance, id, kind string, tags []types.Tag) (*Snapshot, error) {
	if kind == "manual" {
		var err error
		if id, err = s.place(c, kindOf(kindSnapshot), "DBSnapshotIdentifier", id); err != nil {
			return nil, err
		}
	}
	v := &types.DBSnapshot{}
	take(v, &i.DB)
	v.TagList, v.BackupRetentionPeriod, v.PreferredBackupWindow = nil, nil, nil
	v.Port, v.OptionGroupName, v.VpcId = new(i.Port), new(i.Options), new(vpcOf(i.Account, i.Region))
	v.OriginalSnapshotCreateTime, v.SnapshotDatabaseTime, v.SnapshotTarget = new(c.At), new(c.At), new("region")
	if is(i.DB.CopyTagsToSnapshot) {
		tags = append(slices.Clone(s.tagsOf(i.arn())), tags...)
	}
	n := &Snapshot{Kind: kindSnapshot, ID: id, Source: i.ID, Resource: aws.ToString(i.DB.DbiResourceId), Type: kind, Class: aws.ToString(i.DB.DBInstanceClass), Instance: v}
	n.Encryption = i.Encryption.inherited()
	return n, s.keep(c, n, tags)
}

// inherited is the key of a snapshot: it is its database's, and the database's grants
// serve it.
func (e *Encryption) inherited() Encryption {
	return Encryption{ARN: e.ARN, Default: e.Default, Context: e.Context}
}

// shownInstance is a snapshot of an instance as an account sees it. Those of others are
// known by their ARN alone, and have nobody else's tags.
func (s *Service) shownInstance(n *Snapshot, c *gate.Call) *types.DBSnapshot {
	v := *n.Instance
	v.DBSnapshotIdentifier, v.DBSnapshotArn, v.DBInstanceIdentifier, v.DbiResourceId = &n.ID, new(n.arn()), &n.Source, &n.Resource
	kind, _ := n.open(c.Caller.Account)
	v.SnapshotType, v.Status, v.PercentProgress = &kind, new(n.status(c.At)), n.progress(c.At)
	v.Encrypted, v.KmsKeyId = new(n.Encryption.ARN != ""), n.Encryption.shown()
	if !c.At.Before(n.Done) {
		v.SnapshotCreateTime = &n.Created
	}
	if n.Account == c.Caller.Account {
		v.TagList = s.tagsOf(n.arn())
	} else {
		v.DBSnapshotIdentifier = v.DBSnapshotArn
	}
	return &v
}

// CreateDBSnapshot makes a manual snapshot of an instance.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html.
func (s *Service) CreateDBSnapshot(ctx context.Context, in *rds.CreateDBSnapshotInput) (*rds.CreateDBSnapshotOutput, error) {
	c := gate.From(ctx)
	old, err := s.instance(c, *in.DBInstanceIdentifier)
	if err != nil {
		return nil, err
	}
	if old.Cluster != "" {
		return nil, invalid("The specified instance is a member of a cluster and a snapshot cannot be created directly. Please use the CreateDBClusterSnapshot API instead.")
	}
	status := old.Phases.at(c.At)
	if status != "available" && status != "stopped" && status != "storage-optimization" {
		return nil, refuse("InvalidDBInstanceState", "Cannot create a snapshot because the database instance "+old.ID+" is not currently in the available state.")
	}
	n, err := s.snap(c, old, *in.DBSnapshotIdentifier, "manual", in.Tags)
	if err != nil {
		return nil, err
	}
	if status == "available" {
		i := *old
		i.Phases = i.Phases.then(c.At, during(c.At, "backing-up", snapping, "available")...)
		s.putInstance(&i)
	}
	return &rds.CreateDBSnapshotOutput{DBSnapshot: s.shownInstance(n, c)}, nil
}

// DeleteDBSnapshot ends a manual snapshot.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBSnapshot.html.
func (s *Service) DeleteDBSnapshot(ctx context.Context, in *rds.DeleteDBSnapshotInput) (*rds.DeleteDBSnapshotOutput, error) {
	n, err := s.end(ctx, kindOf(kindSnapshot), *in.DBSnapshotIdentifier)
	if err != nil {
		return nil, err
	}
	v := s.shownInstance(n, gate.From(ctx))
	v.Status = new("deleted")
	return &rds.DeleteDBSnapshotOutput{DBSnapshot: v}, nil
}

// end takes away a manual snapshot that the caller owns.
func (s *Service) end(ctx context.Context, k *snapshotKind, id string) (*Snapshot, error) {
	c := gate.From(ctx)
	n, err := s.own(c, k, id)
	if err != nil {
		return nil, err
	}
	if n.Type != "manual" {
		return nil, refuse(k.invalidState, "Only manual snapshots can be deleted; "+n.ID+" is automated.") // assumed text
	}
	if n.status(c.At) != "available" {
		return nil, refuse(k.invalidState, "Cannot delete the snapshot because it is not currently in the available or failed state.")
	}
	s.forget(ctx, n)
	number, what := "RDS-EVENT-0041", "Deleted user snapshot"
	if k.kind == kindSnapshot {
		s.tell(c, c.At, n.Kind, n.ID, number, "deletion", what)
	}
	return n, nil
}

// forget takes a snapshot away with its tags and grants.
func (s *Service) forget(ctx context.Context, n *Snapshot) {
	s.snapshots.Delete(n.row())
	s.tags.Delete(n.arn())
	s.Agent.Retire(ctx, n.Encryption.Grants)
}

// ModifyDBSnapshot gives a snapshot another engine version or option group.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBSnapshot.html.
func (s *Service) ModifyDBSnapshot(ctx context.Context, in *rds.ModifyDBSnapshotInput) (*rds.ModifyDBSnapshotOutput, error) {
	c := gate.From(ctx)
	old, err := s.own(c, kindOf(kindSnapshot), *in.DBSnapshotIdentifier)
	if err != nil {
		return nil, err
	}
	n, v := *old, *old.Instance
	if in.EngineVersion != nil {
		e, err := engineOf(n.engine())
		if err != nil {
			return nil, err
		}
		version, _, err := e.version(in.EngineVersion)
		if err != nil {
			return nil, err
		}
		v.EngineVersion = &version
	}
	v.OptionGroupName = first(in.OptionGroupName, v.OptionGroupName)
	n.Instance = &v
	s.snapshots.Put(n.row(), &n)
	return &rds.ModifyDBSnapshotOutput{DBSnapshot: s.shownInstance(&n, c)}, nil
}
