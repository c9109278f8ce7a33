package live

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
)

// maxSessionPolicy is how many characters an inline session policy may have. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const maxSessionPolicy = 2048

// need is what the calls of an op ask of IAM: actions on a resource, by somebody of an
// account.
type need struct {
	account string
	on      object
	actions []string
}

// object is what an action is allowed on: the ARN of a resource or *, and the service
// through which alone, as kms:ViaService names it.
type object struct{ arn, via string }

// of is an object that is used directly.
func of(arn string) object { return object{arn: arn} }

// OpActions returns the IAM actions that Current and Perform of an op take, of all
// accounts that they call, sorted.
func OpActions(op estate.Op) []string {
	var list []string
	for _, n := range opNeeds(op) {
		list = append(list, n.actions...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// SessionPolicies returns, by account, the policies that narrow the sessions of an apply
// to its ops, for Options.SessionPolicies. The ops of an account are its own, and the
// grants that it issues or that are on its keys.
func SessionPolicies(ops []estate.Op) map[string]string {
	by := map[string][]need{}
	for _, op := range ops {
		for _, n := range opNeeds(op) {
			by[n.account] = append(by[n.account], n)
		}
	}
	policies := map[string]string{}
	for account, needs := range by {
		policies[account] = sessionPolicy(needs)
	}
	return policies
}

// SessionPolicy returns a session policy that allows what Current and Perform of the
// ops call, and nothing else: on the ops' subjects where IAM knows resources, on all
// where it does not. Who the caller is may be asked without a right. A session policy
// has 2,048 characters; what does not fit falls back to the actions alone, on all
// resources, and what does not fit then either to all of the services. A session policy
// gives no right: it narrows those of the role. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session.
func SessionPolicy(ops []estate.Op) string {
	var needs []need
	for _, op := range ops {
		needs = append(needs, opNeeds(op)...)
	}
	return sessionPolicy(needs)
}

func sessionPolicy(needs []need) string {
	if text := sessionText(needs); len(text) <= maxSessionPolicy {
		return text
	}
	var wide, widest []need
	for _, n := range needs {
		wide = append(wide, need{on: object{"*", n.on.via}, actions: n.actions})
		for _, a := range n.actions {
			service, _, _ := strings.Cut(a, ":")
			widest = append(widest, need{on: of("*"), actions: []string{service + ":*"}})
		}
	}
	if text := sessionText(wide); len(text) <= maxSessionPolicy {
		return text
	}
	return sessionText(widest)
}

// allowed is a statement of a session policy.
type allowed struct {
	Effect           string
	Action, Resource []string
	Condition        map[string]map[string]string `json:",omitempty"`
}

// sessionText writes one statement for each set of actions.
func sessionText(needs []need) string {
	actions := map[object]map[string]bool{}
	for _, n := range needs {
		if actions[n.on] == nil {
			actions[n.on] = map[string]bool{}
		}
		for _, a := range n.actions {
			actions[n.on][a] = true
		}
	}
	statements := map[string]*allowed{} // by actions and service
	for on, set := range actions {
		list := slices.Sorted(maps.Keys(set))
		key := strings.Join(list, " ") + " " + on.via
		s := statements[key]
		if s == nil {
			s = &allowed{Effect: "Allow", Action: list}
			statements[key] = s
		}
		s.Resource = append(s.Resource, on.arn)
		if on.via != "" {
			s.Condition = map[string]map[string]string{"StringEquals": {"kms:ViaService": on.via}}
		}
	}
	policy := struct {
		Version   string
		Statement []*allowed
	}{Version: "2012-10-17", Statement: []*allowed{}}
	for _, key := range slices.Sorted(maps.Keys(statements)) {
		slices.Sort(statements[key].Resource)
		policy.Statement = append(policy.Statement, statements[key])
	}
	text, _ := json.Marshal(policy) // texts alone
	return string(text)
}

// opNeeds is the table of what the calls of ops ask. See
// https://docs.aws.amazon.com/service-authorization/latest/reference/.
func opNeeds(op estate.Op) []need {
	s := op.Slot()
	switch o := op.(type) {
	case *estate.KeyPolicy, *estate.NewKey, *estate.KeyState, *estate.Alias, *estate.Rotation, *estate.GrantTo:
		return keyNeeds(op)
	case *estate.InlinePolicy, *estate.NewRole, *estate.LinkedRole:
		return iamNeeds(op)
	case *estate.EBSEncryption:
		keys := []need{{s.Account, of(anyKey(o.Account, o.Region)), []string{"kms:DescribeKey"}}} // of whichever key is the default
		if a, err := arn.Parse(o.Key); err == nil && a.Account != o.Account {
			keys = append(keys, need{s.Account, of(o.Key), []string{"kms:DescribeKey"}})
		}
		return append(keys, need{
			s.Account, of("*"), []string{
				"ec2:GetEbsEncryptionByDefault", "ec2:GetEbsDefaultKmsKeyId", "ec2:EnableEbsEncryptionByDefault", "ec2:DisableEbsEncryptionByDefault",
				"ec2:ModifyEbsDefaultKmsKeyId", "ec2:ResetEbsDefaultKmsKeyId",
			},
		})
	case *estate.ReplicationEncryption:
		return drsNeeds(o)
	case *estate.VaultPolicy:
		vault := arn.ARN{Partition: awsfacts.PartitionName(o.Region), Service: "backup", Region: o.Region, Account: o.Account, Resource: "backup-vault:" + vaultName(o.Vault)}
		return []need{{s.Account, of(vault.String()), []string{
			"backup:GetBackupVaultAccessPolicy", "backup:PutBackupVaultAccessPolicy", "backup:DeleteBackupVaultAccessPolicy", "backup:DescribeBackupVault",
		}}}
	case *estate.NewBucket:
		return []need{{s.Account, of(bucketARN(o.Region, o.Bucket)), []string{"s3:ListBucket", "s3:CreateBucket", "s3:PutBucketOwnershipControls", "s3:DeleteBucket"}}}
	case *estate.BucketSetting:
		return []need{{s.Account, of(bucketARN(o.Region, o.Bucket)), settingActions(o.Setting)}}
	case *estate.Share:
		return shareNeeds(o)
	}
	return nil
}

// anyKey stands for the keys of an account in a Region, where an op does not know which
// one is meant.
func anyKey(account, region string) string { return opKeyARN(account, region, "*") }

// knownKey is a key's ARN, or any key's while AWS has given it none.
func knownKey(key string) string {
	a, err := arn.Parse(key)
	if err != nil || estate.IsProvisional(key) {
		return anyKey(a.Account, a.Region)
	}
	return key
}

func keyNeeds(op estate.Op) []need {
	s := op.Slot()
	key := knownKey(s.Subject)
	switch o := op.(type) {
	case *estate.KeyPolicy:
		return []need{{s.Account, of(key), []string{"kms:GetKeyPolicy", "kms:PutKeyPolicy"}}}
	case *estate.KeyState:
		return []need{{s.Account, of(key), []string{"kms:DescribeKey", "kms:EnableKey", "kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"}}}
	case *estate.Rotation:
		return []need{{s.Account, of(key), []string{"kms:GetKeyRotationStatus", "kms:EnableKeyRotation", "kms:DisableKeyRotation"}}}
	case *estate.NewKey:
		return newKeyNeeds(o, key)
	case *estate.Alias: // it is asked of the alias, and of the old and the new key
		alias := arn.ARN{Partition: awsfacts.PartitionName(o.Region), Service: "kms", Region: o.Region, Account: o.Account, Resource: o.Name}
		change := []string{"kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"}
		return []need{{s.Account, of("*"), []string{"kms:ListAliases"}}, {s.Account, of(alias.String()), change}, {s.Account, of(anyKey(o.Account, o.Region)), change}}
	case *estate.GrantTo:
		owner := s.Account
		if a, err := arn.Parse(o.Key); err == nil {
			owner = a.Account
		}
		end := []string{"kms:ListGrants", "kms:RevokeGrant"}
		return []need{{owner, of(key), end}, {s.Account, of(key), append([]string{"kms:CreateGrant", "kms:RetireGrant"}, end...)}}
	}
	return nil
}

// newKeyNeeds are those of a key: making one is asked of no key, and the first
// multi-Region key of an account brings a service-linked role along. See
// https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-auth-slr.html.
func newKeyNeeds(o *estate.NewKey, key string) []need {
	account := o.Slot().Account
	needs := []need{
		{account, of(key), []string{"kms:DescribeKey", "kms:EnableKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"}},
		{account, of("*"), []string{"kms:CreateKey", "kms:TagResource"}},
	}
	if estate.IsProvisional(o.ARN) {
		needs = append(needs, need{account, of("*"), []string{"kms:ListKeys", "kms:ListResourceTags"}})
	}
	if o.Primary != "" {
		needs = append(needs, need{account, of(knownKey(o.Primary)), []string{"kms:ReplicateKey"}})
	}
	if o.MultiRegion || o.Primary != "" {
		linked := arn.ARN{Partition: awsfacts.PartitionName(o.Slot().Region), Service: "iam", Account: account, Resource: "role/aws-service-role/mrk.kms.amazonaws.com/*"}
		needs = append(needs, need{account, of(linked.String()), []string{"iam:CreateServiceLinkedRole"}})
	}
	return needs
}

// iamNeeds are those of users and roles. IAM names one that is not there without its
// path, which only it would know.
func iamNeeds(op estate.Op) []need {
	s := op.Slot()
	needs := []need{{s.Account, of(s.Subject), iamActions(op)}}
	if p, err := arn.ParsePrincipal(s.Subject); err == nil && p.Path != "" && p.Path != "/" {
		needs = append(needs, need{s.Account, of(strings.Replace(s.Subject, p.Path, "/", 1)), iamActions(op)})
	}
	if s.Kind == "linked-role" { // the deletion is a task
		needs = append(needs, need{s.Account, of("*"), []string{"iam:GetServiceLinkedRoleDeletionStatus"}})
	}
	return needs
}

func iamActions(op estate.Op) []string {
	switch o := op.(type) {
	case *estate.InlinePolicy:
		if p, err := arn.ParsePrincipal(o.Principal); err == nil && p.Kind == arn.User {
			return []string{"iam:GetUser", "iam:GetUserPolicy", "iam:PutUserPolicy", "iam:DeleteUserPolicy"}
		}
		return []string{"iam:GetRole", "iam:GetRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy"}
	case *estate.NewRole:
		return []string{
			"iam:GetRole", "iam:CreateRole", "iam:DeleteRole", "iam:UpdateAssumeRolePolicy", "iam:ListAttachedRolePolicies", "iam:AttachRolePolicy", "iam:DetachRolePolicy",
		}
	}
	return []string{"iam:GetRole", "iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole"}
}

// drsNeeds are those of the settings of replication. Writing them asks also for rights
// of the caller on what the settings name. See
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticdisasterrecovery.html.
func drsNeeds(o *estate.ReplicationEncryption) []need {
	id := "replication-configuration-template/" + lastPart(o.ID)
	actions := []string{"drs:UpdateReplicationConfigurationTemplate"}
	read := need{o.Account, of("*"), []string{"drs:DescribeReplicationConfigurationTemplates"}}
	if o.Type == opSourceServer {
		id, actions = "source-server/"+lastPart(o.ID), []string{"drs:UpdateReplicationConfiguration", "drs:GetReplicationConfiguration"}
		read.actions = nil
	}
	what := arn.ARN{Partition: awsfacts.PartitionName(o.Region), Service: "drs", Region: o.Region, Account: o.Account, Resource: id}
	read.actions = append(read.actions, "ec2:DescribeInstances", "ec2:DescribeSecurityGroups", "ec2:CreateSecurityGroup", "ec2:GetEbsDefaultKmsKeyId", "ec2:GetEbsEncryptionByDefault")
	needs := []need{{o.Account, of(what.String()), actions}, read}
	if o.Key != "" {
		needs = append(needs, need{o.Account, of(knownKey(o.Key)), []string{"kms:CreateGrant", "kms:DescribeKey"}})
	}
	return needs
}

func bucketARN(region, bucket string) string {
	if strings.HasPrefix(bucket, "arn:") {
		return bucket
	}
	return "arn:" + awsfacts.PartitionName(region) + ":s3:::" + bucket
}

func settingActions(setting string) []string {
	switch setting {
	case estate.BucketPolicy:
		return []string{"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"}
	case estate.BucketVersioning:
		return []string{"s3:GetBucketVersioning", "s3:PutBucketVersioning"}
	case estate.BucketEncryption, estate.BucketKeyOn:
		return []string{"s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"}
	case estate.BucketPublicAccess:
		return []string{"s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"}
	case estate.BucketLifecycle:
		return []string{"s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"}
	}
	return nil
}

// shareNeeds are those of sharing. EC2 leaves the account out of the ARNs of snapshots
// and images.
func shareNeeds(o *estate.Share) []need {
	what := arn.ARN{Partition: awsfacts.PartitionName(o.Region), Service: "ec2", Region: o.Region}
	switch o.Type {
	case opSnapshot:
		what.Resource = "snapshot/" + lastPart(o.ID)
		return []need{
			{o.Account, of("*"), []string{"ec2:DescribeSnapshotAttribute"}}, {o.Account, of(what.String()), []string{"ec2:ModifySnapshotAttribute"}},
			{o.Account, object{"*", "ec2." + o.Region + ".amazonaws.com"}, []string{"kms:DescribeKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"}}, // of whichever key encrypts it
		}
	case opImage:
		what.Resource = "image/" + lastPart(o.ID)
		return []need{{o.Account, of("*"), []string{"ec2:DescribeImageAttribute"}}, {o.Account, of(what.String()), []string{"ec2:ModifyImageAttribute"}}}
	case opDB:
		what.Service, what.Account, what.Resource = "rds", o.Account, "snapshot:"+dbName(o.ID)
		return []need{{o.Account, of(what.String()), []string{"rds:DescribeDBSnapshotAttributes", "rds:ModifyDBSnapshotAttribute"}}}
	case opDBCluster:
		what.Service, what.Account, what.Resource = "rds", o.Account, "cluster-snapshot:"+dbName(o.ID)
		return []need{{o.Account, of(what.String()), []string{"rds:DescribeDBClusterSnapshotAttributes", "rds:ModifyDBClusterSnapshotAttribute"}}}
	}
	return nil
}
