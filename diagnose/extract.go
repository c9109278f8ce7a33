package diagnose

import (
	"cmp"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/internal/lazy"
)

// What messages name. Masks (****, <acct>, ${X}, {Account Number}) are part
// of names: people put them where the digits were.
const (
	masked = `(?:<[^<>]{1,60}>|\{[^{}]{1,60}\}|\$\{[^{}]{1,60}\}|\[[^\[\]]{1,60}\]|[^\s"'<>{}()\[\],;\\])`
	named  = masked + `+`
)

var (
	refusal   = lazy.Regexp(`(?:[Uu]ser:? )?(` + named + `) is not\s+authorized to perform:? ?([A-Za-z0-9-]+:[A-Za-z*]+)`)
	refusal2  = lazy.Regexp(`not authorized to perform:? ?([a-z0-9-]+:[A-Za-z*]+)`)
	actions   = lazy.Regexp(`\((?:Actions?|Permissions?): ?([a-z0-9-]+:[A-Za-z*]+)`)
	decoded   = lazy.Regexp(`\baction[\\"]*[ :]+[\\"]*([a-z0-9-]+:[A-Za-z*]+)`)
	simulated = lazy.Regexp(`\b(kms:[A-Za-z*]+)\b[^:]{0,40}?(?:implicit|explicit)Deny`)
	denying   = lazy.Regexp(`explicitdeny[\\"]*[ :]+true`)
	allows    = lazy.Regexp(`allows? the ([a-z0-9-]+:[A-Za-z*]+) action`)
	resource  = lazy.Regexp(`on (?:the )?resource: ?(` + named + `)`)
	noLayer   = lazy.Regexp(`because no ([a-z][a-z -]*)`)
	noAllows  = lazy.Regexp(`\bno ([a-z][a-z -]*?) ?(?:polic(?:y|ies) )?allows? `)
	denyLayer = lazy.Regexp(`explicit deny in an? ([a-z][a-z -]*)`)
	policyARN = lazy.Regexp(`policy: ?(arn:` + named + `)`)

	keyARN    = lazy.Regexp(`arn:[\w-]*:kms:` + masked + `*?:` + masked + `*?:(?:key|alias)/` + named)
	keyAlias  = lazy.Regexp(`\balias/[\w./*-]+`)
	keyID     = lazy.Regexp(`(?i)\b(?:key|keyid|cmk)\b[^a-z0-9]{1,4}((?:mrk-)?[0-9a-f]{32}|[0-9a-f*x]{8}-[0-9a-f*x]{4}-[0-9a-f*x]{4}-[0-9a-f*x]{4}-[0-9a-f*x]{12})`)
	principal = lazy.Regexp(`arn:[\w-]*:(?:iam|sts)::` + masked + `*?:(?:user|role|assumed-role|federated-user|root)\b/?` + masked + `*`)
	// linkedRole is a service-linked role by its name alone.
	linkedRole = lazy.Regexp(`\bAWSServiceRoleFor\w+`)
	region     = lazy.Regexp(`\b(?:us(?:-gov|-iso[a-f]?)?|eu|ap|sa|ca|me|af|cn|il|mx)-(?:north|south|east|west|central|northeast|southeast|northwest|southwest)-\d\b`)

	calling   = lazy.Regexp(`when calling the (\w+) operation`)
	occurred  = lazy.Regexp(`\(([A-Z][\w.]+)\)(?: occurred)? when calling the (\w+) operation`)
	operation = lazy.Regexp(`operation error ([\w .-]+?): (\w+)`)
	apiError  = lazy.Regexp(`api error ([A-Z][\w.]+)`)
	errorCode = lazy.Regexp(`(?:Error Code|[eE]rrorCode|ErrorCode|Code|__type)["']?[:=>]? ?["']?(?:[\w.]+#)?([A-Z][\w.]+)`)
	exception = lazy.Regexp(`\b((?:KMS\.|Client\.|Server\.|Kinesis\.KMS\.|Lambda\.|Kms)?[A-Z][A-Za-z]+(?:Exception|Fault|NotFound|Denied|Failure|Operation|InvalidState|NotPermitted|InternalError|Revoked))\b`)
	service   = lazy.Regexp(`\(Service: ?"?([\w ]+?)"?[;,]`)
	requestID = lazy.Regexp(`(?i)\brequest ?id["']?[:=]? ?["']?([0-9A-Za-z-]{8,64})`)
	encoded   = lazy.Regexp(`(?i)encoded (?:authorization )?failure(?: message)?: ?([\w+/=-]{20,})`)
)

// extract takes out of the text what it names, where an event has not told it.
func (in *Incident) extract(lower string) {
	in.refusal(lower)
	in.layer(lower)
	in.key(lower)
	in.call(lower)
	if a := "kms:" + in.Operation; in.Action == "" && (in.Service == "" || in.Service == "kms") && strings.HasPrefix(in.Code, "AccessDenied") && isAction(a) && !strings.Contains(lower, "ciphertext") {
		in.Action, in.Service = a, "kms" // KMS was called itself, and gave no words
	}
	if in.Principal == "" {
		in.Principal = strings.TrimRight(principal.FindString(in.Text), ".:")
	}
	if in.Principal == "" {
		in.Principal = linkedRole.FindString(in.Text)
	}
	in.Account = cmp.Or(in.Account, part(in.Principal, 4))
	in.PrincipalKind = kindOf(in.Principal)
	if in.Region == "" {
		in.Region = region.FindString(lower)
	}
	if in.RequestID == "" && strings.Contains(lower, "request") {
		in.RequestID = sub(requestID, in.Text)
	}
	if strings.Contains(lower, "encoded") {
		in.Encoded = sub(encoded, in.Text)
	}
}

// refusal reads "User: … is not authorized to perform: …" and its kin.
func (in *Incident) refusal(lower string) {
	if strings.Contains(lower, "authorized") {
		if m := refusal.FindStringSubmatch(in.Text); m != nil {
			if strings.ContainsAny(m[1], ":<") || strings.HasSuffix(m[1], ".amazonaws.com") {
				in.Principal = m[1]
			}
			in.Action = m[2]
		} else if a := sub(refusal2, in.Text); a != "" {
			in.Action = a
		}
	}
	if in.Action == "" {
		in.Action = cmp.Or(sub(allows, in.Text), sub(actions, in.Text))
	}
	if in.Action == "" && strings.Contains(lower, "deny") {
		in.Action = cmp.Or(sub(simulated, in.Text), sub(decoded, in.Text))
	}
	in.refusalByOthers(lower)
	in.Action = canonical(in.Action)
}

// layerWords are the layers in the words of AWS's messages.
// See docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html.
var layerWords = []struct {
	words string
	layer access.Layer
}{
	{"identity-based", access.Identity}, {"resource-based", access.ResourcePolicy}, {"permissions boundary", access.Boundary},
	{"session", access.Session}, {"service control", access.SCP}, {"resource control", access.RCP}, {"vpc endpoint", access.EndpointPolicy},
}

// layer reads which kind of policy a message names, also where its end was
// cut off.
func (in *Incident) layer(lower string) {
	if strings.Contains(lower, "does not exist in this region, no ") {
		return // several reasons in one sentence
	}
	in.Explicit = strings.Contains(lower, "explicit deny") && !strings.Contains(lower, "explicit deny policy or ") || denying.MatchString(lower)
	words := cmp.Or(sub(noLayer, lower), sub(noAllows, lower))
	if in.Explicit {
		words = cmp.Or(sub(denyLayer, lower), words)
	}
	words = strings.TrimSpace(words)
	hits := 0
	for _, l := range layerWords {
		if strings.HasPrefix(words, l.words) || len(words) > 1 && strings.HasPrefix(l.words, words) {
			in.Layer = l.layer
			hits++
		}
	}
	if hits > 1 {
		in.Layer = "" // "re…" may be either
	}
	if in.Layer != "" {
		in.PolicyARN = strings.TrimRight(sub(policyARN, in.Text), ".")
	}
}

// key finds the key that is meant: of several the one that was refused.
func (in *Incident) key(lower string) {
	if strings.Contains(lower, ":kms:") && !strings.HasPrefix(in.Key, "arn:") {
		if r := sub(resource, in.Text); strings.Contains(r, ":kms:") {
			in.Key = r
		} else if k := keyARN.FindString(in.Text); k != "" {
			in.Key = k
		}
	}
	if in.Key == "" {
		in.Key = keyAlias.FindString(in.Text)
	}
	if in.Key == "" && (strings.Contains(lower, "key") || strings.Contains(lower, "cmk")) {
		in.Key = sub(keyID, in.Text)
	}
	in.Key = strings.TrimRight(in.Key, ".:*'")
	in.KeyAccount = cmp.Or(in.KeyAccount, part(in.Key, 4))
	if r := region.FindString(part(in.Key, 3)); r != "" {
		in.Region = r
	}
}

// call finds which operation of which service failed, and its code.
func (in *Incident) call(lower string) {
	if in.Operation == "" {
		if m := occurred.FindStringSubmatch(in.Text); m != nil {
			in.Code, in.Operation = cmp.Or(in.Code, m[1]), m[2]
		} else if m := operation.FindStringSubmatch(in.Text); m != nil {
			in.Service, in.Operation = cmp.Or(in.Service, prefixOf(m[1])), m[2]
		} else {
			in.Operation = sub(calling, in.Text)
		}
	}
	if in.Code == "" {
		in.Code = cmp.Or(sub(apiError, in.Text), sub(exception, in.Text), sub(errorCode, in.Text))
	}
	if in.Service == "" {
		in.Service = prefixOf(sub(service, in.Text))
	}
	if in.Service == "" && in.Operation != "" && in.Action == "kms:"+in.Operation {
		in.Service = "kms"
	}
	for _, s := range serviceWords {
		if in.Service != "" {
			break
		}
		if _, ok := anyOf(in.Text, lower, s.words); ok {
			in.Service = s.service
		}
	}
	if in.Service == "" && strings.HasPrefix(in.Action, "kms:") {
		in.Service = "kms"
	}
}

func sub(re *lazy.Pattern, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// part is one of the colon-separated parts of an ARN, counted from 0; "" when
// the text is no ARN.
func part(s string, n int) string {
	if !strings.HasPrefix(s, "arn:") {
		return ""
	}
	parts := strings.SplitN(s, ":", 6)
	if n >= len(parts) {
		return ""
	}
	return parts[n]
}

// kindOf tells what a principal is by its name.
func kindOf(p string) Kind {
	switch {
	case p == "":
		return Unknown
	case strings.HasPrefix(p, "AWSServiceRoleFor") || strings.Contains(p, "/AWSServiceRoleFor") || strings.Contains(p, "/aws-service-role/") || awsfacts.IsServiceLinkedRole(p):
		return ServiceRole
	case strings.HasSuffix(p, ":root"):
		return Root
	case strings.Contains(p, ":assumed-role") || strings.Contains(p, ":role"):
		return Role
	case strings.Contains(p, ":user") || strings.Contains(p, ":federated-user"):
		return User
	case strings.HasSuffix(p, ".amazonaws.com"):
		return Service
	}
	return Unknown
}
