package policy_test

import (
	"strings"
	"testing"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
)

// testContext is a context of given values; everything else is absent.
type testContext map[string]policy.ContextValue

func (c testContext) Lookup(name string) policy.ContextValue { return c[name] }

func read(t testing.TB, text string) *policy.Policy {
	t.Helper()
	d, _, err := policy.Read("policy.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return policy.Compile(d)
}

func caller(t testing.TB, s string) *policy.Caller {
	t.Helper()
	p, err := arn.ParsePrincipal(s)
	if err != nil {
		t.Fatal(err)
	}
	return &policy.Caller{Principal: p}
}

// allows evaluates one Allow statement that has nothing but the condition.
func allows(t testing.TB, version, condition string, ctx testContext) policy.Truth {
	t.Helper()
	p := read(t, `{"Version":"`+version+`","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":`+condition+`}]}`)
	return p.Eval(&policy.Query{
		Caller: caller(t, "arn:aws:iam::111122223333:user/a"), Action: "iam:TagUser", Resource: "*", Context: ctx,
	}).Allow(policy.Any)
}

const (
	yes     = policy.True
	no      = policy.False
	unknown = policy.Unknown
)

// The rows marked recorded were answered by AWS (captures of September 2026);
// the others stand on
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html.
func TestMultivaluedKeys(t *testing.T) {
	t.Parallel()
	absent, team, env := testContext{}, testContext{"aws:tagkeys": policy.Many("team")}, testContext{"aws:tagkeys": policy.Many("env")}
	both := testContext{"aws:tagkeys": policy.Many("team", "env")}
	tests := []struct {
		operator               string
		absent, team, env, two policy.Truth
	}{
		// recorded: scalar operators never match a multivalued key that is there
		{"StringEquals", no, no, no, no},
		{"StringNotEquals", yes, no, no, no},
		{"StringEqualsIfExists", yes, no, no, no},
		{"StringNotEqualsIfExists", yes, no, no, no},
		{"StringLike", no, no, no, no},
		{"StringNotLike", yes, no, no, no},
		// recorded: the set operators
		{"ForAnyValue:StringEquals", no, yes, no, yes},
		{"ForAllValues:StringEquals", yes, yes, no, no},
		{"ForAnyValue:StringNotEquals", no, no, yes, yes},
		{"ForAllValues:StringNotEquals", yes, no, yes, no},
		{"ForAllValues:StringEqualsIfExists", yes, yes, no, no},
		{"ForAnyValue:StringEqualsIfExists", yes, yes, no, yes},
		{"foranyvalue:stringlike", no, yes, no, yes},
	}
	for _, tt := range tests {
		t.Run(tt.operator, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct {
				name string
				ctx  testContext
				want policy.Truth
			}{{"absent", absent, tt.absent}, {"team", team, tt.team}, {"env", env, tt.env}, {"both", both, tt.two}} {
				if got := allows(t, "2012-10-17", `{"`+tt.operator+`":{"aws:TagKeys":"team"}}`, c.ctx); got != c.want {
					t.Errorf("%s with %s = %v, want %v", tt.operator, c.name, got, c.want)
				}
			}
		})
	}
}

func TestOperators(t *testing.T) {
	t.Parallel()
	const there = "aws:requesttag/value"
	tests := []struct {
		name, operator, value, actual string
		want                          policy.Truth
	}{
		{"equal strings", "StringEquals", "a", "a", yes},
		{"letter case counts", "StringEquals", "a", "A", no},
		{"an exact operator has no wildcards", "StringEquals", "ec2.*.amazonaws.com", "ec2.us-east-1.amazonaws.com", no},
		{"its negation denies everything", "StringNotEquals", "arn:*", "arn:aws", yes},
		{"letter case ignored", "StringEqualsIgnoreCase", "Team", "tEAM", yes},
		{"letter case ignored and negated", "StringNotEqualsIgnoreCase", "Team", "tEAM", no},
		{"a wildcard", "StringLike", "ec2.*.amazonaws.com", "ec2.us-east-1.amazonaws.com", yes},
		{"a wildcard negated", "StringNotLike", "ec2.*", "s3.us-east-1", yes},
		{"an escaped star is a star", "StringLike", "a${*}", "ab", no},
		{"an escaped star matches a star", "StringLike", "a${*}", "a*", yes},
		{"an escaped question mark", "StringEquals", "a${?}", "a?", yes},
		{"an empty value is present (recorded)", "Null", "false", "", yes},
		{"an empty value is not absent", "Null", "true", "", no},
		{"an empty value equals no other (recorded)", "StringEquals", "", "capture", no},
		{"a set operator on a single-valued key (recorded)", "ForAllValues:StringEquals", "capture", "", no},
		{"true", "Bool", "true", "true", yes},
		{"true is not false", "Bool", "false", "true", no},
		{"a word is neither", "Bool", "false", "maybe", no},
		// recorded: numeric text
		{"one is one", "NumericEquals", "1", "1", yes},
		{"leading zero", "NumericEquals", "1", "01", yes},
		{"plus sign", "NumericEquals", "1", "+1", yes},
		{"fraction", "NumericEquals", "1", "1.0", yes},
		{"exponent", "NumericEquals", "1", "1e0", yes},
		{"two", "NumericEquals", "1", "2", no},
		{"a word", "NumericEquals", "1", "no-number", no},
		{"a word is unequal", "NumericNotEquals", "1", "no-number", yes},
		{"nothing is unequal", "NumericNotEquals", "1", "", yes},
		{"NaN is unequal", "NumericNotEquals", "1", "NaN", yes},
		{"NaN is not NaN", "NumericEquals", "NaN", "NaN", no},
		{"Infinity is unequal", "NumericNotEquals", "1", "Infinity", yes},
		{"hexadecimal is no number", "NumericEquals", "16", "0x10", no},
		{"an underscore is no number", "NumericEquals", "10", "1_0", no},
		{"a space is no number", "NumericEquals", "1", " 1", no},
		{"beyond a float", "NumericEquals", "9007199254740993", "9007199254740992", no},
		{"a tenth is exact", "NumericLessThan", "0.3", "0.30000000000000001", no},
		{"less", "NumericLessThan", "10", "9", yes},
		{"less or equal", "NumericLessThanEquals", "10", "10", yes},
		{"greater", "NumericGreaterThan", "10", "10", no},
		{"greater or equal", "NumericGreaterThanEquals", "-1", "0", yes},
		{"a word is not less", "NumericLessThan", "10", "x", no},
		// recorded: dates
		{"epoch seconds", "DateEquals", "2030-01-01T00:00:00Z", "1893456000", yes},
		{"a day alone", "DateEquals", "2030-01-01T00:00:00Z", "2030-01-01", yes},
		{"another zone", "DateEquals", "2030-01-01T00:00:00Z", "2030-01-01T01:00:00+01:00", yes},
		{"garbage", "DateEquals", "2030-01-01T00:00:00Z", "not-a-date", no},
		{"garbage is unequal", "DateNotEquals", "2030-01-01T00:00:00Z", "not-a-date", yes},
		{"nothing", "DateEquals", "2030-01-01T00:00:00Z", "", no},
		{"before", "DateLessThan", "2030-01-01T00:00:00Z", "2029-12-31T23:59:59Z", yes},
		{"a fraction of a second after", "DateGreaterThan", "2030-01-01T00:00:00Z", "2030-01-01T00:00:00.001Z", yes},
		{"minutes without seconds", "DateEquals", "2030-01-01T00:00Z", "1893456000", yes},
		// recorded: addresses
		{"first of a block", "IpAddress", "192.0.2.0/24", "192.0.2.0", yes},
		{"last of a block, negated", "NotIpAddress", "192.0.2.0/24", "192.0.2.255", no},
		{"host bits are ignored", "IpAddress", "192.0.2.5/24", "192.0.2.1", yes},
		{"two addresses", "NotIpAddress", "192.0.2.0/31", "192.0.2.2", yes},
		{"a single address", "IpAddress", "192.0.2.1", "192.0.2.2", no},
		{"everything", "IpAddress", "192.0.2.0/0", "203.0.113.1", yes},
		{"everything of one family", "IpAddress", "192.0.2.0/0", "2001:db8::1", no},
		{"leading zeroes in octets", "IpAddress", "192.000.002.0/24", "192.0.2.1", yes},
		{"leading zero in the length", "IpAddress", "192.0.2.0/024", "192.0.2.1", yes},
		{"plus in the length", "IpAddress", "192.0.2.0/+24", "192.0.2.1", yes},
		{"IPv6", "IpAddress", "2001:db8::/32", "2001:db8:1::1", yes},
		{"IPv6 outside", "NotIpAddress", "2001:db8::/32", "2001:db9::1", yes},
		{"garbage is in no block", "IpAddress", "0.0.0.0/0", "garbage", no},
		{"a block too long", "IpAddress", "192.0.2.0/33", "192.0.2.0", no},
		// ARNs
		{"ArnEquals has wildcards", "ArnEquals", "arn:aws:iam::*:role/a", "arn:aws:iam::1:role/a", yes},
		{"a wildcard stays in its part", "ArnLike", "arn:aws:*:role/a", "arn:aws:iam::1:role/a", no},
		{"no ARN", "ArnLike", "arn:aws:iam::*:role/a", "role/a", no},
		{"no ARN, negated", "ArnNotLike", "arn:aws:iam::*:role/a", "role/a", yes},
		{"binary", "BinaryEquals", "QmluYXJ5", "QmluYXJ5", yes},
		{"other binary", "BinaryEquals", "QmluYXJ5", "b3RoZXI=", no},
		{"an operator nobody knows", "StringMatches", "a", "a", unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cond := `{"` + tt.operator + `":{"aws:RequestTag/value":"` + tt.value + `"}}`
			if got := allows(t, "2012-10-17", cond, testContext{there: policy.One(tt.actual)}); got != tt.want {
				t.Errorf("%s of %q and %q = %v, want %v", tt.operator, tt.value, tt.actual, got, tt.want)
			}
		})
	}
}

func TestAKeyThatIsAbsentOrNotKnown(t *testing.T) {
	t.Parallel()
	for operator, want := range map[string][2]policy.Truth{ // absent, not known
		"StringEquals": {no, unknown}, "StringEqualsIfExists": {yes, unknown}, "StringNotEquals": {yes, unknown},
		"StringNotEqualsIfExists": {yes, unknown}, "Bool": {no, unknown}, "NumericLessThan": {no, unknown},
		"IpAddress": {no, unknown}, "NotIpAddress": {yes, unknown}, "ArnLike": {no, unknown}, "ArnNotLike": {yes, unknown},
		"ForAllValues:StringEquals": {yes, unknown}, "ForAnyValue:StringEquals": {no, unknown}, "DateLessThan": {no, unknown},
	} {
		cond := `{"` + operator + `":{"aws:SourceIp":"x"}}`
		if got := allows(t, "2012-10-17", cond, testContext{}); got != want[0] {
			t.Errorf("%s on an absent key = %v, want %v", operator, got, want[0])
		}
		if got := allows(t, "2012-10-17", cond, testContext{"aws:sourceip": policy.NotGiven()}); got != want[1] {
			t.Errorf("%s on a key not known = %v, want %v", operator, got, want[1])
		}
	}
	if got := allows(t, "2012-10-17", `{"Null":{"aws:SourceIp":true}}`, testContext{}); got != yes {
		t.Errorf("Null true on an absent key = %v", got)
	}
	if got := allows(t, "2012-10-17", `{"Null":{"aws:SourceIp":"true"}}`, testContext{"aws:sourceip": policy.NotGiven()}); got != unknown {
		t.Errorf("Null on a key not known = %v", got)
	}
}

func TestConditionsAreAndedAndValuesOred(t *testing.T) {
	t.Parallel()
	ctx := testContext{"kms:viaservice": policy.One("ec2"), "kms:calleraccount": policy.One("1")}
	for cond, want := range map[string]policy.Truth{
		`{"StringEquals":{"kms:ViaService":["s3","ec2"],"kms:CallerAccount":"1"}}`:                                      yes,
		`{"StringEquals":{"kms:ViaService":["s3","ec2"],"kms:CallerAccount":"2"}}`:                                      no,
		`{"StringNotEquals":{"kms:ViaService":["s3","ec2"]}}`:                                                           no,
		`{"StringNotEquals":{"kms:ViaService":["s3","sqs"]}}`:                                                           yes,
		`{"StringEquals":{"KMS:VIASERVICE":"ec2"}}`:                                                                     yes,
		`{"StringEquals":{"kms:ViaService":"ec2"},"StringLike":{"kms:CallerAccount":"?"},"Null":{"aws:SourceIp":true}}`: yes,
		`{}`: yes,
	} {
		if got := allows(t, "2012-10-17", cond, ctx); got != want {
			t.Errorf("%s = %v, want %v", cond, got, want)
		}
	}
}

func TestPolicyVariables(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, version, condition string
		ctx                      testContext
		want                     policy.Truth
	}{
		{"filled in", "2012-10-17", `{"StringEquals":{"aws:RequestTag/team":"${aws:PrincipalTag/team}"}}`, testContext{"aws:requesttag/team": policy.One("x"), "aws:principaltag/team": policy.One("x")}, yes},
		{"text in the old version", "2008-10-17", `{"StringEquals":{"aws:RequestTag/team":"${aws:PrincipalTag/team}"}}`, testContext{"aws:requesttag/team": policy.One("${aws:PrincipalTag/team}"), "aws:principaltag/team": policy.One("x")}, yes},
		{"the default for an absent key", "2012-10-17", `{"StringEquals":{"aws:RequestTag/team":"${aws:PrincipalTag/team, 'none'}"}}`, testContext{"aws:requesttag/team": policy.One("none")}, yes},
		{"no default when the key is there", "2012-10-17", `{"StringEquals":{"aws:RequestTag/team":"${aws:PrincipalTag/team, 'none'}"}}`, testContext{"aws:requesttag/team": policy.One("none"), "aws:principaltag/team": policy.One("x")}, no},
		{"absent without default equals nothing", "2012-10-17", `{"StringEquals":{"aws:RequestTag/team":"${aws:PrincipalTag/team}"}}`, testContext{"aws:requesttag/team": policy.One("")}, no},
		{"a star in a value is a star", "2012-10-17", `{"StringLike":{"aws:RequestTag/team":"${aws:PrincipalTag/team}"}}`, testContext{"aws:requesttag/team": policy.One("abc"), "aws:principaltag/team": policy.One("a*")}, no},
		{"recorded: a multivalued key never expands", "2012-10-17", `{"StringEquals":{"aws:RequestTag/team":"${aws:TagKeys}"}}`, testContext{"aws:requesttag/team": policy.One("team"), "aws:tagkeys": policy.Many("team")}, no},
		{"recorded: nor does its default", "2012-10-17", `{"StringEquals":{"aws:RequestTag/team":"${aws:TagKeys, 'fallback'}"}}`, testContext{"aws:requesttag/team": policy.One("fallback"), "aws:tagkeys": policy.Many("team")}, no},
		{"recorded: its negation matches", "2012-10-17", `{"StringNotEquals":{"aws:RequestTag/team":"${aws:TagKeys, 'fallback'}"}}`, testContext{"aws:requesttag/team": policy.One("fallback"), "aws:tagkeys": policy.Many("team")}, yes},
		{"not known", "2012-10-17", `{"StringEquals":{"aws:RequestTag/team":"x-${aws:PrincipalTag/team}"}}`, testContext{"aws:requesttag/team": policy.One("x-y"), "aws:principaltag/team": policy.NotGiven()}, unknown},
		{"not known, and it cannot match", "2012-10-17", `{"StringEquals":{"aws:RequestTag/team":"x-${aws:PrincipalTag/team}"}}`, testContext{"aws:requesttag/team": policy.One("y"), "aws:principaltag/team": policy.NotGiven()}, no},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := allows(t, tt.version, tt.condition, tt.ctx); got != tt.want {
				t.Errorf("%s = %v, want %v", tt.condition, got, tt.want)
			}
		})
	}
}

func TestPlaceholdersAreUnknown(t *testing.T) {
	t.Parallel()
	ctx := testContext{"kms:calleraccount": policy.One("111122223333"), "kms:viaservice": policy.One("ec2.us-east-1.amazonaws.com")}
	for cond, want := range map[string]policy.Truth{
		`{"StringEquals":{"kms:CallerAccount":"${account}"}}`:                   unknown,
		`{"StringEquals":{"kms:CallerAccount":["${account}","111122223333"]}}`:  yes,
		`{"StringEquals":{"kms:ViaService":"ec2.${region}.amazonaws.com"}}`:     unknown,
		`{"StringEquals":{"kms:ViaService":"s3.<region>.amazonaws.com"}}`:       no,
		`{"StringNotEquals":{"kms:ViaService":"s3.<region>.amazonaws.com"}}`:    yes,
		`{"StringEquals":{"kms:CallerAccount":{"Ref":"Account"}}}`:              unknown,
		`{"StringEquals":{"kms:ViaService":{"Fn::Sub":"ec2.${AWS::Region}"}}}`:  unknown,
		`{"NumericLessThan":{"kms:CallerAccount":"{{ limit }}"}}`:               unknown,
		`{"StringEquals":{"kms:CallerAccount":"ACCOUNT_ID"}}`:                   unknown,
		`{"ForAnyValue:StringEquals":{"kms:CallerAccount":["$ACCOUNT","000"]}}`: unknown,
	} {
		if got := allows(t, "2012-10-17", cond, ctx); got != want {
			t.Errorf("%s = %v, want %v", cond, got, want)
		}
	}
}

// Every operator has to exist in each form that AWS takes, and in no other.
func TestEveryFormOfEveryOperatorIsRead(t *testing.T) {
	t.Parallel()
	base := strings.Fields(`StringEquals StringNotEquals StringEqualsIgnoreCase StringNotEqualsIgnoreCase StringLike StringNotLike
		NumericEquals NumericNotEquals NumericLessThan NumericLessThanEquals NumericGreaterThan NumericGreaterThanEquals
		DateEquals DateNotEquals DateLessThan DateLessThanEquals DateGreaterThan DateGreaterThanEquals
		Bool BinaryEquals IpAddress NotIpAddress ArnEquals ArnLike ArnNotEquals ArnNotLike`)
	for _, set := range []string{"", "ForAllValues:", "ForAnyValue:"} {
		for _, op := range base {
			for _, suffix := range []string{"", "IfExists"} {
				if got := allows(t, "2012-10-17", `{"`+set+op+suffix+`":{"aws:SourceIp":"1"}}`, testContext{}); got == unknown {
					t.Errorf("%s is not read", set+op+suffix)
				}
			}
		}
	}
	for _, op := range []string{"NullIfExists", "StringEqual", "ForSomeValues:StringEquals", "Equals", "ForAnyValues:StringEquals"} {
		if got := allows(t, "2012-10-17", `{"`+op+`":{"aws:SourceIp":"1"}}`, testContext{}); got != unknown {
			t.Errorf("%s = %v, though it is no operator", op, got)
		}
	}
}
