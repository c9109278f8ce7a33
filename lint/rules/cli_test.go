package rules

import (
	"slices"
	"testing"

	"github.com/keyreach/keyreach/awsfacts"
)

func TestNamesOfAPIsBecomeWordsOfTheCLI(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"PutKeyPolicy":                        "put-key-policy",
		"KeyId":                               "key-id",
		"CopyDBSnapshot":                      "copy-db-snapshot",
		"replicationConfigurationTemplateID":  "replication-configuration-template-id",
		"createPublicIP":                      "create-public-ip",
		"replicationServersSecurityGroupsIDs": "replication-servers-security-groups-ids",
		"SSEKMSKeyId":                         "ssekms-key-id",
		"DescribeDBClusters":                  "describe-db-clusters",
		"S3BucketName":                        "s3-bucket-name",
		"sourceServerIDs":                     "source-server-ids",
		"ReEncrypt":                           "re-encrypt",
	} {
		if got := cliWords(name); got != want {
			t.Errorf("%s became %s, not %s", name, got, want)
		}
	}
}

func TestShorthandHasItsKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"sourceServerID=s-1":                 {"sourceServerID"},
		"Key=a,Value=b":                      {"Key", "Value"},
		"Name=tag:x,Values=a,b,c":            {"Name", "Values"},
		"a={b=1,c=2},d=[x,y]":                {"a", "d"},
		`Key=a,Value="x=1,y=2"`:              {"Key", "Value"},
		"Key@=file://x":                      {"Key"},
		"arn:aws:iam::111122223333:role/a=b": nil,
	} {
		if got := shorthandKeys(text); !slices.Equal(got, want) {
			t.Errorf("%s has %v, not %v", text, got, want)
		}
	}
}

func TestQueriesAreFollowedThroughTheAnswer(t *testing.T) {
	t.Parallel()
	servers := outputOf(t, "drs", "DescribeSourceServers")
	for query, want := range map[string][]string{
		"items[].sourceServerID":                                          nil,
		"items[].lifeCycle.state":                                         {"state"},
		"items[*].[sourceServerID, arn, lifeCycle.lastLaunch]":            nil,
		"items[].{ID: sourceServerID, State: lifeCycle.state}":            {"state"},
		"items[?dataReplicationInfo.dataReplicationState=='STALLED'].arn": nil,
		"items[?state=='x'].arn":                                          {"state"},
		"length(items)":                                                   nil,
		"items[0].tags.Name":                                              nil,
		"sort_by(items, &arn)[0].anything":                                nil,
		"Items":                                                           {"Items"},
		"items[].arn | [0]":                                               nil,
		"items[?contains(arn, `x`) == `true`] | [0].nothing":              {"nothing"},
		"items[?!tags].arn || 'none'":                                     nil,
		"items[?arn!=null].arn":                                           nil,
		"items[?tags==true].arn":                                          {"true"},
		"items[":                                                          nil,
		"items[].":                                                        nil,
		"{a: items[0].arn, \"b c\": items[1].nope}":                       {"nope"},
	} {
		var got []string
		for _, b := range checkQuery(query, servers) {
			got = append(got, b.name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v is not in the answer, not %v", query, got, want)
		}
	}
}

// The CLI decodes the policies in the answers of IAM, and no others.
func TestQueriesLookIntoThePoliciesOfIAM(t *testing.T) {
	t.Parallel()
	if bad := checkQuery("Role.AssumeRolePolicyDocument.Statement[0].Action", outputOf(t, "iam", "GetRole")); len(bad) > 0 {
		t.Errorf("the policy of a role has no %s", bad[0].name)
	}
	if bad := checkQuery("Policy.Statement", outputOf(t, "kms", "GetKeyPolicy")); len(bad) != 1 {
		t.Error("the policy of a key is taken for more than a text")
	}
}

func outputOf(t *testing.T, service, operation string) *awsfacts.Shape {
	t.Helper()
	api, ok := awsfacts.LookupAPI(service)
	if !ok || api.Operation(operation) == nil {
		t.Fatalf("no %s:%s", service, operation)
	}
	return api.Operation(operation).Output
}

func FuzzQueries(f *testing.F) {
	for _, q := range []string{"a[].b", "a[?b=='c'] | [0]", "{a: b}", "[a, b]", "f(&x)", "((((", "[[[[", "!!!!"} {
		f.Add(q)
	}
	api, _ := awsfacts.LookupAPI("kms")
	f.Fuzz(func(t *testing.T, query string) {
		checkQuery(query, api.Operation("DescribeKey").Output)
		shorthandKeys(query)
	})
}
