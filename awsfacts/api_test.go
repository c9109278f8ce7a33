package awsfacts_test

import (
	"testing"

	"github.com/keyreach/keyreach/awsfacts"
)

func TestTheTablesOfTheAPIsSayWhatTheServicesSpeak(t *testing.T) {
	t.Parallel()
	tests := []struct {
		service, protocol, version, signing, operation, method, uri string
		status                                                      int
	}{
		{"autoscaling", "query", "2011-01-01", "autoscaling", "CreateAutoScalingGroup", "POST", "/", 200},
		{"backup", "rest-json", "2018-11-15", "backup", "CreateBackupVault", "PUT", "/backup-vaults/{backupVaultName}", 200},
		{"cloudtrail", "json", "2013-11-01", "cloudtrail", "LookupEvents", "POST", "/", 200},
		{"ebs", "rest-json", "2019-11-02", "ebs", "CompleteSnapshot", "POST", "/snapshots/completion/{snapshotId}", 202},
		{"ec2", "ec2", "2016-11-15", "ec2", "RunInstances", "POST", "/", 200},
		{"iam", "query", "2010-05-08", "iam", "GetRole", "POST", "/", 200},
		{"kms", "json", "2014-11-01", "kms", "Decrypt", "POST", "/", 200},
		{"organizations", "json", "2016-11-28", "organizations", "ListRoots", "POST", "/", 200},
		{"rds", "query", "2014-10-31", "rds", "CopyDBSnapshot", "POST", "/", 200},
		{"s3", "rest-xml", "2006-03-01", "s3", "DeleteObject", "DELETE", "/{Bucket}/{Key+}", 204},
		{"sts", "query", "2011-06-15", "sts", "AssumeRole", "POST", "/", 200},
	}
	for _, tt := range tests {
		api, ok := awsfacts.LookupAPI(tt.service)
		if !ok || api.Protocol != tt.protocol || api.Version != tt.version || api.SigningName != tt.signing {
			t.Errorf("%s: %+v", tt.service, api)
			continue
		}
		op := api.Operation(tt.operation)
		if op == nil || op.Method != tt.method || op.URI != tt.uri || op.Status != tt.status {
			t.Errorf("%s:%s: %+v", tt.service, tt.operation, op)
		}
		if source, version, date := awsfacts.APIVersion(tt.service); source == "" || version == "" || date == "" {
			t.Errorf("%s does not say where it comes from", tt.service)
		}
	}
	if _, ok := awsfacts.LookupAPI("no-such-service"); ok {
		t.Error("a service that is not there has a table")
	}
}

func TestTheTableOfS3KnowsWhatOnlyXMLHas(t *testing.T) {
	t.Parallel()
	api, _ := awsfacts.LookupAPI("s3")
	if api.XMLNamespace != "http://s3.amazonaws.com/doc/2006-03-01/" {
		t.Errorf("the namespace is %q", api.XMLNamespace)
	}
	grantee := api.Shapes["Grantee"]
	if m := grantee.Member("Type"); m == nil || !m.Attribute || m.Wire() != "xsi:type" || grantee.Prefix != "xsi" || grantee.Namespace == "" {
		t.Errorf("the type of a grantee is no attribute: %+v", grantee)
	}
	if op := api.Operation("ListObjectsV2"); op.Wrapper != "ListBucketResult" {
		t.Errorf("ListObjectsV2 answers a %q", op.Wrapper)
	}
	// Of two operations under one method and path the table has the one that AWS
	// did not replace.
	if api.Operation("GetBucketLifecycle") != nil || api.Operation("GetBucketLifecycleConfiguration") == nil {
		t.Error("a replaced operation is in the table")
	}
}

// A table is read in no order, and the use of a shape has to know of the shape.
func TestEveryUseOfAFlattenedShapeIsFlattened(t *testing.T) {
	t.Parallel()
	api, _ := awsfacts.LookupAPI("s3")
	seen := 0
	for _, s := range api.Shapes {
		for _, m := range s.Members {
			if m.Shape.Flattened {
				seen++
				if !m.Flattened {
					t.Errorf("%s of %s is not flattened", m.Name, s.Name)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no shape of S3 is flattened")
	}
}
