package rds

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// engine is an engine of databases.
type engine struct {
	name, about, license string
	port                 int32
	aurora               bool
	majors               []major
}

// major is a major version with the version that is taken when none is named.
type major struct{ name, version, family string }

// engines are those that the sandbox knows. The default versions are of late 2025; AWS
// moves them on.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBEngineVersions.html.
var engines = []engine{
	{"postgres", "PostgreSQL", "postgresql-license", 5432, false, []major{
		{"13", "13.22", "postgres13"}, {"14", "14.19", "postgres14"}, {"15", "15.14", "postgres15"}, {"16", "16.10", "postgres16"}, {"17", "17.6", "postgres17"},
	}},
	{"mysql", "MySQL Community Edition", "general-public-license", 3306, false, []major{{"8.4", "8.4.6", "mysql8.4"}, {"8.0", "8.0.43", "mysql8.0"}}},
	{"mariadb", "MariaDB Community Edition", "general-public-license", 3306, false, []major{{"10.6", "10.6.23", "mariadb10.6"}, {"10.11", "10.11.14", "mariadb10.11"}, {"11.4", "11.4.8", "mariadb11.4"}}},
	{"oracle-se2", "Oracle Standard Edition Two", "license-included", 1521, false, []major{{"19", "19.0.0.0.ru-2025-07.rur-2025-07.r1", "oracle-se2-19"}}},
	{"aurora-mysql", "Aurora MySQL", "general-public-license", 3306, true, []major{{"8.0", "8.0.mysql_aurora.3.08.2", "aurora-mysql8.0"}}},
	{"aurora-postgresql", "Aurora (PostgreSQL)", "postgresql-license", 5432, true, []major{
		{"14", "14.18", "aurora-postgresql14"}, {"15", "15.13", "aurora-postgresql15"}, {"16", "16.9", "aurora-postgresql16"}, {"17", "17.5", "aurora-postgresql17"},
	}},
}

// engineOf is the engine that a request names.
func engineOf(name string) (*engine, error) {
	for i := range engines {
		if engines[i].name == strings.ToLower(name) {
			return &engines[i], nil
		}
	}
	return nil, invalid("Invalid DB engine: " + name)
}

// version is the version that a request means, and the major version that it is of. A
// minor version that the sandbox has not heard of is taken as it is.
func (e *engine) version(named *string) (string, *major, error) {
	v := aws.ToString(named)
	if v == "" {
		m := &e.majors[len(e.majors)-1]
		return m.version, m, nil
	}
	for i := range e.majors {
		m := &e.majors[i]
		if v == m.name {
			return m.version, m, nil
		}
		if strings.HasPrefix(v, m.name+".") {
			return v, m, nil
		}
	}
	return "", nil, combination("Cannot find version " + v + " for " + e.name)
}

// optionGroup is the name of the option group that databases have which name none.
func (e *engine) optionGroup(m *major) string { return "default:" + e.name + "-" + dashed(m.name) }

func dashed(version string) string { return strings.ReplaceAll(version, ".", "-") }

// familyOf is the engine and major version of a parameter group family.
func familyOf(family string) (*engine, *major, bool) {
	for i := range engines {
		for j := range engines[i].majors {
			if engines[i].majors[j].family == family {
				return &engines[i], &engines[i].majors[j], true
			}
		}
	}
	return nil, nil, false
}

// classes are the instance classes that DescribeOrderableDBInstanceOptions offers;
// others can be made all the same.
var classes = []string{"db.t3.micro", "db.t3.medium", "db.t4g.micro", "db.t4g.medium", "db.m6g.large", "db.r6g.large", "db.serverless"}

// DescribeDBEngineVersions lists the versions of engines.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBEngineVersions.html.
func (s *Service) DescribeDBEngineVersions(ctx context.Context, in *rds.DescribeDBEngineVersionsInput) (*rds.DescribeDBEngineVersionsOutput, error) {
	c := gate.From(ctx)
	wanted, err := wants(in.Filters, "db-parameter-group-family", "engine", "engine-mode", "engine-version", "status")
	if err != nil {
		return nil, err
	}
	list := []types.DBEngineVersion{}
	for i := range engines {
		e := &engines[i]
		if in.Engine != nil && *in.Engine != e.name || !wanted.has("engine", e.name) {
			continue
		}
		for j := range e.majors {
			m := &e.majors[j]
			version, of, err := e.version(in.EngineVersion)
			if in.EngineVersion != nil && (err != nil || of != m) || in.DBParameterGroupFamily != nil && *in.DBParameterGroupFamily != m.family {
				continue
			}
			if in.EngineVersion == nil {
				version = m.version
			}
			if is(in.DefaultOnly) && in.EngineVersion == nil && j != len(e.majors)-1 || !wanted.has("engine-version", version) || !wanted.has("db-parameter-group-family", m.family) {
				continue
			}
			list = append(list, e.shown(c, m, version))
		}
	}
	part, next, err := page(list, in.Marker, in.MaxRecords)
	return &rds.DescribeDBEngineVersionsOutput{DBEngineVersions: part, Marker: next}, err
}

func (e *engine) shown(c *gate.Call, m *major, version string) types.DBEngineVersion {
	v := types.DBEngineVersion{
		Engine: &e.name, EngineVersion: &version, MajorEngineVersion: &m.name, DBParameterGroupFamily: &m.family, DBEngineDescription: &e.about,
		DBEngineVersionDescription: new(e.about + " " + version), Status: new("available"), SupportsLogExportsToCloudwatchLogs: new(true), SupportsReadReplica: new(true),
		SupportsParallelQuery: new(false), SupportsGlobalDatabases: new(e.aurora), SupportsBabelfish: new(false), SupportsLimitlessDatabase: new(false),
		SupportsCertificateRotationWithoutRestart: new(true), SupportedCACertificateIdentifiers: []string{"rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"},
	}
	if e.aurora {
		v.SupportedEngineModes = []string{"provisioned"}
	}
	return v
}

// DescribeOrderableDBInstanceOptions lists what can be ordered.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeOrderableDBInstanceOptions.html.
func (s *Service) DescribeOrderableDBInstanceOptions(ctx context.Context, in *rds.DescribeOrderableDBInstanceOptionsInput) (*rds.DescribeOrderableDBInstanceOptionsOutput, error) {
	c := gate.From(ctx)
	e, err := engineOf(*in.Engine)
	if err != nil {
		return nil, err
	}
	list := []types.OrderableDBInstanceOption{}
	for i := range e.majors {
		m := &e.majors[i]
		version, of, err := e.version(in.EngineVersion)
		if in.EngineVersion != nil && (err != nil || of != m) {
			continue
		}
		if in.EngineVersion == nil {
			version = m.version
		}
		for _, class := range classes {
			if in.DBInstanceClass != nil && *in.DBInstanceClass != class || class == "db.serverless" && !e.aurora || in.LicenseModel != nil && *in.LicenseModel != e.license {
				continue
			}
			for _, storage := range e.storage() {
				list = append(list, e.orderable(c, version, class, storage))
			}
		}
	}
	part, next, err := pageOf(list, in.Marker, in.MaxRecords, 1000)
	return &rds.DescribeOrderableDBInstanceOptionsOutput{OrderableDBInstanceOptions: part, Marker: next}, err
}

func (e *engine) storage() []string {
	if e.aurora {
		return []string{"aurora"}
	}
	return []string{"gp2", "gp3", "io1"}
}

func (e *engine) orderable(c *gate.Call, version, class, storage string) types.OrderableDBInstanceOption {
	return types.OrderableDBInstanceOption{
		Engine: &e.name, EngineVersion: &version, DBInstanceClass: &class, LicenseModel: &e.license, StorageType: &storage, Vpc: new(true),
		AvailabilityZones: []types.AvailabilityZone{{Name: new(c.Region + "a")}, {Name: new(c.Region + "b")}, {Name: new(c.Region + "c")}},
		MultiAZCapable:    new(!e.aurora), ReadReplicaCapable: new(true), SupportsStorageEncryption: new(true), SupportsIops: new(storage == "io1"),
		SupportsIAMDatabaseAuthentication: new(true), SupportsPerformanceInsights: new(true), SupportsEnhancedMonitoring: new(true), SupportsStorageAutoscaling: new(!e.aurora),
		SupportsGlobalDatabases: new(e.aurora), SupportsClusters: new(e.aurora), SupportedNetworkTypes: []string{"IPV4"}, OutpostCapable: new(false), SupportsKerberosAuthentication: new(true),
		SupportedEngineModes: slices.Clip([]string{"provisioned"}),
	}
}
