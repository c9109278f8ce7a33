package arn

import "strings"

// Kind says what sort of principal a name stands for.
type Kind uint8

// The kinds of principals, as AWS distinguishes them.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
const (
	Invalid       Kind = iota // no principal at all
	Everyone                  // "*"
	AccountRoot               // arn:…:root or the bare account number
	User                      // arn:…:user/PATH/NAME
	Role                      // arn:…:role/PATH/NAME
	AssumedRole               // arn:aws:sts::…:assumed-role/ROLE/SESSION
	FederatedUser             // arn:aws:sts::…:federated-user/NAME
	Service                   // drs.amazonaws.com
	Federated                 // an identity provider: arn:…:saml-provider/X, arn:…:oidc-provider/X, accounts.google.com
	Canonical                 // an S3 canonical user id
	UniqueID                  // AIDA…, AROA…: what AWS shows for a deleted user or role
)

var kindNames = [...]string{
	"no principal", "everyone", "account", "user", "role", "role session",
	"federated user", "service", "identity provider", "canonical user", "unique id",
}

// String returns the kind in words.
func (k Kind) String() string { return kindNames[k] }

// Principal is one principal, read once so that matching needs no parsing.
type Principal struct {
	Kind      Kind
	Text      string // the canonical spelling: the ARN, the service name, the id
	Partition string // of an ARN
	Account   string // empty for services, everyone, canonical users and ids
	Path      string // of a user or role: "/" or "/service-role/"
	Name      string // of a user, role or federated user; the role's name for a session
	Session   string // the session's name
	// RoleARN is the role's ARN for a role and for a session of one. AWS leaves
	// the path out of session ARNs, so for a session it is the ARN without a path
	// and PathKnown is false, unless WithRole said more.
	RoleARN   string
	PathKnown bool
}

// ParsePrincipal reads a principal in any spelling that policies, grants and
// requests use: "*", an ARN, a bare account number, a service name or a unique
// id. The error is a *ParseError.
func ParsePrincipal(s string) (Principal, error) {
	switch {
	case s == "*":
		return Principal{Kind: Everyone, Text: s}, nil
	case IsAccount(s):
		return accountRoot("aws", s), nil
	case strings.HasPrefix(s, "arn:"):
		return parsePrincipalARN(s)
	case isUniqueID(s):
		return Principal{Kind: UniqueID, Text: s}, nil
	case strings.HasSuffix(s, ".amazonaws.com"), strings.HasSuffix(s, ".amazonaws.com.cn"),
		strings.HasSuffix(s, ".aws.internal"), strings.HasSuffix(s, ".amazon.com"):
		return Principal{Kind: Service, Text: s, Name: s}, nil
	}
	return Principal{}, &ParseError{Text: s, Reason: "it is no principal: no ARN, account number, service name or unique id"}
}

func accountRoot(partition, account string) Principal {
	return Principal{
		Kind: AccountRoot, Partition: partition, Account: account,
		Text: "arn:" + partition + ":iam::" + account + ":root",
	}
}

func parsePrincipalARN(s string) (Principal, error) {
	a, err := Parse(s)
	if err != nil {
		return Principal{}, err
	}
	p := Principal{Text: s, Partition: a.Partition, Account: a.Account}
	typ, name, _ := strings.Cut(a.Resource, "/")
	switch a.Service + ":" + typ {
	case "iam:root":
		if name == "" && a.Resource == "root" {
			p.Kind = AccountRoot
		}
	case "iam:user", "iam:role":
		p.Path, p.Name = splitPath(name)
		p.Kind, p.PathKnown = User, true
		if typ == "role" {
			p.Kind, p.RoleARN = Role, s
		}
	case "sts:assumed-role":
		role, session, ok := strings.Cut(name, "/")
		if ok && !strings.Contains(session, "/") {
			p.Kind, p.Name, p.Session = AssumedRole, role, session
			p.RoleARN = "arn:" + a.Partition + ":iam::" + a.Account + ":role/" + role
		}
	case "sts:federated-user":
		p.Kind, p.Name = FederatedUser, name
	case "iam:saml-provider", "iam:oidc-provider":
		p.Kind, p.Name = Federated, name
	}
	if p.Kind == Invalid || (p.Name == "" && p.Kind != AccountRoot) || (p.Kind == AssumedRole && p.Session == "") {
		return Principal{}, &ParseError{Text: s, Reason: "it names no account, user, role, session or provider"}
	}
	return p, nil
}

// splitPath cuts "service-role/x/Name" into "/service-role/x/" and "Name".
func splitPath(s string) (path, name string) {
	i := strings.LastIndexByte(s, '/')
	return "/" + s[:i+1], s[i+1:]
}

// isUniqueID reports whether s looks like the id of a user or role, with or
// without a session name: AROA…:session.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes.
func isUniqueID(s string) bool {
	id, _, _ := strings.Cut(s, ":")
	if len(id) < 16 || (!strings.HasPrefix(id, "AIDA") && !strings.HasPrefix(id, "AROA")) {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// WithRole returns the session with its role's full ARN, path included. A role
// of another name or account is ignored.
func (p Principal) WithRole(roleARN string) Principal {
	r, err := ParsePrincipal(roleARN)
	if err != nil || p.Kind != AssumedRole || r.Kind != Role || r.Account != p.Account || r.Name != p.Name {
		return p
	}
	p.RoleARN, p.Path, p.PathKnown = r.RoleARN, r.Path, true
	return p
}

// IsServiceLinked reports whether the principal is a service-linked role or a
// session of one. A session whose path is not known is recognised by the
// AWSServiceRoleFor prefix, which AWS keeps for those roles.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html.
func (p Principal) IsServiceLinked() bool {
	if p.Kind != Role && p.Kind != AssumedRole {
		return false
	}
	if p.PathKnown {
		return strings.HasPrefix(p.Path, "/aws-service-role/")
	}
	return strings.HasPrefix(p.Name, "AWSServiceRoleFor")
}

// SameRole reports whether role, a principal of kind Role, is the role behind
// p: p itself or the role of the session p. Where the session's path is not
// known the name decides, because AWS keeps role names unique in an account.
func (p Principal) SameRole(role Principal) bool {
	if role.Kind != Role || (p.Kind != Role && p.Kind != AssumedRole) || p.Account != role.Account {
		return false
	}
	if p.PathKnown {
		return p.RoleARN == role.RoleARN
	}
	return p.Name == role.Name
}
