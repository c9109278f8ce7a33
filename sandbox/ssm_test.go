package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

func ssmOf(c aws.Config) *ssm.Client { return ssm.NewFromConfig(c) }

// parameter makes a SecureString.
func (w *world) parameter(c aws.Config, name string, tier ssmtypes.ParameterTier, key *string) {
	w.Helper()
	need(ssmOf(c).PutParameter(w.Context(), &ssm.PutParameterInput{Name: &name, Value: new(hidden), Type: ssmtypes.ParameterTypeSecureString, Tier: tier, KeyId: key}))(w)
}

// readParameter reads a parameter in the clear.
func (w *world) readParameter(c aws.Config, name string) (string, error) {
	out, err := ssmOf(c).GetParameter(w.Context(), &ssm.GetParameterInput{Name: &name, WithDecryption: new(true)})
	if err != nil {
		return "", err
	}
	return *out.Parameter.Value, nil
}

func TestASecureStringIsUsedUnderItsKeyAsTheCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.root(owner)
	key := w.key(owner, "")
	put := func(policy, name string, tier ssmtypes.ParameterTier) error {
		_, c := w.user(owner, "putter-"+name, policy)
		_, err := ssmOf(c).PutParameter(t.Context(), &ssm.PutParameterInput{Name: &name, Value: new(hidden), Type: ssmtypes.ParameterTypeSecureString, Tier: tier, KeyId: &key})
		return err
	}
	const noEncrypt = "because no identity-based policy allows the kms:Encrypt action (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException)"
	w.ends("standard", put(allow("ssm:*", "kms:Encrypt"), "standard", ssmtypes.ParameterTierStandard), "")
	w.ends("standard without Encrypt", put(allow("ssm:*", "kms:GenerateDataKey"), "standard-no", ssmtypes.ParameterTierStandard), noEncrypt)
	w.ends("advanced", put(allow("ssm:*", "kms:GenerateDataKey"), "advanced", ssmtypes.ParameterTierAdvanced), "")
	if got := refusal(put(allow("ssm:*", "kms:Encrypt"), "advanced-no", ssmtypes.ParameterTierAdvanced)); !strings.Contains(got, "allows the kms:GenerateDataKey action") {
		t.Errorf("advanced without GenerateDataKey: %q", got)
	}
	for _, name := range []string{"standard", "advanced"} {
		plain := need(ssmOf(mine).GetParameter(t.Context(), &ssm.GetParameterInput{Name: &name}))(t).Parameter
		if strings.Contains(*plain.Value, hidden) || plain.Type != ssmtypes.ParameterTypeSecureString {
			t.Errorf("%s without decryption is %q", name, *plain.Value)
		}
		if got, err := w.readParameter(mine, name); got != hidden {
			t.Errorf("%s is %q, %v", name, got, err)
		}
		_, limited := w.user(owner, "reader-"+name, allow("ssm:GetParameter"))
		_, err := w.readParameter(limited, name)
		if got := refusal(err); !strings.HasPrefix(got, "AccessDeniedException: User: ") || !strings.Contains(got, "kms:Decrypt") {
			t.Errorf("%s without Decrypt: %q", name, got)
		}
		arn := "arn:aws:ssm:us-east-1:" + owner + ":parameter/" + name
		_, bound := w.user(owner, "bound-"+name, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:*","Resource":"*"},
		{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:PARAMETER_ARN":"`+arn+`","kms:ViaService":"ssm.us-east-1.amazonaws.com"}}}]}`)
		if got, err := w.readParameter(bound, name); got != hidden {
			t.Errorf("%s by its context is %q, %v", name, got, err)
		}
	}
	need(w.kmsOf(mine).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	_, err := w.readParameter(mine, "standard")
	w.ends("a disabled key", err, "is disabled. (Service: AWSKMS; Status Code: 400; Error Code: DisabledException)")
	_, err = ssmOf(mine).PutParameter(t.Context(), &ssm.PutParameterInput{Name: new("no-key"), Value: new("x"), Type: ssmtypes.ParameterTypeSecureString, KeyId: new("alias/none")})
	if got := refusal(err); !strings.HasPrefix(got, "InvalidKeyId: Alias arn:aws:kms:us-east-1:"+owner+":alias/none is not found.") {
		t.Errorf("no such key: %q", got)
	}
	w.parameter(mine, "default", "", nil)
	_, user := w.user(owner, "of-default", allow("ssm:GetParameter"))
	if got, err := w.readParameter(user, "default"); got != hidden {
		t.Errorf("under aws/ssm a user without rights of KMS reads %q, %v", got, err)
	}
}

func TestAnAdvancedParameterIsSharedByItsPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine, theirs := w.root(owner), w.admin(consumer)
	key := w.key(owner, "")
	w.parameter(mine, "/app/secret", ssmtypes.ParameterTierAdvanced, &key)
	w.parameter(mine, "/app/own", ssmtypes.ParameterTierAdvanced, nil)
	w.parameter(mine, "/app/small", ssmtypes.ParameterTierStandard, &key)
	arn := func(name string) *string { return new("arn:aws:ssm:us-east-1:" + owner + ":parameter" + name) }
	share := func(name string) (*ssm.PutResourcePolicyOutput, error) {
		return ssmOf(mine).PutResourcePolicy(t.Context(), &ssm.PutResourcePolicyInput{ResourceArn: arn(name), Policy: resourcePolicy(consumer, "ssm:GetParameter", "ssm:GetParameters")})
	}
	_, err := w.readParameter(theirs, *arn("/app/secret"))
	w.ends("not shared", err, "because no resource-based policy allows the ssm:GetParameter action")
	_, err = share("/app/small")
	if !strings.HasPrefix(refusal(err), "ResourcePolicyInvalidParameterException") {
		t.Errorf("a standard parameter is shared: %v", err)
	}
	shared := need(share("/app/secret"))(t)
	_, err = w.readParameter(theirs, *arn("/app/secret"))
	if got := refusal(err); !strings.Contains(got, "kms:Decrypt") {
		t.Errorf("the key is shut: %q", got)
	}
	need(w.kmsOf(mine).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: new(keyPolicy(consumer, "kms:Decrypt"))}))(t)
	if got, err := w.readParameter(theirs, *arn("/app/secret")); got != hidden {
		t.Errorf("read %q, %v", got, err)
	}
	need(share("/app/own"))(t)
	_, err = w.readParameter(theirs, *arn("/app/own"))
	if got := refusal(err); !strings.HasPrefix(got, "AccessDeniedException") {
		t.Errorf("under aws/ssm: %q", got)
	}
	_, err = share("/app/secret")
	if !strings.HasPrefix(refusal(err), "ResourcePolicyLimitExceededException") {
		t.Errorf("a second policy: %v", err)
	}
	_, err = ssmOf(mine).DeleteResourcePolicy(t.Context(), &ssm.DeleteResourcePolicyInput{ResourceArn: arn("/app/secret"), PolicyId: shared.PolicyId, PolicyHash: new("x")})
	if !strings.HasPrefix(refusal(err), "ResourcePolicyConflictException") {
		t.Errorf("another hash: %v", err)
	}
	list := need(ssmOf(mine).GetResourcePolicies(t.Context(), &ssm.GetResourcePoliciesInput{ResourceArn: arn("/app/secret")}))(t).Policies
	if len(list) != 1 || *list[0].PolicyHash != *shared.PolicyHash {
		t.Errorf("the policies are %v", list)
	}
	need(ssmOf(mine).DeleteResourcePolicy(t.Context(), &ssm.DeleteResourcePolicyInput{ResourceArn: arn("/app/secret"), PolicyId: shared.PolicyId, PolicyHash: shared.PolicyHash}))(t)
	if _, err := w.readParameter(theirs, *arn("/app/secret")); err == nil {
		t.Error("the parameter is still shared")
	}
}

func TestParametersHaveVersionsLabelsAndHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, ctx := ssmOf(w.root(owner)), t.Context()
	put := func(in *ssm.PutParameterInput) error {
		in.Name = new("x")
		_, err := s.PutParameter(ctx, in)
		return err
	}
	w.ends("no type", put(&ssm.PutParameterInput{Value: new("1")}), "A parameter type is required when you create a parameter.")
	w.ends("first", put(&ssm.PutParameterInput{Value: new("1"), Type: ssmtypes.ParameterTypeString, Description: new("d"), Tags: []ssmtypes.Tag{{Key: new("k"), Value: new("v")}}}), "")
	w.ends("again", put(&ssm.PutParameterInput{Value: new("2"), Type: ssmtypes.ParameterTypeString}),
		"ParameterAlreadyExists: The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	w.ends("tags and overwrite", put(&ssm.PutParameterInput{Value: new("2"), Overwrite: new(true), Tags: []ssmtypes.Tag{{Key: new("k"), Value: new("w")}}}), "please use AddTagsToResource or RemoveTagsFromResource.")
	w.ends("another type", put(&ssm.PutParameterInput{Value: new("2"), Overwrite: new(true), Type: ssmtypes.ParameterTypeSecureString}), "from String to SecureString.")
	for n := 2; n <= 3; n++ {
		w.ends("overwrite", put(&ssm.PutParameterInput{Value: new(fmt.Sprint(n)), Overwrite: new(true)}), "")
	}
	out := need(s.LabelParameterVersion(ctx, &ssm.LabelParameterVersionInput{Name: new("x"), ParameterVersion: new(int64(2)), Labels: []string{"live", "1bad", "aws-bad"}}))(t)
	if !slices.Equal(out.InvalidLabels, []string{"1bad", "aws-bad"}) {
		t.Errorf("invalid are %v", out.InvalidLabels)
	}
	get := func(name string) string {
		v, err := s.GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
		if err != nil {
			return refusal(err)
		}
		return *v.Parameter.Value + aws.ToString(v.Parameter.Selector)
	}
	for name, want := range map[string]string{
		"x": "3", "x:1": "1:1", "x:live": "2:live", "arn:aws:ssm:us-east-1:" + owner + ":parameter/x": "3", "arn:aws:ssm:us-east-1:" + owner + ":parameter/x:live": "2:live",
		"x:9": "ParameterVersionNotFound: Systems Manager could not find version 9 of x. Verify the version and try again.", "y": "ParameterNotFound: ",
	} {
		if got := get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	need(s.LabelParameterVersion(ctx, &ssm.LabelParameterVersionInput{Name: new("x"), Labels: []string{"live"}}))(t)
	page := need(s.GetParameterHistory(ctx, &ssm.GetParameterHistoryInput{Name: new("x"), MaxResults: new(int32(2))}))(t)
	rest := need(s.GetParameterHistory(ctx, &ssm.GetParameterHistoryInput{Name: new("x"), NextToken: page.NextToken}))(t)
	if len(page.Parameters) != 2 || len(rest.Parameters) != 1 || !slices.Equal(rest.Parameters[0].Labels, []string{"live"}) || *rest.Parameters[0].Description != "d" {
		t.Errorf("the history is %+v, %+v", page.Parameters, rest.Parameters)
	}
	need(s.UnlabelParameterVersion(ctx, &ssm.UnlabelParameterVersionInput{Name: new("x"), ParameterVersion: new(int64(3)), Labels: []string{"live"}}))(t)
	for n := 4; n <= 101; n++ {
		w.ends("many", put(&ssm.PutParameterInput{Value: new(fmt.Sprint(n)), Overwrite: new(true)}), "")
	}
	if got := get("x:1"); !strings.HasPrefix(got, "ParameterVersionNotFound") {
		t.Errorf("the oldest of 101 versions is %q", got)
	}
	tags := need(s.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{ResourceType: ssmtypes.ResourceTypeForTaggingParameter, ResourceId: new("x")}))(t).TagList
	if len(tags) != 1 || *tags[0].Value != "v" {
		t.Errorf("the tags are %v", tags)
	}
	for name, want := range map[string]string{
		"a b": "symbols .-_", "awsome": "No access to reserved parameter name: awsome.", "a/b": "Parameter name must be a fully qualified name.",
		strings.Repeat("/a", 16): "A hierarchy can have a maximum of 15 levels.",
	} {
		_, err := s.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: new("x"), Type: ssmtypes.ParameterTypeString})
		w.ends(name, err, want)
	}
	_, err := s.PutParameter(ctx, &ssm.PutParameterInput{Name: new("p"), Value: new("abc"), Type: ssmtypes.ParameterTypeString, AllowedPattern: new(`^\d+$`)})
	w.ends("the pattern", err, `ParameterPatternMismatchException: Parameter value, cannot be validated against allowedPattern: ^\d+$`)
	_, err = s.PutParameter(ctx, &ssm.PutParameterInput{Name: new("p"), Value: new(strings.Repeat("x", 4097)), Type: ssmtypes.ParameterTypeString})
	if got := refusal(err); !strings.HasPrefix(got, "ValidationException: Standard tier parameters support a maximum parameter value of 4096 characters.") {
		t.Errorf("too large: %q", got)
	}
	tiered := need(s.PutParameter(ctx, &ssm.PutParameterInput{Name: new("p"), Value: new(strings.Repeat("x", 4097)), Type: ssmtypes.ParameterTypeString, Tier: ssmtypes.ParameterTierIntelligentTiering}))(t)
	_, err = s.PutParameter(ctx, &ssm.PutParameterInput{Name: new("p"), Value: new("x"), Overwrite: new(true), Tier: ssmtypes.ParameterTierStandard})
	if tiered.Tier != ssmtypes.ParameterTierAdvanced || !strings.Contains(refusal(err), "You can't downgrade a parameter") {
		t.Errorf("the tier is %s, then %v", tiered.Tier, err)
	}
}

func TestParametersAreFoundByPathAndFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.root(owner)
	s, ctx := ssmOf(mine), t.Context()
	for _, name := range []string{"/app/a", "/app/b", "/app/deep/c", "/other", "flat"} {
		need(s.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: &name, Type: ssmtypes.ParameterTypeString, Tags: []ssmtypes.Tag{{Key: new("n"), Value: &name}}}))(t)
	}
	w.parameter(mine, "/app/secret", "", nil)
	names := func(list []ssmtypes.Parameter) (out []string) {
		for _, p := range list {
			out = append(out, *p.Name)
		}
		return out
	}
	for _, tt := range []struct {
		path      string
		recursive bool
		want      []string
	}{
		{"/app", false, []string{"/app/a", "/app/b", "/app/secret"}},
		{"/app/", true, []string{"/app/a", "/app/b", "/app/deep/c", "/app/secret"}},
		{"/", false, []string{"/other", "flat"}},
		{"/ap", true, nil},
	} {
		got := names(need(s.GetParametersByPath(ctx, &ssm.GetParametersByPathInput{Path: &tt.path, Recursive: &tt.recursive, WithDecryption: new(true)}))(t).Parameters)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.path, got, tt.want)
		}
	}
	page := need(s.GetParametersByPath(ctx, &ssm.GetParametersByPathInput{Path: new("/app"), MaxResults: new(int32(1))}))(t)
	rest := need(s.GetParametersByPath(ctx, &ssm.GetParametersByPathInput{Path: new("/app"), NextToken: page.NextToken}))(t)
	if len(page.Parameters) != 1 || len(rest.Parameters) != 2 {
		t.Errorf("pages of %d and %d", len(page.Parameters), len(rest.Parameters))
	}
	for _, tt := range []struct {
		key, option string
		values      []string
		want        int
	}{
		{"Name", "", []string{"/app/a"}, 1}, {"Name", "BeginsWith", []string{"/app"}, 4}, {"Name", "Contains", []string{"e"}, 3}, {"Type", "", []string{"SecureString"}, 1},
		{"KeyId", "", []string{"alias/aws/ssm"}, 1}, {"Path", "OneLevel", []string{"/app"}, 3}, {"Path", "Recursive", []string{"/app"}, 4}, {"tag:n", "", []string{"flat"}, 1},
		{"Tier", "", []string{"Standard"}, 6},
	} {
		f := ssmtypes.ParameterStringFilter{Key: &tt.key, Values: tt.values}
		if tt.option != "" {
			f.Option = &tt.option
		}
		list := need(s.DescribeParameters(ctx, &ssm.DescribeParametersInput{ParameterFilters: []ssmtypes.ParameterStringFilter{f}}))(t).Parameters
		if len(list) != tt.want {
			t.Errorf("%s %s %v: %d, want %d", tt.key, tt.option, tt.values, len(list), tt.want)
		}
	}
	_, limited := w.user(owner, "by-path", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssm:GetParametersByPath","ssm:GetParameters"],"Resource":"arn:aws:ssm:*:*:parameter/app/*"}]}`)
	need(ssmOf(limited).GetParametersByPath(ctx, &ssm.GetParametersByPathInput{Path: new("/app")}))(t)
	_, err := ssmOf(limited).GetParametersByPath(ctx, &ssm.GetParametersByPathInput{Path: new("/other")})
	w.ends("another path", err, "because no identity-based policy allows the ssm:GetParametersByPath action")
	got := need(ssmOf(limited).GetParameters(ctx, &ssm.GetParametersInput{Names: []string{"/app/a", "/app/none"}}))(t)
	if !slices.Equal(names(got.Parameters), []string{"/app/a"}) || !slices.Equal(got.InvalidParameters, []string{"/app/none"}) {
		t.Errorf("got %v, not %v", names(got.Parameters), got.InvalidParameters)
	}
	gone := need(s.DeleteParameters(ctx, &ssm.DeleteParametersInput{Names: []string{"flat", "none"}}))(t)
	if !slices.Equal(gone.DeletedParameters, []string{"flat"}) || !slices.Equal(gone.InvalidParameters, []string{"none"}) {
		t.Errorf("deleted %v, not %v", gone.DeletedParameters, gone.InvalidParameters)
	}
	if records := w.records(owner); strings.Contains(records, hidden) || !strings.Contains(records, `"PARAMETER_ARN":"arn:aws:ssm:us-east-1:`+owner+`:parameter/app/secret"`) {
		t.Errorf("CloudTrail has %s", records)
	}
}
