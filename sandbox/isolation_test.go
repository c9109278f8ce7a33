package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

const (
	isleA, isleB, isleC = "111122223333", "444455556666", "777788889999"
	isleEast, isleWest  = "us-east-1", "eu-west-1"
)

// isle is what an account has in a Region.
type isle struct {
	account, region, key, grant string
}

// users are the names of what an account has in IAM.
func userOf(account string) string { return "user-of-" + account }

func (w *watched) in(account, region string) aws.Config {
	c := w.config(account, "any")
	c.Region = region
	return c
}

// settle makes what an account has.
func (w *watched) settle(t *testing.T, account string) {
	t.Helper()
	ctx, c, name := t.Context(), iam.NewFromConfig(w.in(account, isleEast)), userOf(account)
	const all = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}]}`
	need(c.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}))(t)
	need(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name}))(t)
	need(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: new("role-of-" + account), AssumeRolePolicyDocument: &trust}))(t)
	need(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: new("group-of-" + account)}))(t)
	need(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("policy-of-" + account), PolicyDocument: new(all)}))(t)
	need(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: new("profile-of-" + account)}))(t)
	need(s3Of(w.in(account, isleEast)).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: new("bucket-of-" + account)}))(t)
	need(c.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: new("alias-of-" + account)}))(t)
	for _, region := range []string{isleEast, isleWest} {
		need(cloudtrail.NewFromConfig(w.in(account, region)).CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: new("trail-of-" + account + "-" + region), S3BucketName: new("bucket")}))(t)
	}
}

// keyIn makes a key with an alias, a tag and a grant.
func (w *watched) keyIn(t *testing.T, account, region string) isle {
	t.Helper()
	ctx, c := t.Context(), kms.NewFromConfig(w.in(account, region))
	id := *need(c.CreateKey(ctx, &kms.CreateKeyInput{Tags: []types.Tag{{TagKey: new("of"), TagValue: new(account + region)}}}))(t).KeyMetadata.KeyId
	need(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new("alias/app"), TargetKeyId: &id}))(t)
	role := "arn:aws:iam::" + account + ":role/role-of-" + account
	g := need(c.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &id, GranteePrincipal: &role, RetiringPrincipal: &role, Operations: []types.GrantOperation{types.GrantOperationDecrypt}}))(t)
	return isle{account, region, id, *g.GrantId}
}

// lists are all that an account is told about itself in a Region, by call. A list
// that holds nothing of the account's Region is global.
func (w *watched) lists(t *testing.T, at isle) map[string]any {
	t.Helper()
	ctx, cfg := t.Context(), w.in(at.account, at.region)
	k, i, c := kms.NewFromConfig(cfg), iam.NewFromConfig(cfg), cloudtrail.NewFromConfig(cfg)
	name, role := userOf(at.account), "arn:aws:iam::"+at.account+":role/role-of-"+at.account
	return map[string]any{
		"kms:ListKeys":                 need(k.ListKeys(ctx, &kms.ListKeysInput{}))(t).Keys,
		"kms:ListAliases":              need(k.ListAliases(ctx, &kms.ListAliasesInput{}))(t).Aliases,
		"kms:ListGrants":               need(k.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &at.key}))(t).Grants,
		"kms:ListRetirableGrants":      need(k.ListRetirableGrants(ctx, &kms.ListRetirableGrantsInput{RetiringPrincipal: &role}))(t).Grants,
		"kms:ListResourceTags":         need(k.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &at.key}))(t).Tags,
		"iam:ListUsers":                need(i.ListUsers(ctx, &iam.ListUsersInput{}))(t).Users,
		"iam:ListRoles":                need(i.ListRoles(ctx, &iam.ListRolesInput{}))(t).Roles,
		"iam:ListGroups":               need(i.ListGroups(ctx, &iam.ListGroupsInput{}))(t).Groups,
		"iam:ListPolicies":             need(i.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal}))(t).Policies,
		"iam:ListAccessKeys":           need(i.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &name}))(t).AccessKeyMetadata,
		"iam:ListInstanceProfiles":     need(i.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{}))(t).InstanceProfiles,
		"iam:ListAccountAliases":       need(i.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{}))(t).AccountAliases,
		"s3:ListBuckets":               need(s3Of(cfg).ListBuckets(ctx, &s3.ListBucketsInput{}))(t),
		"cloudtrail:LookupEvents":      need(c.LookupEvents(ctx, &cloudtrail.LookupEventsInput{}))(t).Events,
		"cloudtrail:DescribeTrails":    need(c.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{}))(t).TrailList,
		"iam:GetAccountAuthorization…": need(i.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: []iamtypes.EntityType{iamtypes.EntityTypeUser, iamtypes.EntityTypeRole, iamtypes.EntityTypeGroup, iamtypes.EntityTypeLocalManagedPolicy}}))(t),
	}
}

// isles are a key in each of two Regions of each of two accounts.
func (w *watched) isles(t *testing.T) (list []isle) {
	t.Helper()
	for _, account := range []string{isleA, isleB} {
		w.settle(t, account)
		for _, region := range []string{isleEast, isleWest} {
			list = append(list, w.keyIn(t, account, region))
		}
	}
	return list
}

func TestListsTellOfOnesOwnAccountAndRegionOnly(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	isles := w.isles(t)
	need(organizations.NewFromConfig(w.in(isleA, isleEast)).CreateOrganization(t.Context(), &organizations.CreateOrganizationInput{}))(t)
	for _, at := range isles {
		for call, list := range w.lists(t, at) {
			text, err := json.Marshal(list)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), at.account) && !strings.Contains(string(text), at.key) {
				t.Errorf("%s in %s, %s tells nothing: %.300s", call, at.account, at.region, text)
			}
			for _, other := range isles {
				if other.account != at.account && strings.Contains(string(text), other.account) {
					t.Errorf("%s in %s tells of %s: %s", call, at.account, other.account, text)
				}
				if other != at && (strings.Contains(string(text), other.key) || strings.Contains(string(text), other.grant)) {
					t.Errorf("%s in %s, %s tells of the key in %s, %s: %s", call, at.account, at.region, other.account, other.region, text)
				}
			}
		}
	}
	_, err := organizations.NewFromConfig(w.in(isleB, isleEast)).ListAccounts(t.Context(), &organizations.ListAccountsInput{})
	if err == nil || !strings.Contains(err.Error(), "AWSOrganizationsNotInUseException") {
		t.Errorf("an account outside the organization lists its accounts: %v", err)
	}
}

func TestTheSameAliasLeadsToTheKeyOfItsAccountAndRegion(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	isles := w.isles(t)
	for _, at := range isles {
		c := kms.NewFromConfig(w.in(at.account, at.region))
		if got := *need(c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/app")}))(t).KeyMetadata.KeyId; got != at.key {
			t.Errorf("alias/app in %s, %s leads to %s and not to %s", at.account, at.region, got, at.key)
		}
		need(c.DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: new("alias/app")}))(t)
	}
}

// keyCalls are a request of each operation that names a key; KEY stands for it.
var keyCalls = map[string]string{
	"CancelKeyDeletion":                   `{"KeyId":"KEY"}`,
	"CreateAlias":                         `{"AliasName":"alias/new","TargetKeyId":"KEY"}`,
	"CreateGrant":                         `{"KeyId":"KEY","GranteePrincipal":"arn:aws:iam::444455556666:root","Operations":["Decrypt"]}`,
	"Decrypt":                             `{"KeyId":"KEY","CiphertextBlob":"BLOB"}`,
	"DeleteImportedKeyMaterial":           `{"KeyId":"KEY"}`,
	"DeriveSharedSecret":                  `{"KeyId":"KEY","KeyAgreementAlgorithm":"ECDH","PublicKey":"AAAA"}`,
	"DescribeKey":                         `{"KeyId":"KEY"}`,
	"DisableKey":                          `{"KeyId":"KEY"}`,
	"DisableKeyRotation":                  `{"KeyId":"KEY"}`,
	"EnableKey":                           `{"KeyId":"KEY"}`,
	"EnableKeyRotation":                   `{"KeyId":"KEY","RotationPeriodInDays":100}`,
	"Encrypt":                             `{"KeyId":"KEY","Plaintext":"AAAA","EncryptionContext":{"a":"b"}}`,
	"GenerateDataKey":                     `{"KeyId":"KEY","KeySpec":"AES_256"}`,
	"GenerateDataKeyPair":                 `{"KeyId":"KEY","KeyPairSpec":"ECC_NIST_P256"}`,
	"GenerateDataKeyPairWithoutPlaintext": `{"KeyId":"KEY","KeyPairSpec":"ECC_NIST_P256"}`,
	"GenerateDataKeyWithoutPlaintext":     `{"KeyId":"KEY","NumberOfBytes":16}`,
	"GenerateMac":                         `{"KeyId":"KEY","Message":"AAAA","MacAlgorithm":"HMAC_SHA_256"}`,
	"GetKeyLastUsage":                     `{"KeyId":"KEY"}`,
	"GetKeyPolicy":                        `{"KeyId":"KEY","PolicyName":"default"}`,
	"GetKeyRotationStatus":                `{"KeyId":"KEY"}`,
	"GetParametersForImport":              `{"KeyId":"KEY","WrappingAlgorithm":"RSAES_OAEP_SHA_256","WrappingKeySpec":"RSA_2048"}`,
	"GetPublicKey":                        `{"KeyId":"KEY"}`,
	"ImportKeyMaterial":                   `{"KeyId":"KEY","ImportToken":"AAAA","EncryptedKeyMaterial":"AAAA"}`,
	"ListAliases":                         `{"KeyId":"KEY"}`,
	"ListGrants":                          `{"KeyId":"KEY"}`,
	"ListKeyPolicies":                     `{"KeyId":"KEY"}`,
	"ListKeyRotations":                    `{"KeyId":"KEY"}`,
	"ListResourceTags":                    `{"KeyId":"KEY"}`,
	"PutKeyPolicy":                        `{"KeyId":"KEY","Policy":"{}"}`,
	"ReEncrypt":                           `{"SourceKeyId":"KEY","CiphertextBlob":"BLOB","DestinationKeyId":"KEY"}`,
	"ReEncrypt to it":                     `{"CiphertextBlob":"BLOB","DestinationKeyId":"KEY"}`,
	"ReplicateKey":                        `{"KeyId":"KEY","ReplicaRegion":"eu-west-1"}`,
	"RetireGrant":                         `{"KeyId":"KEY","GrantId":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}`,
	"RevokeGrant":                         `{"KeyId":"KEY","GrantId":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}`,
	"RotateKeyOnDemand":                   `{"KeyId":"KEY"}`,
	"ScheduleKeyDeletion":                 `{"KeyId":"KEY","PendingWindowInDays":8}`,
	"Sign":                                `{"KeyId":"KEY","Message":"AAAA","SigningAlgorithm":"ECDSA_SHA_256"}`,
	"TagResource":                         `{"KeyId":"KEY","Tags":[{"TagKey":"a","TagValue":"b"}]}`,
	"UntagResource":                       `{"KeyId":"KEY","TagKeys":["a"]}`,
	"UpdateAlias":                         `{"AliasName":"alias/app","TargetKeyId":"KEY"}`,
	"UpdateKeyDescription":                `{"KeyId":"KEY","Description":"d"}`,
	"UpdatePrimaryRegion":                 `{"KeyId":"KEY","PrimaryRegion":"eu-west-1"}`,
	"Verify":                              `{"KeyId":"KEY","Message":"AAAA","Signature":"AAAA","SigningAlgorithm":"ECDSA_SHA_256"}`,
	"VerifyMac":                           `{"KeyId":"KEY","Message":"AAAA","Mac":"AAAA","MacAlgorithm":"HMAC_SHA_256"}`,
}

func TestEveryOperationThatNamesAKeyIsHeldAgainstForeignOnes(t *testing.T) {
	t.Parallel()
	api, _ := awsfacts.LookupAPI("kms")
	for name, op := range api.Operations {
		names := op.Input != nil && slices.ContainsFunc(op.Input.Members, func(m *awsfacts.Member) bool {
			return slices.Contains([]string{"KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId"}, m.Name)
		})
		_, held := keyCalls[name]
		if offered := name != "Encapsulate" && name != "Decapsulate"; names && offered && !held {
			t.Errorf("%s names a key and is not in the table", name)
		}
	}
}

// told is an answer without what differs from call to call.
type told struct {
	status       int
	kind, body   string
	otherHeaders string
}

// ask makes a call and returns what its caller is told, with the ids that it asked
// for taken out.
func (w *watched) ask(t *testing.T, c aws.Credentials, service, operation, params string, ids ...string) told {
	t.Helper()
	api, _ := awsfacts.LookupAPI(service)
	var r *http.Request
	if api.Protocol == "json" {
		r = jsonCall(service, operation, params)(w.URL)
	} else {
		r = formCall(service, operation, params)(w.URL)
	}
	signFor(r, c, api.SigningName, isleEast, time.Now())
	res, err := w.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	body := strings.ReplaceAll(string(raw), res.Header.Get("X-Amzn-Requestid"), "REQUEST")
	for _, id := range ids {
		body = strings.ReplaceAll(body, id, "ID")
	}
	kind := res.Header.Get("Content-Type")
	for _, name := range []string{"Date", "X-Amzn-Requestid", "Content-Length", "Content-Type"} {
		res.Header.Del(name)
	}
	return told{res.StatusCode, kind, body, fmt.Sprint(slices.Sorted(maps.Keys(res.Header)))}
}

// callers are who asks about what another account has: with all rights of its own
// account, with none, its root user, and a session of a role.
func (w *watched) callers(t *testing.T, account string) map[string]aws.Credentials {
	t.Helper()
	ctx, c := t.Context(), iam.NewFromConfig(w.in(account, isleEast))
	list := map[string]aws.Credentials{"root": {AccessKeyID: account, SecretAccessKey: "any"}}
	for name, effect := range map[string]string{"all": "Allow", "denied": "Deny", "none": ""} {
		need(c.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}))(t)
		if effect != "" {
			document := `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Action":"*","Resource":"*"}]}`
			need(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: new("p"), PolicyDocument: &document}))(t)
		}
		k := need(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name}))(t).AccessKey
		list[name] = aws.Credentials{AccessKeyID: *k.AccessKeyId, SecretAccessKey: *k.SecretAccessKey}
	}
	all := w.config(list["all"].AccessKeyID, list["all"].SecretAccessKey)
	s := need(sts.NewFromConfig(all).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: new("arn:aws:iam::" + account + ":role/role-of-" + account), RoleSessionName: new("session")}))(t).Credentials
	list["session"] = aws.Credentials{AccessKeyID: *s.AccessKeyId, SecretAccessKey: *s.SecretAccessKey, SessionToken: *s.SessionToken}
	return list
}

// kindsOfKeys are keys of an account in all states and of several kinds.
func (w *watched) kindsOfKeys(t *testing.T, account string) map[string]string {
	t.Helper()
	ctx, c := t.Context(), kms.NewFromConfig(w.in(account, isleEast))
	ids := map[string]string{}
	for name, in := range map[string]*kms.CreateKeyInput{
		"plain": {}, "disabled": {}, "to be deleted": {}, "multi-Region": {MultiRegion: new(true)},
		"pending import": {Origin: types.OriginTypeExternal}, "for signing": {KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify},
		"for MACs": {KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac},
	} {
		ids[name] = *need(c.CreateKey(ctx, in))(t).KeyMetadata.KeyId
	}
	need(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: new(ids["disabled"])}))(t)
	need(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: new(ids["to be deleted"])}))(t)
	return ids
}

// Whoever has no access to another account's key is told the same whether there is
// such a key or not, whatever its state.
func TestAForeignKeyCannotBeToldFromOneThatDoesNotExist(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	w.settle(t, isleA)
	w.settle(t, isleB)
	w.keyIn(t, isleA, isleEast)
	w.keyIn(t, isleB, isleEast) // so that alias/app is there to be changed
	callers := w.callers(t, isleB)
	blob := base64.StdEncoding.EncodeToString(need(kms.NewFromConfig(w.in(isleB, isleEast)).Encrypt(t.Context(), &kms.EncryptInput{KeyId: new("alias/app"), Plaintext: []byte("x")}))(t).CiphertextBlob)
	const arnOf = "arn:aws:kms:us-east-1:" + isleA + ":"
	none := map[bool]string{false: "01234567-89ab-4cde-8f01-23456789abcd", true: "mrk-0123456789abcdef0123456789abcdef"}
	n := 0
	for kind, id := range w.kindsOfKeys(t, isleA) {
		for call, params := range keyCalls {
			operation, _, _ := strings.Cut(call, " ")
			for who, c := range callers {
				about := func(key, plain string) told {
					return w.ask(t, c, "kms", operation, strings.NewReplacer("KEY", arnOf+key, "BLOB", blob).Replace(params), arnOf+key, plain)
				}
				missing := none[strings.HasPrefix(id, "mrk-")]
				is, isNot := about("key/"+id, id), about("key/"+missing, missing)
				n++
				if is != isNot || is.status < 400 {
					t.Errorf("%s by %s of a key that is %s\n%+v\nof one that is not\n%+v", call, who, kind, is, isNot)
				}
				if kind == "plain" {
					is, isNot = about("alias/app", "alias/app"), about("alias/not", "alias/not")
					n++
					if is != isNot || is.status < 400 {
						t.Errorf("%s by %s of an alias that is\n%+v\nof one that is not\n%+v", call, who, is, isNot)
					}
				}
			}
		}
	}
	t.Logf("%d pairs of answers", n)
}

func TestACiphertextOfAForeignKeyCannotBeToldFromOneWhoseKeyIsGone(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	w.settle(t, isleA)
	w.settle(t, isleB)
	c := kms.NewFromConfig(w.in(isleA, isleEast))
	blobs, gone := map[string]string{}, ""
	for kind, id := range w.kindsOfKeys(t, isleA) {
		if kind == "plain" || kind == "multi-Region" {
			blobs[kind] = base64.StdEncoding.EncodeToString(need(c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")}))(t).CiphertextBlob)
		}
	}
	id := *need(c.CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata.KeyId
	gone = base64.StdEncoding.EncodeToString(need(c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")}))(t).CiphertextBlob)
	need(c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: new(int32(7))}))(t)
	if err := w.s.Advance(8 * 24 * time.Hour); err != nil {
		t.Fatal(err)
	}
	mine := *need(kms.NewFromConfig(w.in(isleB, isleEast)).CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata.KeyId
	for who, by := range w.callers(t, isleB) {
		for kind, blob := range blobs {
			for operation, params := range map[string]string{"Decrypt": `{"CiphertextBlob":"BLOB"}`, "ReEncrypt": `{"CiphertextBlob":"BLOB","DestinationKeyId":"` + mine + `"}`} {
				is := w.ask(t, by, "kms", operation, strings.Replace(params, "BLOB", blob, 1))
				isNot := w.ask(t, by, "kms", operation, strings.Replace(params, "BLOB", gone, 1))
				if is != isNot || is.status < 400 {
					t.Errorf("%s by %s of a ciphertext under a %s key\n%+v\nunder one that is gone\n%+v", operation, who, kind, is, isNot)
				}
			}
		}
	}
}

// iamCalls are requests about what another account has in IAM; ARN stands for it.
var iamCalls = map[string]string{
	"GetPolicy":               "PolicyArn=ARN",
	"GetPolicyVersion":        "PolicyArn=ARN&VersionId=v1",
	"ListPolicyVersions":      "PolicyArn=ARN",
	"ListPolicyTags":          "PolicyArn=ARN",
	"ListEntitiesForPolicy":   "PolicyArn=ARN",
	"CreatePolicyVersion":     "PolicyArn=ARN&PolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D",
	"SetDefaultPolicyVersion": "PolicyArn=ARN&VersionId=v1",
	"DeletePolicyVersion":     "PolicyArn=ARN&VersionId=v1",
	"DeletePolicy":            "PolicyArn=ARN",
	"TagPolicy":               "PolicyArn=ARN&Tags.member.1.Key=a&Tags.member.1.Value=b",
	"AttachUserPolicy":        "UserName=all&PolicyArn=ARN",
	"DetachUserPolicy":        "UserName=all&PolicyArn=ARN",
	"SimulatePrincipalPolicy": "PolicySourceArn=ARN&ActionNames.member.1=kms%3ADecrypt",
}

func TestForeignPoliciesAndPrincipalsCannotBeToldFromOnesThatDoNotExist(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	w.settle(t, isleA)
	w.settle(t, isleB)
	callers := w.callers(t, isleB)
	for call, params := range iamCalls {
		for _, kind := range []string{"policy", "role", "user"} {
			for who, c := range callers {
				about := func(name string) told {
					name = "arn:aws:iam::" + isleA + ":" + kind + "/" + name
					return w.ask(t, c, "iam", call, strings.Replace(params, "ARN", url.QueryEscape(name), 1), name)
				}
				if is, isNot := about(kind+"-of-"+isleA), about(kind+"-of-nobody-at-all"); is != isNot || is.status < 400 {
					t.Errorf("%s by %s of a %s that is\n%+v\nthat is not\n%+v", call, who, kind, is, isNot)
				}
			}
		}
	}
}

func TestARoleThatTrustsOthersCannotBeToldFromOneThatDoesNotExist(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	w.settle(t, isleA)
	w.settle(t, isleB)
	for who, c := range w.callers(t, isleB) {
		about := func(role string) told {
			role = "arn:aws:iam::" + isleA + ":role/" + role
			return w.ask(t, c, "sts", "AssumeRole", "RoleSessionName=session&RoleArn="+url.QueryEscape(role), role)
		}
		if is, isNot := about("role-of-"+isleA), about("nothing"); is != isNot || is.status != http.StatusForbidden {
			t.Errorf("AssumeRole by %s of a role that is\n%+v\nthat is not\n%+v", who, is, isNot)
		}
	}
}

// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListRetirableGrants.html.
func TestGrantsToRetireAreListedForOnesOwnPrincipals(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	for _, account := range []string{isleA, isleB, isleC} {
		w.settle(t, account)
	}
	ctx, c := t.Context(), kms.NewFromConfig(w.in(isleA, isleEast))
	id := need(c.CreateKey(ctx, &kms.CreateKeyInput{}))(t).KeyMetadata.KeyId
	theirs := "arn:aws:iam::" + isleB + ":role/role-of-" + isleB
	need(c.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: id, GranteePrincipal: &theirs, RetiringPrincipal: &theirs, Operations: []types.GrantOperation{types.GrantOperationDecrypt}}))(t)
	for account, want := range map[string]int{isleA: 0, isleB: 1, isleC: 0} {
		out, err := kms.NewFromConfig(w.in(account, isleEast)).ListRetirableGrants(ctx, &kms.ListRetirableGrantsInput{RetiringPrincipal: &theirs})
		n := 0
		if err == nil {
			n = len(out.Grants)
		}
		if n != want || want > 0 && err != nil {
			t.Errorf("%s is told of %d grants that a principal of %s may retire, want %d: %v", account, n, isleB, want, err)
		}
	}
}

// Credentials of one account are of no use in the name of another.
func TestSessionsAndKeysAreOfTheirAccount(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	w.settle(t, isleB)
	for who, c := range w.callers(t, isleB) {
		cfg := aws.Config{Region: isleWest, BaseEndpoint: &w.URL, HTTPClient: sandboxtest.Steady(w.Client()), RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)}
		out := need(sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
		if *out.Account != isleB || !regexp.MustCompile(`^arn:aws:(iam|sts)::`+isleB+`:`).MatchString(*out.Arn) {
			t.Errorf("%s is %s of %s", who, *out.Arn, *out.Account)
		}
	}
}

func TestTheSandboxsOwnEndpointsTakeNothingFromWebPages(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	for _, c := range []struct {
		name, header, value string
		status              int
	}{
		{"a program", "", "", http.StatusOK},
		{"a page of another origin", "Origin", "http://evil.example", http.StatusForbidden},
		{"a page without an origin", "Origin", "null", http.StatusForbidden},
		{"an image in a page", "Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"a page whose name leads here", "Host", "evil.example:4599", http.StatusForbidden},
		{"a page whose name ends like ours", "Host", "localhost.evil.example", http.StatusForbidden},
		{"a program in a container", "Host", "keyreach:4599", http.StatusOK},
		{"a program beside a container", "Host", "host.docker.internal:4599", http.StatusOK},
		{"a program by address", "Host", "[::1]:4599", http.StatusOK},
		{"a program by name", "Host", "localhost:4599", http.StatusOK},
	} {
		for _, path := range []string{"GET health", "GET estate", "GET clock", "GET decisions/x", "POST reset", "POST clock", "PUT estate"} {
			method, path, _ := strings.Cut(path, " ")
			r := need(http.NewRequestWithContext(t.Context(), method, w.URL+"/_keyreach/"+path, strings.NewReader(`{"advance":"0s"}`)))(t)
			if c.header == "Host" {
				r.Host = c.value
			} else if c.header != "" {
				r.Header.Set(c.header, c.value)
			}
			res := need(w.Client().Do(r))(t)
			res.Body.Close()
			if refused := res.StatusCode == http.StatusForbidden; refused != (c.status == http.StatusForbidden) {
				t.Errorf("%s: %s %s answers %d", c.name, method, path, res.StatusCode)
			}
		}
	}
}
