package arn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/arn"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   string
		want arn.ARN
	}{
		"a KMS key":               {"arn:aws:kms:us-east-1:111122223333:key/1234", arn.ARN{Partition: "aws", Service: "kms", Region: "us-east-1", Account: "111122223333", Resource: "key/1234"}},
		"a global service":        {"arn:aws-cn:iam::111122223333:role/a/b", arn.ARN{Partition: "aws-cn", Service: "iam", Account: "111122223333", Resource: "role/a/b"}},
		"no account at all":       {"arn:aws:s3:::bucket/a:b", arn.ARN{Partition: "aws", Service: "s3", Resource: "bucket/a:b"}},
		"a snapshot has no owner": {"arn:aws:ec2:us-east-1::snapshot/snap-1", arn.ARN{Partition: "aws", Service: "ec2", Region: "us-east-1", Resource: "snapshot/snap-1"}},
		"colons in the resource":  {"arn:aws:rds:us-east-1:111122223333:snapshot:x", arn.ARN{Partition: "aws", Service: "rds", Region: "us-east-1", Account: "111122223333", Resource: "snapshot:x"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := arn.Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("Parse(%q) = %+v, want %+v", tt.in, got, tt.want)
			}
			if got.String() != tt.in {
				t.Errorf("String() = %q, want %q", got.String(), tt.in)
			}
		})
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for in, reason := range map[string]string{
		"":                         "does not begin with arn:",
		"key/1234":                 "does not begin with arn:",
		"arn:aws:kms":              "fewer than six parts",
		"arn:aws:kms:us-east-1:1":  "fewer than six parts",
		"arn::kms:us-east-1:1:k":   "partition is empty",
		"arn:aws::us-east-1:1:k":   "service is empty",
		"arn:aws:kms:us-east-1:1:": "resource is empty",
	} {
		_, err := arn.Parse(in)
		var pe *arn.ParseError
		if !errors.As(err, &pe) || !strings.Contains(err.Error(), reason) {
			t.Errorf("Parse(%q) = %v, want a *ParseError with %q", in, err, reason)
		}
	}
}

func TestParsePrincipal(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   string
		kind arn.Kind
		name string
	}{
		"everyone":                   {"*", arn.Everyone, ""},
		"a bare account":             {"111122223333", arn.AccountRoot, ""},
		"an account's root":          {"arn:aws:iam::111122223333:root", arn.AccountRoot, ""},
		"a user with a path":         {"arn:aws:iam::111122223333:user/a/b/carol", arn.User, "carol"},
		"a role":                     {"arn:aws:iam::111122223333:role/app", arn.Role, "app"},
		"a service role":             {"arn:aws:iam::111122223333:role/service-role/app", arn.Role, "app"},
		"a session":                  {"arn:aws:sts::111122223333:assumed-role/app/i-0", arn.AssumedRole, "app"},
		"an instance's EBS session":  {"arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-0", arn.AssumedRole, "aws:ec2-infrastructure"},
		"a federated user":           {"arn:aws:sts::111122223333:federated-user/guest", arn.FederatedUser, "guest"},
		"a service":                  {"drs.amazonaws.com", arn.Service, "drs.amazonaws.com"},
		"a service in China":         {"ec2.amazonaws.com.cn", arn.Service, "ec2.amazonaws.com.cn"},
		"a SAML provider":            {"arn:aws:iam::111122223333:saml-provider/idp", arn.Federated, "idp"},
		"a deleted user":             {"AIDAJQABLZS4A3QDU576Q", arn.UniqueID, ""},
		"a deleted role's session":   {"AROAJQABLZS4A3QDU576Q:future", arn.UniqueID, ""},
		"not: a session with a path": {"arn:aws:sts::111122223333:assumed-role/a/app/i-0", arn.Invalid, ""},
		"not: a session of nobody":   {"arn:aws:sts::111122223333:assumed-role/app", arn.Invalid, ""},
		"not: a bucket":              {"arn:aws:s3:::bucket", arn.Invalid, ""},
		"not: a role without name":   {"arn:aws:iam::111122223333:role/", arn.Invalid, ""},
		"not: rootish":               {"arn:aws:iam::111122223333:root/x", arn.Invalid, ""},
		"not: a word":                {"somebody", arn.Invalid, ""},
		"not: eleven digits":         {"11112222333", arn.Invalid, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := arn.ParsePrincipal(tt.in)
			if (err != nil) != (tt.kind == arn.Invalid) {
				t.Fatalf("ParsePrincipal(%q) error = %v", tt.in, err)
			}
			if got.Kind != tt.kind || tt.name != "" && got.Name != tt.name {
				t.Errorf("ParsePrincipal(%q) = %v %q, want %v %q", tt.in, got.Kind, got.Name, tt.kind, tt.name)
			}
		})
	}
}

func must(t *testing.T, s string) arn.Principal {
	t.Helper()
	p, err := arn.ParsePrincipal(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestASessionBelongsToItsRole(t *testing.T) {
	t.Parallel()
	session := must(t, "arn:aws:sts::111122223333:assumed-role/app/i-0")
	tests := map[string]struct {
		session arn.Principal
		role    string
		want    bool
	}{
		"by name":                              {session, "arn:aws:iam::111122223333:role/app", true},
		"by name, whatever the path":           {session, "arn:aws:iam::111122223333:role/service-role/app", true},
		"not of another account":               {session, "arn:aws:iam::444455556666:role/app", false},
		"not of another role":                  {session, "arn:aws:iam::111122223333:role/other", false},
		"by path once the path is known":       {session.WithRole("arn:aws:iam::111122223333:role/x/app"), "arn:aws:iam::111122223333:role/x/app", true},
		"not by another path once it is known": {session.WithRole("arn:aws:iam::111122223333:role/x/app"), "arn:aws:iam::111122223333:role/app", false},
	}
	for name, tt := range tests {
		if got := tt.session.SameRole(must(t, tt.role)); got != tt.want {
			t.Errorf("%s: SameRole = %v, want %v", name, got, tt.want)
		}
	}
}

func TestServiceLinkedRoles(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"arn:aws:iam::111122223333:role/aws-service-role/drs.amazonaws.com/AWSServiceRoleForElasticDisasterRecovery": true,
		"arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForAutoScaling/x":                                      true,
		"arn:aws:iam::111122223333:role/service-role/DRSStagingAccountRole_444455556666":                             false,
		"arn:aws:iam::111122223333:role/AWSServiceRoleForPretender":                                                  false,
		"arn:aws:iam::111122223333:user/AWSServiceRoleForNobody":                                                     false,
	} {
		if got := must(t, in).IsServiceLinked(); got != want {
			t.Errorf("IsServiceLinked(%s) = %v, want %v", in, got, want)
		}
	}
}

func TestGlobAndLike(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pattern, s string
		glob, like       bool
	}{
		{"a star crosses colons in a glob only", "arn:aws:kms:*:key/a", "arn:aws:kms:us-east-1:1:key/a", true, false},
		{"a star in one part", "arn:aws:iam::*:role/a", "arn:aws:iam::1:role/a", true, true},
		{"the resource may hold colons", "arn:aws:s3:::b/*/c", "arn:aws:s3:::b/x:y/c", true, true},
		{"a question mark is one character", "arn:aws:iam::1:user/?", "arn:aws:iam::1:user/ä", true, true},
		{"a question mark is not none", "arn:aws:iam::1:user/a?", "arn:aws:iam::1:user/a", false, false},
		{"a star is also none", "arn:aws:iam::1:user/a*", "arn:aws:iam::1:user/a", true, true},
		{"letter case counts", "arn:aws:iam::1:user/A", "arn:aws:iam::1:user/a", false, false},
		{"a lone star", "*", "arn:aws:iam::1:user/a", true, true},
		{"a short pattern with a star", "arn:aws:*", "arn:aws:iam::1:user/a", true, true},
		{"no ARN", "arn:aws:iam::1:user/*", "carol", false, false},
		{"backtracking", "a*b*c*d", "axbxbxcxcxd", true, false},
	}
	for _, tt := range tests {
		if got := arn.Glob(tt.pattern, tt.s); got != tt.glob {
			t.Errorf("%s: Glob(%q, %q) = %v", tt.name, tt.pattern, tt.s, got)
		}
		if got := arn.Like(tt.pattern, tt.s); got != tt.like {
			t.Errorf("%s: Like(%q, %q) = %v", tt.name, tt.pattern, tt.s, got)
		}
	}
}

// naive is the definition of Glob, character by character.
func naive(p, s []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '*':
		return naive(p[1:], s) || len(s) > 0 && naive(p, s[1:])
	case len(s) == 0:
		return false
	}
	return (p[0] == '?' || p[0] == s[0]) && naive(p[1:], s[1:])
}

func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{
		{"*", ""}, {"a*b?c", "axxbxc"}, {"**a", "ba"}, {"?", "é"}, {"kms:*", "kms:Decrypt"}, {"a*a*a", "aaa"}, {"", "a"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 24 || len(s) > 40 || strings.ToValidUTF8(pattern, "") != pattern || strings.ToValidUTF8(s, "") != s {
			return // the oracle is exponential, and policies are UTF-8
		}
		if got, want := arn.Glob(pattern, s), naive([]rune(pattern), []rune(s)); got != want {
			t.Errorf("Glob(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"arn:aws:kms:us-east-1:111122223333:key/1234", "arn:aws:s3:::b", "arn:::::", "arn:a:b:c:d:e:f", "111122223333", "*",
		"arn:aws:sts::111122223333:assumed-role/app/i-0", "AROAJQABLZS4A3QDU576Q:x", "drs.amazonaws.com",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := arn.Parse(s); err == nil && a.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, a.String())
		}
		p, err := arn.ParsePrincipal(s)
		if err != nil {
			return
		}
		again, err := arn.ParsePrincipal(p.Text)
		if err != nil || again != p {
			t.Errorf("reading %q, printed as %q, gives %+v and %v", s, p.Text, again, err)
		}
	})
}
